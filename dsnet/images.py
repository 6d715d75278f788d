"""Stored images: JPEG with a restart marker after every 16 rows, or uncompressed (PPM, PGM)."""

from __future__ import annotations

import math
import re
import struct
from typing import Literal

import cv2
import numpy as np

ITEMS_PER_FRAME = {"rgb": 1, "flow": 2}  # flow has an x and a y image
ROWS = 16  # rows between the restart markers of stored files: one row of blocks in colour
HEADER = 2048  # bytes in which a header is looked for; OpenCV's headers have about 630
RAW = re.compile(rb"P([56])\n(\d+) (\d+)\n255\n")  # header of an uncompressed image
Quality = int | Literal["raw"]
Stored = bytes | memoryview  # an encoded image
MODES = {True: cv2.IMREAD_GRAYSCALE, False: cv2.IMREAD_COLOR_RGB}


def encode(image: np.ndarray, quality: Quality) -> bytes:
    """Encode an image, (H, W, 3) RGB or (H, W) grey, uint8, as JPEG of quality 1 to 100, or raw."""
    if quality == "raw":
        height, width = image.shape[:2]
        return b"P%d\n%d %d\n255\n" % (5 if image.ndim == 2 else 6, width, height) + image.tobytes()
    block = 8 if image.ndim == 2 else 16
    interval = -(-image.shape[1] // block) * (ROWS // block)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def decode(data: np.ndarray, gray: bool) -> np.ndarray:
    """Decode an image, (n,) uint8, to (H, W, 3) or grey (H, W), uint8; ValueError if damaged.

    What was stored raw may be a view of ``data``.
    """
    if raw := RAW.match(data[:HEADER].tobytes()):
        return _raw(data[raw.end() :], raw, gray)
    image = cv2.imdecode(data, MODES[gray]) if len(data) else None
    if image is None:
        raise ValueError("an image of the clips cannot be decoded; the file is damaged")
    return image


def _raw(pixels: np.ndarray, header: re.Match[bytes], gray: bool) -> np.ndarray:
    kind, width, height = map(int, header.groups())
    shape = (height, width) if kind == 5 else (height, width, 3)
    if not len(pixels) == math.prod(shape) > 0:
        raise ValueError(
            "an image of the clips has too few or too many pixels; the file is damaged"
        )
    image = pixels.reshape(shape)
    if kind == 5:
        return image if gray else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if gray else image


def size(data: np.ndarray) -> tuple[int, int]:
    """Return height and width of an encoded image, (n,) uint8; ValueError if damaged.

    They are read from the header of a baseline JPEG or a raw image. Any other image is decoded.
    """
    raw, at = data[:HEADER].tobytes(), 2
    if header := RAW.match(raw):
        return int(header[3]), int(header[2])
    while raw[:2] == b"\xff\xd8" and at + 9 < len(raw) and raw[at] == 0xFF:
        if raw[at + 1] == 0xC0:
            height, width = struct.unpack_from(">HH", raw, at + 5)
            return height, width
        at += 2 + (raw[at + 2] << 8 | raw[at + 3])
    height, width = decode(data, True).shape
    return height, width
