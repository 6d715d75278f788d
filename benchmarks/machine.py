"""What the benchmarks share: the machine they ran on, and videos to run them with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from dsnet import video
from dsnet.datasets import motions


def machine(*packages: str) -> str:
    """Date, processor and versions, for the head of a table."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{date.today()}, {platform.machine()}, {_processor()}; {versions}"


def _processor() -> str:
    """The processor's name, and on Linux its family, its model and the width of its vectors."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    about = {key.strip(): value.strip() for key, _, value in pairs}
    if "model name" not in about:
        return platform.processor()
    flags = about.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "no AVX")
    return (
        f"{about['model name']} (family {about['cpu family']}, model {about['model']}, {vectors})"
    )


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
