"""Full disks: one clear error, because each library reports them differently or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsnet.errors import UserError

PathLike = str | os.PathLike[str]  # a file or folder
FULL = (errno.ENOSPC, errno.EDQUOT)
PROBE = 1 << 20  # bytes


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
