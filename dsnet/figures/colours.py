"""Optical flow in colours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.colors import hsv_to_rgb


def flow_colours(flow: np.ndarray, full: float) -> np.ndarray:
    """Convert flow (..., 2) in pixels, x to the right and y downwards, to colours (..., 3) uint8.

    The hue is the direction: red to the right, then clockwise through yellow and green. The
    saturation is the speed, full at ``full`` pixels.
    """
    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1
    saturation = np.clip(np.linalg.norm(flow, axis=-1) / full, 0, 1)
    colours = hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], -1))
    return (255 * colours).round().astype(np.uint8)


def colour_wheel(size: int, full: float) -> tuple[np.ndarray, np.ndarray]:
    """Colour all directions and speeds up to ``full``, y downwards as in images.

    Returns (size, size, 3) uint8, and the disc of the wheel, (size, size) bool.
    """
    line = np.linspace(-full, full, size)
    flow = np.stack(np.meshgrid(line, line), -1)
    return flow_colours(flow, full), np.linalg.norm(flow, axis=-1) <= full


def full_speed(fields: Iterable[np.ndarray]) -> float:
    """Return the speed of the full colour: the 99th percentile of (..., 2) flow, in pixels."""
    speeds = [np.linalg.norm(field, axis=-1).ravel() for field in fields]
    full = float(np.percentile(np.concatenate(speeds), 99)) if speeds else 0.0
    return max(full, 0.1)  # without motion, compression noise would get full colours
