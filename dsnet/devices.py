"""Devices that PyTorch computes on."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import torch

from dsnet.errors import UserError
from dsnet.processes import ALONE, Processes

if TYPE_CHECKING:
    from dsnet.experiment.networks import Recipe

PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


class DeviceError(UserError):
    """A device that does not exist, or cannot do what is asked of it."""


def choose_device(device: str, processes: Processes = ALONE) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Each of several processes on one machine gets its own GPU, which becomes its current device.
    Raises DeviceError for an unknown name, or if there is no GPU, or fewer GPUs than processes.
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
        torch.cuda.set_device(device)
    return torch.device(device)


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """Return a context in which networks compute in ``training.precision``, on a CPU in float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not None and device.type != "cpu")


def set_up(options: Recipe, device: torch.device) -> None:
    """Set how GPUs compute: ``tf32``, ``autotune`` and ``deterministic`` of a recipe.

    CPUs are deterministic whatever the recipe says.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.tf32
    torch.backends.cudnn.benchmark = options.autotune
    # cuBLAS is deterministic only with this setting.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    deterministic = options.deterministic or device.type == "cpu"
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    # PyTorch would fill every new tensor, though each is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def check_precision(precision: str, device: torch.device) -> None:
    """Raise DeviceError if ``training.precision`` is not float32 and the device is a CPU."""
    if precision != "float32" and device.type == "cpu":
        raise DeviceError(
            f"training.precision: {precision} is for GPUs; on CPUs it makes 3D convolutions many "
            f"times slower; set it to float32"
        )
