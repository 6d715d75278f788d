"""Encoding of frames to a video file."""

import itertools
import subprocess
from collections.abc import Iterable
from contextlib import suppress

import ffmpeg
import numpy as np

from dsnet.disk import PathLike
from dsnet.video.running import SCALER_FLAGS, THE_FILE, FfmpegError, messages, running


def encode(
    path: PathLike,
    frames: Iterable[np.ndarray],
    fps: float = 25,
    *,
    codec: str = "mpeg4",
    quality: int = 2,
    gop: int = 12,
) -> None:
    """Write ``frames``, (H, W, 3) uint8 RGB of one size, as a video file.

    The suffix of ``path`` names the container. ``codec``: ``mpeg4`` (quality: quantiser, 1 best to
    31) or ``libx264`` (quality: CRF, 0 best to 51; even sizes only). ``gop``: frames between key
    frames; 1 codes every frame by itself. The same frames give the same bytes. Raises ValueError
    without frames or for different shapes, and FfmpegError with ffmpeg's message if it fails.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: no frames to encode")
    height, width, _ = first.shape
    level = {"qscale:v": quality} if codec == "mpeg4" else {"crf": quality}
    options = {"vcodec": codec, "g": gop, "threads": 1, "flags": "+bitexact", "fflags": "+bitexact"}
    stream = (
        ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps
        )
        .filter("scale", flags=SCALER_FLAGS)
        .filter("format", "yuv420p")
        .output(THE_FILE, **options, **level)
        .overwrite_output()
    )
    with running(stream, path, stdin=subprocess.PIPE) as (process, stderr):
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # ffmpeg ended early; its message says why
            for frame in itertools.chain([first], iterator):
                _check(frame, first, path)
                process.stdin.write(np.ascontiguousarray(frame).data)
            process.stdin.close()
        if process.wait() != 0:
            raise FfmpegError(f"{path}: ffmpeg cannot encode: {(messages(stderr) or ['?'])[-1]}")


def _check(frame: np.ndarray, first: np.ndarray, path: PathLike) -> None:
    """Raise ValueError unless a frame has the shape of ``first``."""
    if frame.shape != first.shape or frame.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected uint8 frames of shape {first.shape}, got {frame.dtype} {frame.shape}"
        )
