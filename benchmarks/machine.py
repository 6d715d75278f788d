"""What the benchmarks share: the machine they ran on, and videos to run them with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dsnet import video
from dsnet.datasets import motions
from dsnet.devices import machine

__all__ = ["machine", "sample_videos", "video_files"]


def video_files(paths: Sequence[Path], limit: int) -> list[Path]:
    """Videos, and those of folders of .avi, of which ``limit`` are taken at equal distances."""
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*.avi")) if path.is_dir() else [path])
    ]
    return files[:: max(1, len(files) // limit)][:limit]


def sample_videos(
    paths: Sequence[Path], resize: video.Resize, size: int, frames: int, limit: int
) -> list[np.ndarray]:
    """(frames, H, W, 3) uint8 RGB from the middle of every one of :func:`video_files`.

    Without ``paths`` they are of the built-in data set, a video per class.
    """
    if not paths:
        names = motions.CLASSES[:limit]
        return [motions.render(name, "test", 0, size=size, length=frames) for name in names]
    found = []
    for file in video_files(paths, limit):
        decoded = list(video.decode(file, 25, resize, size))
        first = max(0, (len(decoded) - frames) // 2)
        if len(decoded) >= frames:
            found.append(np.stack(decoded[first : first + frames]))
        else:
            print(f"{file}: fewer than {frames} frames, left out", file=sys.stderr)
    return found
