"""Unpacking of foreign archives: whole, inside one folder, and no larger than announced.

This module reads members one by one and writes the files: zip by Python's zipfile, rar by rarfile.
rarfile reads headers and stored members itself. For decompression it pipes the output of a tool on
the PATH (:data:`RAR_TOOLS`). No tool ever writes a file itself.
"""

from __future__ import annotations

import errno
import logging
import re
import shutil
import stat
import subprocess
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import rarfile

from dsnet.errors import UserError
from dsnet.fetching.downloads import CHUNK, progress

log = logging.getLogger(__name__)

RAR_TOOLS = "unrar, unar or 7z (with its rar plugin)"
RAR_ADVICE = (
    f"install {RAR_TOOLS}, on Debian and Ubuntu by `apt install unar`, on macOS by "
    f"`brew install unar`"
)
MOST_MEMBERS = 100_000  # seven times UCF-101's; an archive may hold millions of empty files
# Errors of zipfile, zlib and rarfile for damaged or unknown content. A seek before the start of a
# file is an OSError.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, rarfile.Error, EOFError, NotImplementedError),
    *(UnicodeDecodeError, OSError),
)
FOREIGN = re.compile(r"^[A-Za-z]:|[\\\x00-\x1f]")  # names that leave the folder on some system


class ArchiveError(UserError):
    """A damaged or unsafe archive; the message names the archive and the member."""


def unpack(archive: Path, folder: Path, *, depth: int, suffix: str, limit: int) -> list[Path]:
    """Unpack the files of a .zip or .rar that end in ``suffix``, in any case, into ``folder``.

    The last ``depth`` parts of a member's name are its path in ``folder``, so the name of the
    archive's top folder does not matter. All members are checked before the first is written.
    Returns the paths written, in the archive's order. No existing file is overwritten.

    Raises:
        ArchiveError: the archive cannot be read, is damaged, needs a password, or would be more
            than ``limit`` bytes; or a member is outside the folder, a link, there twice, without
            ``depth`` parts, or of another size than announced. Files written before the error stay.
    """
    what = "damaged, or not an archive of its kind"
    try:
        with _open(archive) as opened:
            wanted = _check(archive, opened.infolist(), depth, suffix, limit)
            total = sum(info.file_size for info in wanted.values())
            with progress(desc=f"unpacking {archive.name}", total=total, delay=2) as bar:
                for path, info in wanted.items():
                    what = f"{info.filename!r} is damaged"
                    written = _write(opened, info, folder / path)
                    if written != info.file_size:
                        raise ArchiveError(
                            f"{archive}: refused, since {info.filename!r} is announced with "
                            f"{info.file_size:,} bytes and has {written:,}"
                        )
                    bar.update(written)
    except FileExistsError:
        raise ArchiveError(f"{archive}: refused, since {info.filename!r} is there twice") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ArchiveError(
            f"{archive}: {what} ({error}); move the archive away, and it is fetched again"
        ) from error
    return [folder / path for path in wanted]


def has_rar_tool() -> bool:
    """Return whether a tool on the PATH decompresses rar archives, and make rarfile use it.

    Debian's 7z cannot do it, and rarfile does not notice. rarfile 4.5 calls bsdtar without a needed
    name, and bsdtar does not know solid archives.
    """
    able = {"bsdtar": False, "sevenzip": _knows_rar("7z"), "sevenzip2": _knows_rar("7zz")}
    try:
        rarfile.tool_setup(**able, force=True)
    except rarfile.RarCannotExec:
        return False
    return True


def _knows_rar(sevenzip: str) -> bool:
    if shutil.which(sevenzip) is None:
        return False
    listed = subprocess.run([sevenzip, "i"], capture_output=True, check=False).stdout
    return re.search(rb"\bRar3\b", listed) is not None


def need_rar_tool(archive: str | Path) -> None:
    """Raise ArchiveError with advice unless :func:`has_rar_tool`."""
    if not has_rar_tool():
        raise ArchiveError(
            f"{archive}: nothing here decompresses rar archives; {RAR_ADVICE}, and run again"
        )


def _open(archive: Path) -> Any:
    """Open an archive, as a ZipFile or as a RarFile, which has the same methods."""
    if archive.suffix.lower() == ".zip":
        return zipfile.ZipFile(archive)
    opened = rarfile.RarFile(archive)
    if any(info.compress_type != rarfile.RAR_M0 for info in opened.infolist()):
        need_rar_tool(archive)
    if opened.is_solid():
        log.warning("%s is solid: every member is unpacked from its start", archive)
    return opened


def _check(
    archive: Path, members: list[Any], depth: int, suffix: str, limit: int
) -> dict[PurePosixPath, Any]:
    """Check every member; return the files to unpack by their paths."""
    if len(members) > MOST_MEMBERS:
        raise ArchiveError(f"{archive}: refused, since it has {len(members)} members")
    wanted: dict[PurePosixPath, Any] = {}
    for info in members:
        name, path = info.filename, PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or not path.parts or FOREIGN.search(name):
            raise ArchiveError(f"{archive}: refused, since {name!r} is no path inside the folder")
        if _is_link(info):
            raise ArchiveError(f"{archive}: refused, since {name!r} is a link")
        if info.is_dir() or not name.lower().endswith(suffix):
            continue
        if info.flag_bits & 1 if isinstance(info, zipfile.ZipInfo) else info.needs_password():
            raise ArchiveError(f"{archive}: {name!r} needs a password")
        if len(path.parts) < depth:
            raise ArchiveError(f"{archive}: expected names of {depth} parts or more, got {name!r}")
        path = PurePosixPath(*path.parts[-depth:])
        if path in wanted:
            raise ArchiveError(f"{archive}: refused, since it has {str(path)!r} twice")
        wanted[path] = info
    if not wanted:
        raise ArchiveError(f"{archive}: has no file whose name ends in {suffix}")
    total = sum(info.file_size for info in wanted.values())
    if total > limit:
        raise ArchiveError(
            f"{archive}: refused, since it would unpack to {total:,} bytes, where at most "
            f"{limit:,} are announced"
        )
    return wanted


def _is_link(info: Any) -> bool:
    """Return whether a member is a link of any sort, or a copy of another member, as in RAR 5."""
    if isinstance(info, zipfile.ZipInfo):  # zero if it was made on a system without such modes
        kind = stat.S_IFMT(info.external_attr >> 16)
        return kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    return info.is_symlink() or info.file_redir is not None


def _write(opened: Any, info: Any, path: Path) -> int:
    """Write one file; return its size. Both readers stop at the size in its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # "x": a file system may take two names for one.
    with opened.open(info) as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, CHUNK)
        return target.tell()
