"""What writer and reader agree on: names, the table's rows, the check of everything but images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dsnet.errors import RemakeError, UserError
from dsnet.experiment.specs import STORE_VERSION
from dsnet.images import ITEMS_PER_FRAME
from dsnet.provenance import canonical

FORMAT = "dsnet"
VERSION = STORE_VERSION


class StoreError(UserError):
    """A file that is not what it should be: wrong format, version or spec."""


class DamagedError(RemakeError, StoreError):
    """A file whose bytes are not those that were written."""


@dataclass(frozen=True)
class Video:
    """One row of the table: ``items`` and ``start`` by modality, in items (not frames)."""

    id: str
    start: dict[str, int]
    items: dict[str, int]
    crc: dict[str, int]
    reason: str  # why the video has no items; empty for a usable one

    def frames(self, modality: str) -> int:
        """Number of frames (``rgb``) or of flow fields (``flow``)."""
        return self.items[modality] // ITEMS_PER_FRAME[modality]


def check(file: h5py.File) -> str:
    """SHA-256 of all attributes and datasets, and of the images' shape.

    Raises:
        UnicodeError: a text is not UTF-8, which no writer leaves.
    """
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
