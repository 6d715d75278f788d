"""Stored images: JPEG in bands that can be decoded one without the others.

Restart markers make every band of :data:`BAND` rows independent of those before it, at a cost of
some 0.2 % of the bytes. A crop then needs only its bands: the rows outside are not decoded, and
those inside are the same to the last bit, since a band more is decoded on both sides of a colour
image, whose chroma is interpolated across bands.
"""

from __future__ import annotations

import cv2
import numpy as np

BAND = 16  # rows: a row of blocks of a colour image, two of a grey one
MODES = {True: cv2.IMREAD_GRAYSCALE, False: cv2.IMREAD_COLOR_RGB}


def encode(image: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) RGB or (H, W) grey, uint8, as JPEG in bands; quality from 1 to 100."""
    block = 8 if image.ndim == 2 else 16
    per_band = -(-image.shape[1] // block) * (BAND // block)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, per_band]
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def decode(data: np.ndarray, gray: bool, rows: slice = slice(None)) -> np.ndarray:
    """The ``rows`` of an encoded image, (rows, W, 3) RGB or (rows, W) grey, uint8.

    ``data``: uint8 (n,). Images without bands, or not JPEG, are decoded as a whole.

    Raises:
        ValueError: the bytes are no image.
    """
    if rows == slice(None):
        return _whole(data, gray)
    first, last, _ = rows.indices(size(data)[0])
    bands, skipped = _bands(data, gray, first, last)
    return _whole(bands, gray)[first - skipped : last - skipped]


def size(data: np.ndarray) -> tuple[int, int]:
    """Height and width of an encoded image; of a JPEG from its header alone.

    Raises:
        ValueError: the bytes are no image.
    """
    frame = _header(data)[0]
    if frame:
        return _number(data, frame + 5), _number(data, frame + 7)
    height, width = _whole(data, True).shape
    return height, width


def _whole(data: np.ndarray, gray: bool) -> np.ndarray:
    image = cv2.imdecode(data, MODES[gray]) if len(data) else None
    if image is None:
        raise ValueError("an image of the clips cannot be decoded; the file is damaged")
    return image


def _header(data: np.ndarray) -> tuple[int, int]:
    """Where a baseline JPEG's frame header and compressed data begin; zeros for other bytes."""
    frame, at = 0, 2
    while _number(data, 0) == 0xFFD8 and at + 9 < len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xC0:
            frame = at
        after = at + 2 + _number(data, at + 2)
        if data[at + 1] == 0xDA:
            return frame, after
        at = after
    return 0, 0


def _number(data: np.ndarray, at: int) -> int:
    return int.from_bytes(data[at : at + 2].tobytes(), "big")


def _bands(data: np.ndarray, gray: bool, first: int, last: int) -> tuple[np.ndarray, int]:
    """A JPEG of the bands that rows ``first`` to ``last`` need, and the rows before them."""
    frame, start = _header(data)
    height, body = _number(data, frame + 5), data[start:]
    marks = np.flatnonzero((body[:-1] == 0xFF) & ((body[1:] & 0xF8) == 0xD0))
    if not frame or len(marks) != -(-height // BAND) - 1:
        return data, 0
    beside = 0 if gray else 1
    top = max(first // BAND - beside, 0)
    bottom = min(-(-last // BAND) + beside, len(marks) + 1)
    begin = marks[top - 1] + 2 if top else 0
    end = marks[bottom - 1] if bottom <= len(marks) else len(body) - 2
    part = np.concatenate([data[:start], body[begin:end], np.array([0xFF, 0xD9], np.uint8)])
    rows = min(bottom * BAND, height) - top * BAND
    part[frame + 5], part[frame + 6] = rows >> 8, rows & 255
    # The markers between bands count modulo eight from the first.
    kept = marks[top : bottom - 1] - begin + start
    part[kept + 1] = 0xD0 + np.arange(len(kept)) % 8
    return part, top * BAND
