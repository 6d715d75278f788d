"""The part ``about``: what the machine is, and its ceilings."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import distributions
from typing import Any

import torch
from convolutions import on_cpu
from gpu.results import TINY, attempt
from machine import machine

from dsnet import flow
from dsnet.devices import choose_device
from dsnet.models.convolutions import on_gpu
from dsnet.provenance.records import git_commit

PACKAGES = {"torch", "triton", "numpy", "numba", "numba-cuda", "cupy-cuda13x"}
PACKAGES |= {"opencv-python-headless", "opencv-contrib-python-headless"}
QUERY = "name,driver_version,clocks.sm,clocks.mem,power.limit,temperature.gpu"


def about() -> None:
    """Tell what the machine is, its ceilings, and which backends of TV-L1 can run."""
    attempt("machine", _machine)
    attempt("ceilings", _ceilings)
    attempt("backends", lambda: {name: why_not(name) for name in flow.BACKENDS})


def why_not(backend: str) -> str | None:
    """Return why a backend of TV-L1 cannot run here, or None."""
    try:
        flow.resolve(backend)
    except flow.BackendError as error:
        return str(error)
    return None


def _machine() -> dict[str, Any]:
    installed = {found.metadata["Name"] for found in distributions()}
    found: dict[str, Any] = {
        "machine": machine(*sorted(PACKAGES & installed)),
        "tiny": TINY,
        "commit": os.environ.get("COMMIT") or git_commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "cuda": torch.version.cuda,
    }
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        found |= {"gpu": gpu.name, "memory": gpu.total_memory}
        found |= {"sms": gpu.multi_processor_count, "cudnn": torch.backends.cudnn.version()}
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
        found["nvidia-smi"] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return found


def _ceilings() -> dict[str, float]:
    """Measure bytes per second of a copy, and operations per second of a product of matrices."""
    device = choose_device("auto")
    seconds = on_cpu if device.type == "cpu" else on_gpu
    source = torch.randn(2**20 if TINY else 2**30, device=device)
    target, side = torch.empty_like(source), 128 if TINY else 8192
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return {
        "copied bytes per second": 2 * source.nbytes / seconds(lambda: target.copy_(source)),
        "bfloat16 operations per second": 2 * side**3 / seconds(lambda: a @ b),
    }
