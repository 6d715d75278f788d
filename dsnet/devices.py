"""Devices that PyTorch computes on, and their names."""

from __future__ import annotations

import platform
import re
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from dsnet.errors import UserError
from dsnet.processes import ALONE, Processes


class DeviceError(UserError):
    """A device that does not exist, or cannot do what is asked of it."""


def choose_device(device: str, processes: Processes = ALONE) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Each of several processes on one machine gets its own GPU. It becomes the current device, as a
    GPU named by its number does. Raises DeviceError for an unknown name, or if there is no GPU, or
    fewer GPUs than processes.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if available else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise DeviceError(f"device {device}: expected auto, cpu, cuda or cuda:N")
    if device != "cpu" and not available:
        raise DeviceError(f"device {device}: PyTorch finds no GPU; use cpu (training.device)")
    if device == "cuda" and processes.count > 1:
        there = torch.cuda.device_count()
        if processes.local >= there:
            raise DeviceError(
                f"process {processes.local + 1} finds only {there} GPUs; set training.gpus (and "
                f"training.processes) to what there is"
            )
        device = f"cuda:{processes.local}"
    chosen = torch.device(device)
    if chosen.index is not None:
        torch.cuda.set_device(chosen)
    return chosen


def check_precision(precision: str, device: torch.device) -> None:
    """Raise DeviceError if ``training.precision`` is not float32 and the device is a CPU."""
    if precision != "float32" and device.type == "cpu":
        raise DeviceError(
            f"training.precision: {precision} is for GPUs; on CPUs it makes 3D convolutions many "
            f"times slower; set it to float32"
        )


def machine(*packages: str) -> str:
    """Name the date, the processor and versions of packages, for the head of a table."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{date.today()}, {platform.machine()}, {_processor()}; {versions}"


def _processor() -> str:
    """Return the processor's name; on Linux with its family, model and width of vectors."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    about = {key.strip(): value.strip() for key, _, value in pairs}
    if "model name" not in about:
        return platform.processor()
    flags = about.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "no AVX")
    return (
        f"{about['model name']} (family {about['cpu family']}, model {about['model']}, {vectors})"
    )
