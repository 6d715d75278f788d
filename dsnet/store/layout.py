"""The layout that writer and reader share: names, rows of the table, and the check."""

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
