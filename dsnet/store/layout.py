"""The layout that writer and reader share: names, rows of the table, and the check."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dsnet.errors import RemakeError, UserError
from dsnet.experiment.specs import STORE_VERSION
from dsnet.images import ITEMS_PER_FRAME
from dsnet.provenance import canonical
from dsnet.video.reading import MAX_PIXELS

FORMAT = "dsnet"
VERSION = STORE_VERSION


class StoreError(UserError):
    """A file of the wrong format, version or spec."""


class DamagedError(RemakeError, StoreError):
    """A file with other bytes than those that were written."""


@dataclass(frozen=True)
class Video:
    """One row of the table: ``items`` and ``start`` by modality, in items (not frames)."""

    id: str
    start: dict[str, int]
    items: dict[str, int]
    crc: dict[str, int]
    reason: str  # why the video has no items; empty for a usable one

    def frames(self, modality: str) -> int:
        """Return the number of frames (``rgb``) or of flow fields (``flow``)."""
        return self.items[modality] // ITEMS_PER_FRAME[modality]


def check(file: h5py.File) -> str:
    """Compute the SHA-256 of all attributes and datasets, and of the images' shape."""
    found = hashlib.sha256()
    for name in ("format", "version", "spec", "source", "provenance"):
        found.update(f"{name}={file.attrs[name]!r}\n".encode())

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        found.update(f"{name} {item.shape} {item.dtype}\n".encode())
        if h5py.check_string_dtype(item.dtype):
            found.update(canonical(np.atleast_1d(item.asstr()[()]).tolist()).encode())
        elif not name.endswith("/data"):
            found.update(item[()].tobytes())

    file.visititems(visit)
    return found.hexdigest()


def check_tables(file: h5py.File) -> None:
    """Raise ValueError unless the tables fit together: every video has its images, once."""
    videos = file["videos"]
    count = len(set(videos["ids"].asstr()[:]))
    for modality in ITEMS_PER_FRAME.keys() & file.keys():
        offsets, data = file[modality]["offsets"][:], file[modality]["data"]
        start, items = (videos[modality][name][:] for name in ("start", "items"))
        columns = (videos["ids"], videos["reason"], start, items, videos[modality]["crc32"])
        if {each.shape for each in columns} != {(count,)}:
            raise ValueError("its tables have different numbers of videos, or one twice")
        ends = {offsets[0], len(data) - offsets[-1], np.diff(offsets, prepend=0).clip(max=0).sum()}
        if ends != {0} or (offsets.dtype, data.dtype, data.ndim) != (np.int64, np.uint8, 1):
            raise ValueError(f"its offsets are not those of its {modality} bytes")
        frames, rest = np.divmod(items, ITEMS_PER_FRAME[modality])
        if (start < 0).any() or (frames < 0).any() or rest.any():
            raise ValueError(f"a video has a wrong number of {modality} images")
        if (start > len(offsets) - 1 - items).any():
            raise ValueError(f"a video has {modality} images beyond the end")


def check_images(block: np.ndarray, ends: np.ndarray) -> None:
    """Raise ValueError if a JPEG image of a video's bytes claims to be larger than any video.

    Nothing is decoded. The images of a video mostly have the same header, which is read once.
    """
    whole, known = block.data, b"-"
    for begin in ends[:-1].tolist():
        if whole[begin : begin + len(known)] != known:
            known = _header(whole[begin:])


def _header(image: memoryview) -> bytes:
    """Return the header of a JPEG image up to its height and width; of another image, nothing."""
    at = 2
    while image[:2] == b"\xff\xd8" and at + 9 <= len(image) and image[at] == 0xFF:
        if 0xC0 <= image[at + 1] <= 0xCF and image[at + 1] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", image, at + 5)
            if height * width > MAX_PIXELS:
                raise ValueError(f"an image of {width} x {height} pixels")
            return bytes(image[: at + 9])
        at += 2 + (image[at + 2] << 8 | image[at + 3])
    return b"-"
