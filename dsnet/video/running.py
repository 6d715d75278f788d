"""ffmpeg as a process: the executable, its arguments, its messages, and its end."""

import functools
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

import imageio_ffmpeg

from dsnet.disk import PathLike
from dsnet.errors import UserError

log = logging.getLogger(__name__)

# Bicubic is ffmpeg's default and so MARS's. The other flags make the result the same on every
# processor; otherwise it depends on vector instructions.
SCALER_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
# Placeholder for the video in ffmpeg-python, which cannot take names that are not UTF-8.
THE_FILE = "file:"
# Of 50 frames ffmpeg 4.2 makes 88, for one. 5.1 is the oldest that was compared with the newest.
OLDEST = (5, 1)
# A time stamp among the messages, see dsnet.video.reading.
STAMP = re.compile(r"-?(nan|\d+\.\d{6})")
# Exit statuses of ffmpeg after a signal that it caught.
CAUGHT = (123, 255)
# What a damaged file can cause; the exit status is 255, too.
REFUSED = "Operation not permitted"


class FfmpegError(UserError, RuntimeError):
    """ffmpeg cannot work here, or was stopped. The message says what to do."""


@functools.cache
def ffmpeg_executable() -> str:
    """Return the path of ffmpeg: the one on PATH, else the one in the imageio-ffmpeg wheel.

    Raises FfmpegError with advice if there is neither, or it is older than :data:`OLDEST`.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            found = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise FfmpegError(
                "no ffmpeg: put one on PATH, or install the imageio-ffmpeg wheel, "
                "which brings its own (pip install imageio-ffmpeg)"
            ) from error
    try:
        asked = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FfmpegError(f"{found} does not start: {error}") from None
    # A build from ffmpeg's repository has a date or a commit in place of a version.
    version = re.match(r"ffmpeg version n?(\d+)\.(\d+)", asked.stdout)
    if version and (int(version[1]), int(version[2])) < OLDEST:
        raise FfmpegError(
            f"{found} is version {version[1]}.{version[2]}, which takes other frames of a video; "
            f"put {OLDEST[0]}.{OLDEST[1]} or newer on PATH, or none, for the imageio-ffmpeg wheel's"
        )
    log.info("using ffmpeg at %s", found)
    return found


@contextmanager
def running(
    stream: Any,
    path: PathLike,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run ffmpeg-python's ``stream``, with ``path`` for :data:`THE_FILE`, during the block.

    Yields the process and the file of its messages, see :func:`messages`. A process that has not
    ended by the end of the block is killed.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            _command(stream, path, interactive=stdin == subprocess.PIPE),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            yield process, stderr
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # some input was not written
                        pipe.close()


def describe(path: PathLike, options: Mapping[str, Any], timeout: float) -> str:
    """Return what ffmpeg says of a file that it opens with input ``options``.

    Raises subprocess.TimeoutExpired after ``timeout`` seconds.
    """
    command = [ffmpeg_executable(), "-hide_banner", "-nostdin"]
    for name, value in options.items():
        command += [f"-{name}", str(value)]
    shown = subprocess.run([*command, "-i", url(path)], capture_output=True, timeout=timeout)
    return shown.stderr.decode("utf-8", "backslashreplace")


def check_end(
    process: subprocess.Popen[bytes], stderr: IO[bytes], path: PathLike, timeout: float
) -> None:
    """Wait for the end of ffmpeg, at most ``timeout`` seconds.

    Raises FfmpegError if a signal ended it: what it put out by then is not the whole video.
    """
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout)
    code = process.returncode or 0
    number = -code if code < 0 else code - 128  # as a shell around ffmpeg says it
    if 0 < number < 32:
        what = f"signal {number} ({signal.Signals(number).name})"
    elif code < 0 or (code in CAUGHT and REFUSED not in "".join(messages(stderr)[-2:])):
        what = "a signal"
    else:
        return
    raise FfmpegError(
        f"{os.fspath(path)}: {what} ended ffmpeg, as happens when memory or time runs out; run "
        f"again, and if it ends so again, take the video out of the data set"
    )


def url(path: PathLike) -> str:
    """Return ``path`` with a protocol, so that ffmpeg reads no part of the name as one."""
    return f"file:{os.fspath(path)}"


def messages(stderr: IO[bytes]) -> list[str]:
    """Return the last lines of ffmpeg's messages, without ``[component]`` and time stamps."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - 2**20))
    lines = stderr.read().decode("utf-8", "backslashreplace").splitlines()
    found = [line.rpartition("] ")[2].strip() for line in lines]
    return [line for line in found if line and not STAMP.fullmatch(line)]


def _command(stream: Any, path: PathLike, *, interactive: bool) -> list[str]:
    """Return the arguments of ``stream``, with ``path`` for the file."""
    quiet = stream.global_args("-v", "repeat+error", *(() if interactive else ("-nostdin",)))
    arguments: list[str] = quiet.compile(cmd=ffmpeg_executable())
    return [url(path) if argument == THE_FILE else argument for argument in arguments]
