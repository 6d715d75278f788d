"""Frames of a video, at a common rate and size, one at a time."""

import logging
import os
import subprocess
from collections.abc import Iterator
from typing import IO, Any, Literal

import numpy as np

from dsnet.disk import PathLike
from dsnet.video.numbered import located
from dsnet.video.reading import (
    MAX_PIXELS,
    TIMEOUT,
    Stamps,
    VideoError,
    read,
    reason,
    source,
)
from dsnet.video.running import SCALER_FLAGS, FfmpegError, check_end, messages, running

log = logging.getLogger(__name__)

Resize = Literal["square", "short_side"]
Sampling = Literal["fps_filter", "output_rate"]


def decode(
    path: PathLike,
    fps: float = 25,
    resize: Resize | None = "square",
    size: int = 256,
    sampling: Sampling = "fps_filter",
    *,
    least: int = 0,
    max_pixels: int = MAX_PIXELS,
    timeout: float = TIMEOUT,
    rate: float | None = None,
) -> Iterator[np.ndarray]:
    """Stream the frames of ``path`` at ``fps``, as (H, W, 3) uint8 RGB.

    ``resize="square"`` gives size x size for any aspect. ``"short_side"`` keeps the aspect: min(H,
    W) == size, and the other side is round(long * size / short). None keeps the native size. Frames
    are repeated or dropped to reach ``fps``, by their time stamps. ``sampling="fps_filter"`` counts
    from the first frame and takes the nearest one. ``"output_rate"`` is ffmpeg's ``-r`` after the
    input, as in MARS's extraction. It counts from the start of the file, and frames drift by up to
    1.1 of an interval. So a video mostly has one frame more, and frame k there is k - 1 here.

    If the stream changes within the video (size, colours, rotation), later frames are scaled to the
    size of the first one and turned like it. Pixels are taken as square, whatever the file says of
    their shape. One frame is in memory at a time. Closing the generator early ends ffmpeg.

    ``rate`` is for a folder of numbered images: their frames per second.

    Raises:
        VideoError: nothing decodes; HDR; fewer frames than ``least``, what is known of the video;
            time stamps jump by more than two seconds; or no data arrives for ``timeout`` seconds.
        FfmpegError: a signal ended ffmpeg, or it failed before ``least`` frames.
    """
    file, numbered = located(path, rate)
    native, output, start = source(file, max_pixels, timeout, numbered), {}, None
    if sampling == "fps_filter":
        native = at_rate(native, fps)
    elif sampling == "output_rate":
        output, start = {"r": fps}, 0.0
    else:
        raise ValueError(f"sampling: expected 'fps_filter' or 'output_rate', got {sampling!r}")
    stream = pictures(native, resize, size, **output)
    with running(stream, file, stdout=subprocess.PIPE) as (process, stderr):
        count, stamps = 0, Stamps(stderr, start)
        for frame in read_pictures(process, stderr, path, timeout):
            stamps.check(count / fps)
            count += 1
            yield frame
        # The pipe is at its end, so ffmpeg should end by itself. Otherwise it is killed.
        check_end(process, stderr, path, timeout)
        stamps.check()
        complaints = messages(stderr)
    if count == 0:
        raise VideoError(reason(complaints, file))
    if count < least:
        what = f"only {count} of at least {least} frames decode"
        if process.returncode != 0:
            raise FfmpegError(
                f"{os.fspath(path)}: {what}: ffmpeg failed ({(complaints or ['?'])[-1]}); run "
                f"again, and if it fails again, take the video out of the data set"
            )
        raise VideoError(what)
    if complaints:
        log.warning("%s: %d frames decode, but: %s", path, count, complaints[-1])


def at_rate(native: Any, fps: float) -> Any:
    """Repeat or drop frames of ffmpeg-python's stream to reach ``fps``, by their time stamps."""
    # The frames may start late, after the sound: count from the first frame.
    return native.filter("setpts", "PTS-STARTPTS").filter("fps", fps=fps)


def pictures(native: Any, resize: Resize | None, size: int, **options: Any) -> Any:
    """Scale ffmpeg-python's stream and put it out as PPM images; see :func:`decode`."""
    return (
        native.filter("scale", **_target_size(resize, size), flags=SCALER_FLAGS)
        .filter("format", "rgb24")
        .output("pipe:", format="image2pipe", vcodec="ppm", threads=1, **options)
        .global_args("-filter_complex_threads", "1")
    )


def _target_size(resize: Resize | None, size: int) -> dict[str, str]:
    if resize is None:
        return {"w": "iw", "h": "ih"}
    if resize == "square":
        return {"w": str(size), "h": str(size)}
    if resize == "short_side":
        return {
            "w": f"if(lt(iw,ih),{size},round(iw*{size}/ih))",
            "h": f"if(lt(iw,ih),round(ih*{size}/iw),{size})",
        }
    raise ValueError(f"resize: expected 'square', 'short_side' or None, got {resize!r}")


def read_pictures(
    process: subprocess.Popen[bytes], stderr: IO[bytes], path: PathLike, timeout: float
) -> Iterator[np.ndarray]:
    """Split a stream of binary PPM images into (H, W, 3) uint8 arrays."""
    pipe, header = process.stdout, bytearray()
    assert pipe is not None
    while header.count(b"\n") < 3:  # "P6", "width height", "255"
        byte = _read(pipe, 1, timeout)
        if not byte:
            return
        header += byte
    width, height = map(int, header.split()[1:3])
    length = width * height * 3
    start = bytes(header)
    while True:
        data = _read(pipe, length, timeout)
        if len(data) < length:
            check_end(process, stderr, path, timeout)
            raise VideoError("ffmpeg ended in the middle of a frame")
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        header = _read(pipe, len(start), timeout)
        if not header:
            return
        if header != start:
            raise VideoError("the frame size changes within the video")


def _read(pipe: IO[bytes], length: int, timeout: float) -> bytearray:
    """Read ``length`` bytes, or fewer at the end of the stream."""
    data = bytearray(length)
    view = memoryview(data)
    filled = 0
    while filled < length and (received := read(pipe, view[filled:], timeout)):
        filled += received
    view.release()
    del data[filled:]
    return data
