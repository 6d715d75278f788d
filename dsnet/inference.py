"""Logits of a network for clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dsnet.arithmetic import computing_in
from dsnet.clips.feeding import on_device
from dsnet.clips.videos import ScoringClips
from dsnet.models.backbone import Backbone
from dsnet.models.convolutions import suit_cpu
from dsnet.processes import ALONE, Processes


def to_device(module: nn.Module, device: torch.device) -> None:
    """Move a network to a device, in the layout and forms that CPUs convolve faster in."""
    module.to(device)
    module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if device.type == "cpu":
        suit_cpu(module)


@torch.no_grad()
def clip_logits(
    network: Backbone,
    batches: DataLoader[Any],
    device: torch.device,
    processes: Processes = ALONE,
    precision: str = "float32",
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the logits of all test clips, (C, K) float32, and the video of each clip, (C,) int64.

    The network is on ``device`` (see :func:`to_device`), where it computes in the training's
    ``precision``. Each of several processes computes its share of the clips, and all get all
    logits.
    """
    network.eval()
    data = batches.dataset
    assert isinstance(data, ScoringClips)
    (modality,) = data.videos.modalities
    settings = data.videos.settings.model_copy(update=network.statistics)
    with computing_in(precision, device):
        own = [network(clips[modality]) for clips, _ in on_device(batches, settings, device)]
    part = torch.cat(own).float().cpu().numpy() if own else np.empty(0, np.float32)
    return processes.all_gather_rows(part), data.owners
