"""Content of a video, counted by decoding it once."""

import logging
import subprocess
from dataclasses import dataclass, replace

from dsnet.disk import PathLike
from dsnet.video.numbered import check_sizes, frames_in, located
from dsnet.video.reading import (
    MAX_PIXELS,
    TIMEOUT,
    Stamps,
    VideoError,
    read,
    reason,
    source,
)
from dsnet.video.running import check_end, messages, running

log = logging.getLogger(__name__)

# Fine enough for the time stamp of any frame; a video's nominal rate may not be.
TICKS_PER_SECOND = 90_000


@dataclass(frozen=True)
class VideoInfo:
    """Result of decoding a video once.

    Width and height are in pixels, after rotation. ``fps`` is the mean native rate between the
    first and the last time stamp, in frames per second. ``frames`` counts decoded native frames.
    """

    width: int
    height: int
    fps: float
    frames: int


def probe(
    path: PathLike,
    *,
    max_pixels: int = MAX_PIXELS,
    fps: float = 25,
    timeout: float = TIMEOUT,
    rate: float | None = None,
) -> VideoInfo:
    """Decode ``path`` once, and return its size, mean native rate and number of frames.

    A damaged video is usable if its first frames decode; ffmpeg's message is logged. ``rate`` is
    for a folder of numbered images: their frames per second.

    Raises:
        VideoError: an unusable file: missing, not a video, no video stream, HDR, no decodable
            frame, a single frame (flow needs two), less than two frames' time at ``fps``, time
            stamps that jump by more than two seconds, frames of more than ``max_pixels`` pixels, or
            no data for ``timeout`` seconds. Numbered images with gaps, of several sizes, or of
            which one does not decode.
        FfmpegError: a signal ended ffmpeg.
    """
    file, numbered = located(path, rate)
    names = frames_in(path).names if numbered else []
    check_sizes(path, names)
    stream = (
        source(file, max_pixels, timeout, numbered)
        # num:den is the only spelling that old and new versions of ffmpeg share.
        .output("pipe:", format="framecrc", enc_time_base=f"1:{TICKS_PER_SECOND}", threads=1)
        .global_args("-filter_complex_threads", "1")
    )
    with running(stream, file, stdout=subprocess.PIPE) as (process, stderr):
        assert process.stdout is not None
        listed, view = bytearray(), memoryview(bytearray(65_536))
        # For any exit status: a truncated file gives an error, but its frames count.
        while received := read(process.stdout, view, timeout):
            listed += view[:received]
        check_end(process, stderr, path, timeout)
        Stamps(stderr).check()
        complaints = messages(stderr)
    info = _parse_framecrc(listed.decode(), complaints, file, fps)
    if names and info.frames != len(names):
        why = f" ({complaints[0]})" if complaints else ""
        raise VideoError(f"only {info.frames} of {len(names)} images decode{why}")
    if complaints:
        log.warning("%s: %d frames decode, but: %s", path, info.frames, complaints[-1])
    return replace(info, fps=float(rate)) if rate else info


def _parse_framecrc(text: str, complaints: list[str], path: PathLike, fps: float) -> VideoInfo:
    """Read ffmpeg's framecrc: ``#`` header lines, then ``stream, dts, pts, duration, ...``."""
    lines = text.splitlines()
    header = dict(
        line[1:].split(": ", 1) for line in lines if line.startswith("#") and ": " in line
    )
    stamps = [int(line.split(",")[2]) for line in lines if line and not line.startswith("#")]
    if not stamps:
        raise VideoError(reason(complaints, path))
    if len(stamps) == 1:
        raise VideoError("only one frame (optical flow needs two)")
    seconds = (max(stamps) - min(stamps)) / TICKS_PER_SECOND
    native = (len(stamps) - 1) / seconds if seconds > 0 else 0.0
    # The number of frames after the fps filter: the last frame lasts as long as the others.
    if seconds <= 0 or round(fps * len(stamps) / native) < 2:
        raise VideoError(f"too short: {len(stamps)} frames within {seconds:.3f} s")
    width, height = map(int, header["dimensions 0"].split("x"))
    return VideoInfo(width=width, height=height, fps=native, frames=len(stamps))
