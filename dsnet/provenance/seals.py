"""Seals: the SHA-256 of a file in a file beside it, compared when a later stage reads the file.

The seal of ``table.csv`` is ``.table.csv.sha256``, which ``sha256sum -c`` reads too. So CSV and
JSON stay plain. A file without a seal, of an older dsnet or copied alone, is taken as it is. The
seal of frames, flow and clips leaves out the images, which have checksums of their own.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from dsnet.disk import PathLike, flock
from dsnet.errors import ChangedError, RemakeError, UserError

# Ends of the names of files that `replacing` seals as a whole.
SEALED = (".csv", ".json", ".npz", "model.pt", "scores.h5")
CHUNK = 1 << 24  # bytes
Span = tuple[int, int]  # place and number of bytes


def seal_of(path: PathLike) -> Path:
    """Return the path of a file's seal."""
    return Path(path).with_name(f".{Path(path).name}.sha256")


def seal_text(path: PathLike, name: str, spans: Sequence[Span] = ()) -> str:
    """Make the seal of the file at ``path``, which gets a ``name``; it leaves out ``spans``."""
    lines = [f"{_digest(path, spans)}  {name}", *(f"{begin} {size}" for begin, size in spans)]
    return "\n".join(lines) + "\n"


def check_seal(
    path: PathLike, content: bytes | None = None, error: type[RemakeError] = ChangedError
) -> bool:
    """Compare a file, or its ``content``, with its seal; return whether it has one.

    Raises ``error`` if they differ, and UserError if another program has locked the file: while one
    may be written, HDF5 has it marked.
    """
    try:
        first, *others = seal_of(path).read_bytes().splitlines()
        spans = [(int(begin), int(size)) for begin, size in map(bytes.split, others)]
        found = _digest(path if content is None else BytesIO(content), spans)
        right = first[:64] == found.encode()
    except FileNotFoundError:
        Path(path).stat()  # if it is the file that is missing
        return False
    except ValueError:  # damage of the seal
        right = False
    if not right:
        with naming_damage(path, "file"), open(path, "rb") as file:
            flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        raise error(
            path,
            f"{path} is damaged or was edited: its SHA-256 is not that in {seal_of(path)} (to use "
            f"it as it is, put it back and delete that file)",
        )
    return True


def _digest(file: PathLike | BytesIO, spans: Sequence[Span]) -> str:
    """Compute the SHA-256 of a file without spans; ValueError if they are not in it, in order."""
    found = hashlib.sha256()
    with file if isinstance(file, BytesIO) else open(file, "rb") as stream:
        end, at = stream.seek(0, os.SEEK_END), 0
        for begin, size in (*spans, (end, 0)):
            if not at <= begin <= begin + size <= end:
                raise ValueError("spans that are not in the file")
            stream.seek(at)
            while part := stream.read(min(CHUNK, begin - stream.tell())):
                found.update(part)
            at = begin + size
    return found.hexdigest()


@contextmanager
def opened(path: PathLike, kind: str) -> Iterator[bytes]:
    """Yield the bytes of a file with a seal, to be read as a ``kind`` of file by the caller.

    Raises:
        ChangedError: the file is not as it was written.
        RemakeError: what the caller does with the bytes raises anything but a UserError.
        OSError: the file is missing, or the system refuses it.
    """
    content = Path(path).read_bytes()
    try:
        check_seal(path, content)
    except ChangedError:  # or another process has just written both
        time.sleep(0.1)
        content = Path(path).read_bytes()
        check_seal(path, content)
    with naming_damage(path, kind):
        yield content


@contextmanager
def naming_damage(
    path: PathLike, kind: str, error: type[RemakeError] = RemakeError
) -> Iterator[None]:
    """Raise ``error`` in place of whatever a damaged file causes, which can be any exception.

    A UserError is let through, and what :func:`is_refusal` tells of the system. Raises UserError if
    another program has locked the file.
    """
    try:
        yield
    except UserError:
        raise
    except BlockingIOError as problem:  # of HDF5, which locks files
        message = f"{path} is open in another program; close it there, and run again"
        raise UserError(message) from problem
    except Exception as problem:
        if is_refusal(problem):
            if isinstance(problem, OSError) and problem.filename is None:  # as HDF5's
                problem.filename = os.fspath(path)
            raise
        raise error(path, f"{path} is damaged or not a {kind} ({problem})") from problem


def is_refusal(problem: Exception) -> bool:
    """Return whether the system refused a file or memory, which says nothing about the bytes.

    An error without a number is the library's. "Invalid argument" comes of a place to read at that
    a damaged file names.
    """
    if isinstance(problem, OSError):
        return problem.errno not in (None, errno.EINVAL)
    return isinstance(problem, MemoryError)
