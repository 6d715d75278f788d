"""Frames and crop of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Area = tuple[slice, slice]  # rows and columns
WHOLE: Area = (slice(None), slice(None))


@dataclass(frozen=True)
class Crop:
    """A square of a frame: left, top and side in pixels, and whether it is mirrored."""

    x: int
    y: int
    side: int
    flip: bool = False

    @property
    def area(self) -> Area:
        """Rows and columns of the square."""
        return slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)


def draw_crop(
    rng: np.random.Generator, height: int, width: int, scales: Sequence[float], flip: bool
) -> Crop:
    """Draw MARS's crop: a scale of the shorter side, at one of 4 corners or the centre.

    If ``flip`` is true, it is mirrored with probability 1/2.
    """
    side = int(min(height, width) * scales[int(rng.integers(len(scales)))])
    right, bottom = width - side, height - side
    places = [(right // 2, bottom // 2), (0, 0), (right, 0), (0, bottom), (right, bottom)]
    x, y = places[rng.integers(len(places))]
    return Crop(x, y, side, flip and bool(rng.random() < 0.5))


def span(length: int, stride: int) -> int:
    """Return the number of frames from the first to the last of ``length``, every ``stride``-th."""
    return (length - 1) * stride + 1


def training_positions(
    rng: np.random.Generator, frames: int, length: int, stride: int = 1
) -> np.ndarray:
    """Draw the frame numbers, (length,), of a clip at a random place; a shorter video is looped."""
    start = int(rng.integers(max(frames - span(length, stride), 0) + 1))
    return (start + stride * np.arange(length)) % frames


def scoring_positions(
    frames: int, length: int, most: int | None = None, stride: int = 1
) -> list[np.ndarray]:
    """Return the frame numbers of all clips that do not overlap; a shorter video is looped.

    A clip has ``length`` frames, every ``stride``-th. The tail is dropped. Of more than ``most``
    clips, ``most`` at equal distances are taken.
    """
    steps, whole = stride * np.arange(length), span(length, stride)
    count = frames // whole
    if count == 0:
        return [steps % frames]
    wanted = min(count, most or count)
    starts = [(2 * clip + 1) * count // (2 * wanted) for clip in range(wanted)]
    return [start * whole + steps for start in starts]
