"""Opening ``clips.h5``."""

from __future__ import annotations

import cv2

from dsnet.disk import PathLike
from dsnet.provenance import naming_damage
from dsnet.store import DamagedError, Reader


def open_clips(path: PathLike) -> Reader:
    """Open a packed ``clips.h5``.

    Raises:
        StoreError: the file is damaged or of another kind, or its labels do not fit its videos.
    """
    cv2.setNumThreads(0)  # frames are small, and workers and jobs already run in parallel
    reader = Reader(path)
    if not reader.extra or "videos" not in reader.extra:  # clips without labels
        return reader
    with naming_damage(path, "packed file of clips", DamagedError):
        table, labels = reader.extra["videos"], range(len(reader.extra["classes"]))
        if {len(column) for column in table.values()} != {len(reader.videos)}:
            raise ValueError("its videos have not all a label, a group and a role")
        if set(table["id"]) != set(reader.videos) or not set(table["label"]) <= set(labels):
            raise ValueError(f"its labels are of other videos, or not from 0 to {len(labels) - 1}")
    return reader
