"""Stored images: JPEG in bands that can be decoded one without the others.

Restart markers make every band of :data:`BAND` rows independent of those before it, at a cost of
some 0.2 % of the bytes. A crop then needs only its bands: the rows outside are not decoded, and
those inside are the same to the last bit, since a band more is decoded on both sides of a colour
image, whose chroma is interpolated across bands.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

ITEMS_PER_FRAME = {"rgb": 1, "flow": 2}  # images; those of flow are its x and y
BAND = 16  # rows: a row of blocks of a colour image, two of a grey one
HEADER = 2048  # bytes in which a header is looked for; OpenCV's have some 630
MARKERS = [bytes([0xFF, 0xD0 + number]) for number in range(8)]  # restart markers
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
    header = None if rows == slice(None) else _header(data)
    if header is None:
        return _whole(data, gray)[rows]
    first, last, _ = rows.indices(header.height)
    if (first, last) == (0, header.height):
        return _whole(data, gray)
    bands, skipped = _bands(data, gray, header, first, last)
    return _whole(bands, gray)[first - skipped : last - skipped]


def size(data: np.ndarray) -> tuple[int, int]:
    """Height and width of an encoded image; of a JPEG from its header alone.

    Raises:
        ValueError: the bytes are no image.
    """
    header = _header(data)
    if header is not None:
        return header.height, header.width
    height, width = _whole(data, True).shape
    return height, width


def _whole(data: np.ndarray, gray: bool) -> np.ndarray:
    image = cv2.imdecode(data, MODES[gray]) if len(data) else None
    if image is None:
        raise ValueError("an image of the clips cannot be decoded; the file is damaged")
    return image


class _Header(NamedTuple):
    height: int
    width: int
    height_at: int  # where in the bytes the height is
    end: int  # where the compressed data begins


def _header(data: np.ndarray) -> _Header | None:
    """What a baseline JPEG says of itself before its compressed data; ``None`` of other bytes."""
    raw, at, frame = data[:HEADER].tobytes(), 2, 0
    while raw[:2] == b"\xff\xd8" and at + 9 < len(raw) and raw[at] == 0xFF:
        if raw[at + 1] == 0xC0:
            frame = at
        after = at + 2 + (raw[at + 2] << 8 | raw[at + 3])
        if raw[at + 1] == 0xDA and frame:
            height, width = struct.unpack_from(">HH", raw, frame + 5)
            return _Header(height, width, frame + 5, after)
        at = after
    return None


def _bands(
    data: np.ndarray, gray: bool, header: _Header, first: int, last: int
) -> tuple[np.ndarray, int]:
    """A JPEG of the bands that rows ``first`` to ``last`` need, and the rows before them."""
    bands = -(-header.height // BAND)
    beside = 0 if gray else 1
    top, bottom = max(first // BAND - beside, 0), min(-(-last // BAND) + beside, bands)
    raw, begins = data.tobytes(), [header.end]
    for number in range(min(bottom, bands - 1)):
        mark = raw.find(MARKERS[number % 8], begins[-1])
        if mark < 0:
            return data, 0  # it has no bands
        begins.append(mark + 2)
    parts = [raw[begin : end - 2] for begin, end in pairwise(begins)][top:]
    if bottom == bands:
        parts.append(raw[begins[-1] : -2])
    # The markers between bands count modulo eight from the first.
    joined = [part + MARKERS[number % 8] for number, part in enumerate(parts[:-1])]
    rows = struct.pack(">H", min(bottom * BAND, header.height) - top * BAND)
    start = raw[: header.height_at] + rows + raw[header.height_at + 2 : header.end]
    jpeg = b"".join([start, *joined, parts[-1], b"\xff\xd9"])
    return np.frombuffer(jpeg, np.uint8), top * BAND
