"""Frames that are in no file: in memory, or as a camera or an address gives them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import IO, Any, NamedTuple

import ffmpeg
import numpy as np

from dsnet.video.decoding import Resize, at_rate, pictures, read_pictures
from dsnet.video.reading import CONTAINERS, MAX_PIXELS, SECONDS, Stamps, VideoError
from dsnet.video.running import check_end, messages, running

# Seconds without a frame after which a live source counts as gone.
LIVE_TIMEOUT = 20.0
# Protocols that each kind of address needs. A stream must make ffmpeg open no file, and a playlist,
# which names other addresses, is not among the formats.
PROTOCOLS: Mapping[str, str] = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp,httpproxy",
    "https": "https,http,tls,tcp,httpproxy",
    "tcp": "tcp",
    "udp": "udp",
    "srt": "srt,udp",
}


class Live(NamedTuple):
    """A live source: its name for people, what ffmpeg opens, and ffmpeg's options for it."""

    name: str
    opens: str
    options: Mapping[str, Any]


def is_address(text: str) -> bool:
    """Return whether a text is an address, such as ``rtsp://...``, and not a path."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text) is not None


def address(text: str) -> Live:
    """Return the live source at an address; VideoError if its kind is not in :data:`PROTOCOLS`.

    A password in it is not shown.
    """
    kind = text.partition("://")[0].lower()
    if kind not in PROTOCOLS:
        raise VideoError(f"{kind}:// is no kind of stream here; expected {', '.join(PROTOCOLS)}")
    options = {
        "protocol_whitelist": PROTOCOLS[kind],
        "format_whitelist": f"{CONTAINERS},rtsp,rtp,sdp",
        "fflags": "nobuffer",
    }
    if kind in ("rtsp", "rtsps"):
        options["rtsp_transport"] = "tcp"  # by UDP, packets that are lost smear the picture
    return Live(re.sub(r"//[^/@]*@", "//***@", text), text, options)


def camera(number: int) -> Live:
    """Return a camera of this machine by its number; VideoError where there is no Video4Linux."""
    if not sys.platform.startswith("linux"):
        raise VideoError("cameras are read by Video4Linux, of Linux; give an address")
    device = f"/dev/video{number}"
    return Live(device, device, {"f": "v4l2"})


def receive(
    live: Live, fps: float, resize: Resize | None, size: int, timeout: float = LIVE_TIMEOUT
) -> Iterator[np.ndarray]:
    """Stream the frames of a live source at ``fps``, (H, W, 3) uint8 RGB, until it ends.

    They are repeated or dropped by their time stamps, and scaled, as by :func:`decode`. Closing the
    generator ends ffmpeg.

    Raises:
        VideoError: it cannot be opened or is interrupted; time stamps jump by more than two
            seconds; or no frame arrives for ``timeout`` seconds.
    """
    options = {"threads": 1, "max_pixels": MAX_PIXELS, "reinit_filter": 0, **live.options}
    native = ffmpeg.input(live.opens, **options)["v:0"].filter("select", SECONDS)
    stream = pictures(at_rate(native, fps), resize, size, flush_packets=1)
    with running(stream, live.name, stdout=subprocess.PIPE) as (process, stderr):
        count, stamps = 0, Stamps(stderr)
        for frame in read_pictures(process, stderr, live.name, timeout):
            stamps.check(count / fps)
            count += 1
            yield frame
        if process.wait(timeout) != 0 or count == 0:
            # Without the address that ffmpeg repeats, which may have a password.
            said = [line.replace(live.opens, live.name) for line in messages(stderr)] or ["?"]
            raise VideoError(
                f"was interrupted: {said[-1]}" if count else f"cannot be opened: {said[0]}"
            )


def resample(
    frames: np.ndarray | Sequence[np.ndarray],
    native: float,
    fps: float,
    resize: Resize | None,
    size: int,
) -> Iterator[np.ndarray]:
    """Bring frames in memory, (T, H, W, 3) uint8 RGB at ``native`` per second, to ``fps`` and size.

    They become what :func:`decode` makes of a lossless video of them. Raises VideoError if they are
    too short for a single frame, and FfmpegError if a signal ended ffmpeg.
    """
    height, width, _ = frames[0].shape
    raw = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=native
    )
    stream = pictures(raw if native == fps else at_rate(raw, fps), resize, size)
    name = "frames in memory"
    with running(stream, name, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as (process, stderr):
        assert process.stdin is not None
        feeder = Thread(target=_feed, args=(process.stdin, frames), daemon=True)
        feeder.start()
        found = read_pictures(process, stderr, name, LIVE_TIMEOUT)
        first = next(found, None)
        if first is not None:
            yield first
            yield from found
        check_end(process, stderr, name, LIVE_TIMEOUT)
        feeder.join()
    if first is None:
        raise VideoError(f"too short: {len(frames)} frames at {native:g} per second")


def _feed(pipe: IO[bytes], frames: np.ndarray | Sequence[np.ndarray]) -> None:
    with suppress(BrokenPipeError, ValueError):  # ffmpeg, or whoever reads the frames, has ended
        for frame in frames:
            pipe.write(np.ascontiguousarray(frame).data)
        pipe.close()
