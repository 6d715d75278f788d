"""Stored images: JPEG with a restart marker after every 16 rows."""

from __future__ import annotations

import struct

import cv2
import numpy as np

ITEMS_PER_FRAME = {"rgb": 1, "flow": 2}  # images; those of flow are its x and y
ROWS = 16  # between restart markers, which every stored file has: a row of blocks in colour
HEADER = 2048  # bytes in which a header is looked for; OpenCV's have some 630
MODES = {True: cv2.IMREAD_GRAYSCALE, False: cv2.IMREAD_COLOR_RGB}


def encode(image: np.ndarray, quality: int) -> bytes:
    """Encode (H, W, 3) RGB or (H, W) grey, uint8, as JPEG; quality from 1 to 100."""
    block = 8 if image.ndim == 2 else 16
    interval = -(-image.shape[1] // block) * (ROWS // block)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def decode(data: np.ndarray, gray: bool) -> np.ndarray:
    """Decode the bytes of an image, uint8 (n,), to (H, W, 3) RGB or (H, W) grey, uint8.

    Raises:
        ValueError: the bytes are no image.
    """
    image = cv2.imdecode(data, MODES[gray]) if len(data) else None
    if image is None:
        raise ValueError("an image of the clips cannot be decoded; the file is damaged")
    return image


def size(data: np.ndarray) -> tuple[int, int]:
    """Read height and width of an encoded image, from the header of a baseline JPEG.

    Raises:
        ValueError: the bytes are no image.
    """
    raw, at = data[:HEADER].tobytes(), 2
    while raw[:2] == b"\xff\xd8" and at + 9 < len(raw) and raw[at] == 0xFF:
        if raw[at + 1] == 0xC0:
            height, width = struct.unpack_from(">HH", raw, at + 5)
            return height, width
        at += 2 + (raw[at + 2] << 8 | raw[at + 3])
    height, width = decode(data, True).shape
    return height, width
