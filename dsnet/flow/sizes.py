"""Sizes of frames: what every algorithm takes, and padding for those that need more."""

from __future__ import annotations

import numpy as np

Place = tuple[slice, slice]  # rows and columns


def check(gray: np.ndarray) -> None:
    """Raise ValueError unless these are (T >= 2, H >= 3, W >= 3) uint8 frames."""
    if gray.ndim != 3 or gray.dtype != np.uint8 or len(gray) < 2 or min(gray.shape[1:]) < 3:
        raise ValueError(
            f"expected (T >= 2, H >= 3, W >= 3) uint8 frames, got {gray.shape} {gray.dtype}"
        )


def padded(gray: np.ndarray, least: int, multiple: int = 1) -> tuple[np.ndarray, Place]:
    """Continue the edges of frames, alike on both sides.

    Args:
        gray: (T, H, W) frames.
        least, multiple: height and width become multiples of ``multiple``, and ``least`` or more.

    Returns:
        The frames, contiguous, and where the given ones are in them.
    """
    before, widths = [], [(0, 0)]
    for side in gray.shape[1:]:
        more = max(-(-side // multiple) * multiple, least) - side
        before.append(more // 2)
        widths.append((more // 2, more - more // 2))
    rows, columns = (slice(b, b + side) for b, side in zip(before, gray.shape[1:], strict=True))
    frames = np.pad(gray, widths, "edge") if np.any(widths) else np.ascontiguousarray(gray)
    return frames, (rows, columns)
