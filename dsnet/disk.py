"""Full disks, said clearly: every library reports them in words of its own, or in none."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsnet.errors import UserError

PathLike = str | os.PathLike[str]  # a file or folder, as callers name it
FULL = (errno.ENOSPC, errno.EDQUOT)
PROBE = 1 << 20  # bytes


class DiskFullError(UserError):
    """There is no room to write a file; the message names it."""

    @classmethod
    def of(cls, path: PathLike) -> DiskFullError:
        """The error of a file that was not written for want of room."""
        return cls(
            f"{os.fspath(path)} could not be written: the disk is full, or your quota of it; "
            f"make room and run again"
        )


@contextmanager
def naming_full_disk(path: PathLike) -> Iterator[None]:
    """Turn whatever a full disk makes of writing ``path`` into one clear error.

    Raises:
        DiskFullError: in place of any error that comes of a full disk or an exhausted quota.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not _is_full(error, Path(path).parent):
            raise
        raise DiskFullError.of(path) from error


def _is_full(error: Exception, folder: Path) -> bool:
    """Whether ``error`` comes of a full disk, which the file system is asked where it is vague."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.errno in FULL
        cause = cause.__cause__ or cause.__context__
    # HDF5, PyTorch and ffmpeg say that writing failed, and not why.
    return isinstance(error, OSError | RuntimeError) and has_no_room(folder)


def has_no_room(folder: Path) -> bool:
    """Whether a folder's disk, or the quota of it, has no room for a small file."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))
            file.flush()
    except OSError as error:
        return error.errno in FULL
    return False
