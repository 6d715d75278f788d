"""Running a network over clips: the device, and the logits of all clips."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dsnet.clips import TestClips, normalise
from dsnet.distributed import ALONE, Processes
from dsnet.errors import UserError
from dsnet.models import ResNeXt3D


class DeviceError(UserError):
    """A device that is not there, or is not made for what is asked of it."""


def choose_device(device: str, processes: Processes = ALONE) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` stands for here.

    Each of several processes on one machine gets a GPU of its own, which becomes its current one.

    Raises:
        DeviceError: a GPU was asked for and PyTorch finds none, or fewer than processes; or the
            name is none of these.
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


def to_device(module: nn.Module, device: torch.device) -> None:
    """Move a network to a device, channels last, in which CPUs convolve faster."""
    module.to(device)
    module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


@torch.no_grad()
def clip_logits(
    network: ResNeXt3D,
    batches: DataLoader[Any],
    device: torch.device,
    processes: Processes = ALONE,
) -> tuple[np.ndarray, np.ndarray]:
    """(C, K) float32 logits of all test clips and (C,) int64, the number of each one's video.

    The network is on ``device`` (see :func:`to_device`). Of several processes each runs its share
    of the clips, and all get the logits of all, every clip once.
    """
    network.eval()
    data = batches.dataset
    assert isinstance(data, TestClips)
    (modality,) = data.videos.modalities
    own = [
        network(normalise(batch[modality], modality, data.videos.settings, device)).float().cpu()
        for batch, _ in batches
    ]
    part = torch.cat(own).numpy() if own else np.empty(0, np.float32)
    return processes.whole(part), data.owners
