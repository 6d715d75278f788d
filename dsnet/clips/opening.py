"""Opening ``clips.h5``."""

from __future__ import annotations

import cv2

from dsnet.disk import PathLike
from dsnet.store import Reader


def open_clips(path: PathLike) -> Reader:
    """Open a packed ``clips.h5``.

    Raises:
        StoreError: the file is damaged or not packed.
    """
    cv2.setNumThreads(0)  # frames are small, and workers and jobs already run in parallel
    return Reader(path)
