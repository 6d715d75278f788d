"""Opening ``clips.h5``."""

from __future__ import annotations

import cv2

from dsnet.disk import PathLike
from dsnet.store import Reader


def open_clips(path: PathLike) -> Reader:
    """Open a packed ``clips.h5``.

    Raises:
        StoreError: the file is damaged or not a packed one.
    """
    cv2.setNumThreads(0)  # frames are small; parallelism is over workers and jobs
    return Reader(path)
