"""Flow in pixels to 8-bit planes and back, as numbers and as JPEG images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dsnet import images


def encode(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in pixels, clipped to ±``bound``, mapped linearly to 0..255 and rounded to uint8.

    Zero flow falls between 127 and 128 and is rounded to 128 (halves are rounded to even).
    """
    scaled = (np.clip(flow, -bound, bound) + bound) * (255 / (2 * bound))
    return np.rint(scaled).astype(np.uint8)


def decode(planes: np.ndarray, bound: float) -> np.ndarray:
    """The inverse of :func:`encode` but for rounding: uint8 to float32 pixels."""
    return planes.astype(np.float32) * np.float32(2 * bound / 255) - np.float32(bound)


def to_bytes(flow: np.ndarray, bound: float, quality: int) -> Iterator[bytes]:
    """(N, H, W, 2) flow in pixels to 2N JPEG images: plane x, then plane y, of each field."""
    for field in encode(flow, bound):
        for plane in (field[..., 0], field[..., 1]):
            yield images.encode(plane, quality)


def from_bytes(items: list[bytes], bound: float) -> np.ndarray:
    """2N JPEG images (x, y, x, y, …) to (N, H, W, 2) float32 flow in pixels."""
    planes = np.stack([images.decode(np.frombuffer(item, np.uint8), True) for item in items])
    return decode(np.stack([planes[::2], planes[1::2]], axis=-1), bound)
