"""Running a network over clips: the device, and the logits of all clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dsnet.clips import TestClips
from dsnet.errors import UserError
from dsnet.models import ResNeXt3D


class DeviceError(UserError):
    """A device that was asked for and is not there."""


def choose_device(device: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` stands for here.

    Raises:
        DeviceError: a GPU was asked for and PyTorch finds none.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if available else "cpu"
    if device.startswith("cuda") and not available:
        raise DeviceError(f"device {device}: PyTorch finds no GPU; set training.device: cpu")
    return torch.device(device)


def to_device(module: nn.Module, device: torch.device) -> None:
    """Move a network to a device, channels last, in which CPUs convolve faster."""
    module.to(device)
    module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def clips_to_device(clips: Tensor, device: torch.device) -> Tensor:
    """(N, C, T, H, W) clips on a device, channels last as the networks."""
    return clips.to(device, non_blocking=True, memory_format=torch.channels_last_3d)


@torch.no_grad()
def clip_logits(
    network: ResNeXt3D, batches: DataLoader[Any], device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """(C, K) float32 logits of all test clips and (C,) int64, the number of each one's video.

    The network is on ``device`` (see :func:`to_device`).
    """
    network.eval()
    data = batches.dataset
    assert isinstance(data, TestClips)
    (modality,) = data.videos.modalities
    logits = []
    for batch, _ in batches:
        logits.append(network(clips_to_device(batch[modality], device)).float().cpu())
    return torch.cat(logits).numpy(), data.owners
