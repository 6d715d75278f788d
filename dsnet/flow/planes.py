"""Conversion of flow in pixels to 8-bit planes and back, as numbers and as stored images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np

from dsnet import images

Rounding = Literal["nearest", "truncate"]


def encode(flow: np.ndarray, bound: float, rounding: Rounding = "nearest") -> np.ndarray:
    """Clip flow in pixels to ±``bound`` and map it linearly to 0..255, uint8.

    Zero flow falls between 127 and 128. ``rounding="nearest"`` makes it 128 (half to even).
    ``"truncate"`` makes it 127, as MARS's extraction does, with its order of operations. Mirroring
    computes 255 - v: the value of the negated flow if rounded, and one more if truncated.
    """
    shifted = np.clip(flow, -bound, bound) + bound
    if rounding == "truncate":
        return (shifted / (2 * bound) * 255).astype(np.uint8)
    return np.rint(shifted * (255 / (2 * bound))).astype(np.uint8)


def decode(planes: np.ndarray, bound: float, rounding: Rounding = "nearest") -> np.ndarray:
    """Invert :func:`encode` up to rounding: uint8 to float32 pixels.

    Each value becomes the middle of the flow values that are encoded as it.
    """
    values = planes.astype(np.float32)
    if rounding == "truncate":
        values = np.minimum(values + np.float32(0.5), np.float32(255))  # only the bound is 255
    return values * np.float32(2 * bound / 255) - np.float32(bound)


def resize(
    planes: np.ndarray, size: tuple[int, int], bounds: tuple[float, float], rounding: Rounding
) -> np.ndarray:
    """Resize 8-bit flow, (H, W, 2) uint8, to ``size``, a height and a width, in pixels of there.

    A vector of the new flow is (W'/W x, H'/H y): what moves by a tenth of the width still does.
    ``bounds`` are those of the flow before and after.
    """
    (height, width), (rows, columns) = size, planes.shape[:2]
    flow = decode(planes, bounds[0], rounding)
    if (rows, columns) != size:
        shrinks = height <= rows and width <= columns
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        flow = cv2.resize(flow, (width, height), interpolation=how)
        flow *= np.array([width / columns, height / rows], np.float32)
    return encode(flow, bounds[1], rounding)


def to_bytes(
    flow: np.ndarray, bound: float, quality: images.Quality, rounding: Rounding = "nearest"
) -> Iterator[bytes]:
    """Encode (N, H, W, 2) flow in pixels as 2N images: for each field x, then y."""
    for field in encode(flow, bound, rounding):
        yield from stored(field, quality)


def stored(field: np.ndarray, quality: images.Quality) -> list[bytes]:
    """Encode 8-bit flow, (H, W, 2) uint8, as an x and a y image."""
    return [images.encode(plane, quality) for plane in (field[..., 0], field[..., 1])]
