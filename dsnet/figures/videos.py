"""Videos to look at, written from pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dsnet import video
from dsnet.disk import PathLike
from dsnet.errors import UserError

SUFFIXES = (".mp4", ".mkv", ".avi", ".mov")


def check_name(output: PathLike) -> None:
    """Raise UserError unless ``output`` names a video file; call it before hours of work."""
    if Path(output).suffix.lower() not in SUFFIXES:
        raise UserError(f"{output}: expected a video file, {', '.join(SUFFIXES)}")


def write_video(output: PathLike, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write (H, W, 3) uint8 RGB frames as H.264; the file appears when it is complete.

    The codec needs an even height and width, so an odd one gets a black row or column.
    """

    def even(frame: np.ndarray) -> np.ndarray:
        return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)))

    output = Path(output)
    check_name(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    # With its own name, which sets the container, in a folder on the same disk.
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        picture = Path(folder) / output.name
        video.encode(picture, map(even, frames), fps, codec="libx264", quality=18)
        os.replace(picture, output)
