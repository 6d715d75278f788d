"""Full disks and file systems without locks, which each library reports in its own way or not."""

from __future__ import annotations

import errno
import fcntl
import functools
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsnet.errors import UserError

if TYPE_CHECKING:
    import h5py

log = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]  # a file or folder
FULL = (errno.ENOSPC, errno.EDQUOT)
# How HDF5 says that a file system has no locks; 524 is the kernel's own ENOTSUPP, as of NFS.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, 524)
PROBE = 1 << 20  # bytes
CACHED = 1 << 20  # bytes that HDF5 gathers at most before it writes a table


class DiskFullError(UserError):
    """No room to write a file; the message names the file."""

    @classmethod
    def of(cls, path: PathLike) -> DiskFullError:
        """Make the error for a file."""
        return cls(
            f"{os.fspath(path)} could not be written: the disk is full, or your quota of it; "
            f"make room and run again"
        )


@contextmanager
def naming_full_disk(path: PathLike) -> Iterator[None]:
    """Raise DiskFullError in place of any error that a full disk or quota causes at ``path``."""
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not _is_full(error, Path(path).parent):
            raise
        raise DiskFullError.of(path) from error


def _is_full(error: Exception, folder: Path) -> bool:
    """Return whether a full disk caused ``error``; if the error is vague, test the file system."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.errno in FULL
        cause = cause.__cause__ or cause.__context__
    # HDF5, PyTorch and ffmpeg do not say why writing failed.
    return isinstance(error, OSError | RuntimeError) and has_no_room(folder)


def has_no_room(folder: Path) -> bool:
    """Return whether a folder's disk or quota has no room for a small file."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))
            file.flush()
    except OSError as error:
        return error.errno in FULL
    return False


def flock(file: int, how: int) -> None:
    """Call ``flock``; on a file system without locks warn, once, and go on without."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        raise
    except OSError:
        _warn_of_no_locks()


@functools.cache
def _warn_of_no_locks() -> None:
    log.warning("a file system has no locks, and nothing keeps runs apart: start one at a time")


def existing(folder: PathLike) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    absolute = Path(folder).absolute()
    return next(p for p in (Path(folder), *absolute.parents) if p.exists())


@contextmanager
def reading_hdf5(path: PathLike) -> Iterator[h5py.File]:
    """Open an HDF5 file to read, also where the file system has no locks."""
    import h5py  # planning does without

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        _warn_of_no_locks()
        file = h5py.File(path, "r", locking=False)
    with file:
        yield file


@contextmanager
def writing_hdf5(path: PathLike) -> Iterator[h5py.File]:
    """Open a new HDF5 file to write; raise the error that writing met once HDF5 has closed it."""
    import h5py

    with _Sheltered(path, "w+") as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
        finally:
            if raw.failure is not None:
                raise raw.failure


class _Sheltered(io.FileIO):
    """A file that keeps in memory what cannot be written any more.

    HDF5 can crash the process if it cannot write, or read again, the tables that it caches. Images
    come in larger pieces, which HDF5 does not cache. There the error is raised at once.
    """

    def __init__(self, path: PathLike, mode: str) -> None:
        super().__init__(path, mode)
        self.failure: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []  # places and bytes

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self.failure is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.failure = error
        if left and size > CACHED:
            assert self.failure is not None
            raise self.failure
        if left:
            self._kept.append((self.tell(), bytes(left)))
        return size

    def readinto(self, buffer: Any, /) -> int:
        begin, view = self.tell(), memoryview(buffer).cast("B")
        end = begin + len(view)
        view[:] = bytes(len(view))
        super().readinto(view)
        for place, data in self._kept:
            first, last = max(begin, place), min(end, place + len(data))
            if first < last:
                view[first - begin : last - begin] = data[first - place : last - place]
        return len(view)
