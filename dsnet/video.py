"""Probe, decode and encode video with ffmpeg (through ffmpeg-python).

Every video goes through the same two calls: :func:`probe` decodes it once and counts what is
there, :func:`decode` streams RGB frames at a common rate and size. Both run one single-threaded
ffmpeg process per video, because videos, not threads, are what runs in parallel.
"""

import contextlib
import functools
import itertools
import logging
import os
import select
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

import ffmpeg
import imageio_ffmpeg
import numpy as np

logger = logging.getLogger(__name__)

# Raise when the same settings give other frames; shards decoded before are then made anew.
SPEC_VERSION = 2

Resize = Literal["square", "short_side"]

# Twice the pixels of an 8K frame: larger ones would need gigabytes in every parallel job.
MAX_PIXELS = 2**26
# Seconds without any output after which ffmpeg counts as stuck.
TIMEOUT = 600.0

# Bicubic, as ffmpeg's own default and so as in MARS; the other flags make the result the same
# on every processor instead of depending on its vector instructions.
SCALER_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
# Fine enough to represent any frame's time stamp; a video's nominal rate need not be.
TICKS_PER_SECOND = 90_000
# Stands for the video in what ffmpeg-python builds; it cannot take names that are not UTF-8.
THE_FILE = "file:"


class VideoError(Exception):
    """A video that cannot be used. The message is the reason, in one line."""


@dataclass(frozen=True)
class VideoInfo:
    """What decoding a video once has shown.

    Width and height are in pixels, after rotation; ``fps`` is the mean native rate between the
    first and the last time stamp, in frames per second; ``frames`` counts decoded native frames.
    """

    width: int
    height: int
    fps: float
    frames: int


@functools.cache
def ffmpeg_executable() -> str:
    """Path of the ffmpeg to use: the one on PATH, else that of the imageio-ffmpeg wheel.

    Raises RuntimeError, saying what to install, if there is neither.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            found = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise RuntimeError(
                "no ffmpeg: put one on PATH, or install the imageio-ffmpeg wheel, "
                "which brings its own (pip install imageio-ffmpeg)"
            ) from error
    logger.info("using ffmpeg at %s", found)
    return found


def probe(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    fps: float = 25,
    timeout: float = TIMEOUT,
) -> VideoInfo:
    """Decode ``path`` once and report its size, mean native rate and number of frames.

    A damaged video whose first frames decode is usable; what ffmpeg says is logged. Raises
    VideoError for what cannot be used: no such file, not a video, no video stream, no decodable
    frame, a single frame (flow needs two), less than two frames' time at ``fps``, frames of more
    than ``max_pixels`` pixels, or an ffmpeg that takes longer than ``timeout`` seconds.
    """
    _check_file(path)
    stream = _input(max_pixels).output(
        "pipe:",
        map="0:V:0",  # V, not v: without cover pictures
        format="framecrc",
        # num:den is the one spelling that old and new versions of ffmpeg share.
        enc_time_base=f"1:{TICKS_PER_SECOND}",
        threads=1,
    )
    with tempfile.TemporaryFile() as log:
        try:
            # Without check: a truncated file ends in an error, and its frames count.
            result = subprocess.run(
                _command(stream, path),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VideoError(f"ffmpeg did not finish within {timeout:g} s") from None
        complaints = _read_log(log)
    info = _parse_framecrc(result.stdout.decode(), complaints, path, fps)
    if complaints:
        logger.warning("%s: %d frames decode, but: %s", path, info.frames, complaints[-1])
    return info


def decode(
    path: str | os.PathLike[str],
    fps: float = 25,
    resize: Resize | None = "square",
    size: int = 256,
    *,
    max_pixels: int = MAX_PIXELS,
    timeout: float = TIMEOUT,
) -> Iterator[np.ndarray]:
    """Stream the frames of ``path`` at ``fps``, as (H, W, 3) uint8 RGB.

    ``resize="square"`` gives size x size, whatever the aspect; ``"short_side"`` keeps the aspect,
    so that min(H, W) == size and the other side is round(long * size / short); None keeps the
    native size. Frames are repeated or dropped to reach ``fps``, by their time stamps.

    One frame is in memory at a time. Closing the generator early ends ffmpeg. Raises VideoError
    if nothing decodes, if the frame size changes within the video (possible where it is not
    resized to a square), or if no data arrives for ``timeout`` seconds.
    """
    _check_file(path)
    stream = (
        _input(max_pixels)["V:0"]
        # Videos may start late (their sound first): count from their own first frame.
        .filter("setpts", "PTS-STARTPTS")
        .filter("fps", fps=fps)
        .filter("scale", **_target_size(resize, size), flags=SCALER_FLAGS)
        .filter("format", "rgb24")
        .output("pipe:", format="image2pipe", vcodec="ppm", threads=1)
        .global_args("-filter_complex_threads", "1")
    )
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(stream, path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
        assert process.stdout is not None
        try:
            count = 0
            for frame in _read_ppm(process.stdout, timeout):
                count += 1
                yield frame
            # The pipe is at its end, so ffmpeg is about to end by itself; if not, it is killed.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
            complaints = _read_log(log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if count == 0:
            raise VideoError(_reason(complaints, path))
        if complaints:
            logger.warning("%s: %d frames decode, but: %s", path, count, complaints[-1])


def encode(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    fps: float = 25,
    *,
    codec: str = "mpeg4",
    quality: int = 2,
    gop: int = 12,
) -> None:
    """Write ``frames``, (H, W, 3) uint8 RGB of one size, as a video file.

    The suffix of ``path`` names the container. ``codec``: ``mpeg4`` (quality: quantiser, 1 best
    to 31) or ``libx264`` (quality: CRF, 0 best to 51; even sizes only). ``gop``: frames from one
    key frame to the next; 1 codes every frame by itself. The same frames give the same bytes.
    Raises ValueError without frames or for frames that differ in shape, RuntimeError with
    ffmpeg's message if it fails.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: no frames to encode")
    height, width, _ = first.shape
    level = {"qscale:v": quality} if codec == "mpeg4" else {"crf": quality}
    stream = (
        ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps
        )
        .filter("scale", flags=SCALER_FLAGS)
        .filter("format", "yuv420p")
        .output(
            THE_FILE,
            vcodec=codec,
            g=gop,
            threads=1,
            flags="+bitexact",
            fflags="+bitexact",
            **level,
        )
        .overwrite_output()
    )
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(stream, path, stdin=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        assert process.stdin is not None
        try:
            for frame in itertools.chain([first], iterator):
                if frame.shape != first.shape or frame.dtype != np.uint8:
                    raise ValueError(
                        f"{path}: expected uint8 frames of shape {first.shape}, "
                        f"got {frame.dtype} {frame.shape}"
                    )
                process.stdin.write(np.ascontiguousarray(frame).data)
            process.stdin.close()
            status = process.wait()
        except BrokenPipeError:
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status != 0:
            raise RuntimeError(f"{path}: ffmpeg cannot encode: {(_read_log(log) or ['?'])[-1]}")


def _url(path: str | os.PathLike[str]) -> str:
    """``path`` as ffmpeg takes it: with a protocol, so that no part of a name is read as one."""
    return f"file:{os.fspath(path)}"


def _input(max_pixels: int) -> Any:
    # Only files: a playlist in disguise must not make ffmpeg open network addresses.
    return ffmpeg.input(THE_FILE, threads=1, max_pixels=max_pixels, protocol_whitelist="file")


def _command(stream: Any, path: str | os.PathLike[str], *, stdin: bool = False) -> list[str]:
    """The argument list of ``stream``, with ``path`` for the file in it."""
    quiet = stream.global_args("-v", "error", *(() if stdin else ("-nostdin",)))
    arguments: list[str] = quiet.compile(cmd=ffmpeg_executable())
    return [_url(path) if argument == THE_FILE else argument for argument in arguments]


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


def _check_file(path: str | os.PathLike[str]) -> None:
    """Raise VideoError for what ffmpeg should not even be asked about."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise VideoError("not a regular file")
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error
    if not head:
        raise VideoError("empty file")
    # ffmpeg would "play" a text file as ANSI art, or follow it as a playlist to other files.
    if all((byte >= 0x20 and byte != 0x7F) or byte in b"\t\n\r\f\b\x1b" for byte in head):
        raise VideoError("not a video: plain text")


def _read_log(log: IO[bytes]) -> list[str]:
    """The non-empty lines at the end of ffmpeg's messages, without their ``[component]``."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - 65_536))
    lines = log.read().decode("utf-8", "backslashreplace").splitlines()
    return [line.rpartition("] ")[2].strip() for line in lines if line.strip()]


def _reason(complaints: list[str], path: str | os.PathLike[str]) -> str:
    """Why nothing was decoded, from what ffmpeg said (its wording depends on its version)."""
    everything = "\n".join(complaints)
    if "max pixel count" in everything:
        return "frames too large: more pixels than the limit"
    if "matches no streams" in everything:
        return "no video stream"
    opening = [line for line in complaints if line.startswith("Error opening input: ")]
    opening += [line for line in complaints if line.startswith(f"{_url(path)}: ")]
    if opening:
        return f"not a video: {opening[0].rpartition(': ')[2]}"
    detail = f": {complaints[0]}" if complaints else ""
    return f"no decodable frame{detail}"


def _parse_framecrc(
    text: str, complaints: list[str], path: str | os.PathLike[str], fps: float
) -> VideoInfo:
    """Read ffmpeg's framecrc: ``#`` header lines, then ``stream, dts, pts, duration, ...``."""
    lines = text.splitlines()
    header = dict(
        line[1:].split(": ", 1) for line in lines if line.startswith("#") and ": " in line
    )
    stamps = [int(line.split(",")[2]) for line in lines if line and not line.startswith("#")]
    if not stamps:
        raise VideoError(_reason(complaints, path))
    if len(stamps) == 1:
        raise VideoError("only one frame (optical flow needs two)")
    seconds = (max(stamps) - min(stamps)) / TICKS_PER_SECOND
    native = (len(stamps) - 1) / seconds if seconds > 0 else 0.0
    # What the fps filter will make of it: the last frame lasts as long as the others.
    if seconds <= 0 or round(fps * len(stamps) / native) < 2:
        raise VideoError(f"too short: {len(stamps)} frames within {seconds:.3f} s")
    width, height = map(int, header["dimensions 0"].split("x"))
    return VideoInfo(width=width, height=height, fps=native, frames=len(stamps))


def _read_ppm(pipe: IO[bytes], timeout: float) -> Iterator[np.ndarray]:
    """Split a stream of binary PPM images into (H, W, 3) uint8 arrays."""
    header = bytearray()
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
            raise VideoError("ffmpeg ended in the middle of a frame")
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        header = _read(pipe, len(start), timeout)
        if not header:
            return
        if header != start:
            raise VideoError("the frame size changes within the video")


def _read(pipe: IO[bytes], length: int, timeout: float) -> bytearray:
    """Read ``length`` bytes, or fewer at the end of the stream; VideoError if none come in time."""
    data = bytearray(length)
    view = memoryview(data)
    filled = 0
    deadline = time.monotonic() + timeout
    while filled < length:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise VideoError(f"ffmpeg gave no data for {timeout:g} s")
        received = os.readv(pipe.fileno(), [view[filled:]])
        if received == 0:
            break
        filled += received
    view.release()
    del data[filled:]
    return data
