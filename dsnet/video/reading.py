"""A video as input of ffmpeg: checks of the file, and the reason for a failure."""

import logging
import math
import os
import re
import select
import stat
import subprocess
from collections.abc import Iterable, Mapping
from typing import IO, Any

import ffmpeg

from dsnet.disk import PathLike
from dsnet.video.running import STAMP, THE_FILE, describe, url

log = logging.getLogger(__name__)

# Twice the pixels of an 8K frame: larger frames would need gigabytes in every parallel job.
MAX_PIXELS = 2**26
# After so many seconds without output, ffmpeg counts as stuck.
TIMEOUT = 600.0
# Seconds from one frame to the next. A longer gap would be filled with a still picture.
MAX_GAP = 2
# Once a second of the video, print the time stamps of two successive frames, as errors. Always 1.
SECONDS = "if(eq(floor(t),floor(prev_t)),1,gte(isnan(print(prev_t,16)+print(t,16)),0))"
# Demuxers of files that hold video themselves. Others follow playlists and scripts to other files,
# read a name as the pattern of many, or play text as moving art.
CONTAINERS = (
    "apng,asf,asf_o,av1,avi,avs2,avs3,bink,cavsvideo,cine,dhav,dirac,dnxhd,dv,evc,film_cpk,"
    "flic,flv,gif,gxf,h261,h263,h264,hevc,ipu,ivf,ivr,kux,live_flv,lmlm4,m4v,matroska,mjpeg,"
    "mlv,mov,mpeg,mpegts,mpegvideo,mpjpeg,mxf,mxg,nsv,nut,nuv,obu,ogg,pva,r3d,rm,roq,ser,"
    "smjpeg,smk,swf,thp,ty,vc1,vc1test,vivo,vvc,webp_anim,wtv,xmv,yuv4mpegpipe"
)


class VideoError(Exception):
    """A video that cannot be used. The message is the reason, in one line."""


def check_file(path: PathLike) -> None:
    """Raise VideoError for a file that ffmpeg must not open."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise VideoError("a folder; if it has numbered images, set images_fps (docs/data.md)")
        if not stat.S_ISREG(status.st_mode):
            raise VideoError("not a regular file")
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error
    if not head:
        raise VideoError("empty file")
    # The commonest words for what ffmpeg would refuse by CONTAINERS alone.
    if head.removeprefix(b"\xef\xbb\xbf").startswith((b"#EXTM3U", b"ffconcat")):
        raise VideoError("not a video: a playlist; give the videos that it names")
    if not head.startswith(b"YUV4MPEG2 ") and all(
        (byte >= 0x20 and byte != 0x7F) or byte in b"\t\n\r\f\b\x1b" for byte in head
    ):
        raise VideoError("not a video: plain text")


def source(path: PathLike, max_pixels: int, timeout: float, numbered: Mapping[str, Any]) -> Any:
    """Return the frames of ``path`` as a stream of ffmpeg-python, decoded on one thread.

    ``numbered`` has the options of :func:`.located`. Of several video streams the default one is
    taken, and of several such ones the largest. ffmpeg prints time stamps for :class:`Stamps`.
    Raises VideoError for HDR.
    """
    options = {
        "threads": 1,
        "max_pixels": max_pixels,
        "protocol_whitelist": "file",
        "format_whitelist": CONTAINERS,
        **numbered,
        # One filter graph for the whole video: a new one, after a change in the stream, would count
        # from zero again.
        "reinit_filter": 0,
    }
    stream = _choose(path, options, timeout)
    return ffmpeg.input(THE_FILE, **options)[stream].filter("select", SECONDS)


def _choose(path: PathLike, options: Mapping[str, Any], timeout: float) -> str:
    """Return ffmpeg's name of the stream to take; raise VideoError if it is HDR."""
    try:
        shown = describe(path, options, timeout)
    except subprocess.TimeoutExpired:
        raise VideoError(f"ffmpeg gave no data for {timeout:g} s") from None
    found = re.findall(r"^ +Stream #0:(\d+)\S*: Video: (.*)", shown, re.MULTILINE)
    videos = {name: about for name, about in found if not re.search(r"\((attached|timed)", about)}
    if not videos:
        return "V:0"  # and ffmpeg says what is wrong

    def rank(name: str) -> tuple[bool, int]:
        size = re.search(r", (\d+)x(\d+)", videos[name])
        return "(default)" in videos[name], int(size[1]) * int(size[2]) if size else 0

    best = max(videos, key=rank)
    if len(videos) > 1:
        log.info("%s: of %d video streams, number %s is taken", path, len(videos), best)
    if hdr := re.search("smpte2084|arib-std-b67", videos[best]):
        raise VideoError(
            f"HDR ({hdr[0]}), whose colours would be wrong: convert it first (docs/own-data.md)"
        )
    return best


def read(pipe: IO[bytes], view: memoryview, timeout: float) -> int:
    """Fill ``view`` with what is there, and return its bytes, 0 at the end.

    Raises VideoError if nothing comes for ``timeout`` seconds.
    """
    ready, _, _ = select.select([pipe], [], [], timeout)
    if not ready:
        raise VideoError(f"ffmpeg gave no data for {timeout:g} s")
    return os.readv(pipe.fileno(), [view])


class Stamps:
    """Compares the time stamps that ffmpeg prints with one another and with the frames it makes.

    ``first`` is the time stamp to count from; None takes the first one.
    """

    def __init__(self, stderr: IO[bytes], first: float | None = None) -> None:
        self._file, self._place, self._line = stderr.fileno(), 0, b""
        self._first = self._last = first
        self._pair: list[float] = []

    def check(self, seconds: float = 0) -> None:
        """Raise VideoError for a gap of more than :data:`MAX_GAP`, or a frame that lasts longer.

        ``seconds`` is the time of the newest frame since the first.
        """
        while new := os.pread(self._file, 2**20, self._place):
            self._place += len(new)
            *lines, self._line = (self._line + new).split(b"\n")
            self._compare(lines)
        if self._first is None or self._last is None:
            return
        # One second, because that often they are printed.
        if seconds > self._last - self._first + 1 + MAX_GAP:
            raise VideoError(f"one of its frames lasts longer than {MAX_GAP} s")

    def _compare(self, lines: Iterable[bytes]) -> None:
        """Take the stamps in pairs, each of a frame and the one after it."""
        for line in lines:
            if not STAMP.fullmatch(text := line.rpartition(b"] ")[2].decode("utf-8", "replace")):
                continue
            self._pair.append(float(text))
            if len(self._pair) < 2:
                continue
            (before, now), self._pair = self._pair, []
            if math.isnan(before):  # the first frame has none before it
                before = now if self._last is None else self._last
            self._last, gap = now, now - before
            self._first = now if self._first is None else self._first
            if abs(gap) > MAX_GAP:
                raise VideoError(
                    f"its time stamps jump by {gap:.0f} s; up to {MAX_GAP} s are filled with a "
                    f"still picture"
                )


def reason(complaints: list[str], path: PathLike) -> str:
    """Return why nothing was decoded, from ffmpeg's messages, which depend on its version."""
    everything = "\n".join(complaints)
    if "max pixel count" in everything:
        return "frames too large: more pixels than the limit"
    if "not on whitelist" in everything:
        return "not a video: a playlist, picture, sound, text or rare kind of file"
    if "matches no streams" in everything:
        return "no video stream"
    opening = [line for line in complaints if line.startswith("Error opening input: ")]
    opening += [line for line in complaints if line.startswith(f"{url(path)}: ")]
    if opening:
        return f"not a video: {opening[0].rpartition(': ')[2]}"
    detail = f": {complaints[0]}" if complaints else ""
    return f"no decodable frame{detail}"
