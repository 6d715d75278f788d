"""Devices that PyTorch computes on."""

from __future__ import annotations

import re

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
