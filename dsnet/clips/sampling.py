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


def training_positions(rng: np.random.Generator, frames: int, length: int) -> np.ndarray:
    """Draw the frame numbers, (length,), of a clip at a random place; a shorter video is looped."""
    start = int(rng.integers(max(frames - length, 0) + 1))
    return (start + np.arange(length)) % frames


def scoring_positions(frames: int, length: int, most: int | None = None) -> list[np.ndarray]:
    """Return the frame numbers of all clips that do not overlap; a shorter video is looped.

    The tail is dropped. Of more than ``most`` clips, ``most`` at equal distances are taken.
    """
    count = frames // length
    if count == 0:
        return [np.arange(length) % frames]
    wanted = min(count, most or count)
    starts = [(2 * clip + 1) * count // (2 * wanted) for clip in range(wanted)]
    return [start * length + np.arange(length) for start in starts]
