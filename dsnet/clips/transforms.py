"""Transforms of clips; RGB and flow of a pair are transformed alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dsnet.clips.sampling import Crop

if TYPE_CHECKING:
    from dsnet.experiment.data import Clips


def to_square(loaded: Sequence[np.ndarray], modality: str, crop: Crop | None, size: int) -> Tensor:
    """Resize the shorter side of a clip, take the centre, and mirror it.

    Args:
        loaded: result of :func:`load` for the area of ``crop``.
        modality: ``rgb`` or ``flow``; mirroring negates x-flow, 255 - v.
        crop: whether to mirror. ``None`` is the test transform of whole frames, not mirrored.
        size: side of the square.

    Returns:
        (T, size, size, C) uint8, contiguous.
    """
    pictures = np.stack(loaded if modality == "rgb" else _fours(loaded))
    clip = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    clip = _centre(clip, size).permute(0, 2, 3, 1)
    if modality == "flow":
        clip = clip.reshape(-1, size, size, 2, 2).permute(0, 3, 1, 2, 4)
        clip = clip.reshape(-1, size, size, 2)[: len(loaded) // 2]
    if crop is not None and crop.flip:
        clip = clip.flip(2)
        if modality == "flow":
            clip[..., 0] = 255 - clip[..., 0]
    return clip.contiguous()


def _fours(planes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Merge planes into images of four channels, which are resized in half the time."""
    filled = [*planes, *planes[: len(planes) % 4]]
    return [cv2.merge(filled[first : first + 4]) for first in range(0, len(filled), 4)]


def normalise(
    clips: Tensor, modality: str, settings: Clips, device: torch.device | str = "cpu"
) -> Tensor:
    """Subtract the means from clips, divide by their deviations, and put them on a device.

    The clips travel to the device as bytes, a quarter of the size of float32.

    Args:
        clips: (N, T, H, W, C) uint8.
        modality: ``rgb`` or ``flow``.
        settings: the config's ``clips``, with the means and the deviations.
        device: device of the result.

    Returns:
        (N, C, T, H, W) float32, channels last in memory: by default, RGB minus its mean, and flow
        minus 127.5.
    """
    mean = settings.rgb_mean if modality == "rgb" else [settings.flow_mean] * 2
    std = settings.rgb_std if modality == "rgb" else [settings.flow_std] * 2
    # Whole rows, over which the means repeat: a loop over the channels of one pixel is too short.
    rows = clips.to(device, non_blocking=True).flatten(-2)
    rows = rows - _repeated(mean, clips, device)
    if set(std) != {1}:
        rows = rows / _repeated(std, clips, device)
    return rows.unflatten(-1, clips.shape[-2:]).permute(0, 4, 1, 2, 3)


def _repeated(values: Sequence[float], clips: Tensor, device: torch.device | str) -> Tensor:
    """Repeat a number per channel over a row of ``clips``, (N, T, H, W, C): (W C) float32."""
    return torch.tensor(values, dtype=torch.float32, device=device).repeat(clips.shape[-2])


def _centre(clip: Tensor, size: int) -> Tensor:
    height, width = clip.shape[2:]
    short = min(height, width)
    # The longer side is truncated, as in MARS's Scale. One more pixel would shift half the columns.
    clip = _resize(clip, height * size // short, width * size // short)
    y, x = (round((side - size) / 2) for side in clip.shape[2:])
    return clip[..., y : y + size, x : x + size]


def _resize(clip: Tensor, height: int, width: int) -> Tensor:
    """Resize bilinearly with antialiasing, as Pillow does in MARS."""
    if clip.shape[2:] == (height, width):
        return clip
    return F.interpolate(clip, (height, width), mode="bilinear", antialias=True)
