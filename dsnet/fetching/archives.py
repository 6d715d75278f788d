"""Archives that others made, unpacked whole, inside one folder, and no larger than announced.

Both kinds are read member by member and written by this module: zip by Python's own zipfile, rar
by rarfile, which reads the headers and what is stored itself and leaves decompression to a tool on
the PATH (:data:`RAR_TOOLS`) whose output it pipes. No tool ever writes a file by itself.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import rarfile
from tqdm import tqdm

from dsnet.errors import UserError

log = logging.getLogger(__name__)

RAR_TOOLS = "unrar, unar or 7z (with its rar plugin)"
RAR_ADVICE = (
    f"install {RAR_TOOLS}, on Debian and Ubuntu by `apt install unar`, on macOS by "
    f"`brew install unar`"
)
MOST_MEMBERS = 100_000  # seven times UCF-101's; an archive may hold millions of empty files
CHUNK = 1 << 20  # bytes
# What zipfile, zlib and rarfile make of damaged or unknown content.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    rarfile.Error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)
DRIVE = re.compile(r"[A-Za-z]:")


class ArchiveError(UserError):
    """An archive that is damaged, or that nobody should unpack; names the archive and member."""


@dataclass(frozen=True)
class Member:
    """An entry of an archive, as its header has it; ``size`` in bytes, unpacked."""

    name: str
    size: int
    is_folder: bool
    is_link: bool
    is_locked: bool
    info: Any


def unpack(
    archive: Path,
    folder: Path,
    *,
    depth: int,
    suffix: str,
    limit: int,
) -> list[Path]:
    """Unpack the files of a .zip or .rar whose names end in ``suffix``, any case, into ``folder``.

    The last ``depth`` parts of a member's name are its path below ``folder``, so what the archive's
    own top folder is called does not matter. All members are checked before the first is written.
    Returns the paths written, in the archive's order. Nothing that exists is overwritten.

    Raises:
        ArchiveError: the archive cannot be read or is damaged; it needs a password; or it has a
            member that is outside the folder, a link, there twice, without ``depth`` parts, or
            larger than its header says; or all of it would be more than ``limit`` bytes. What was
            written until then stays, so unpack into a folder that can go.
    """
    with _opened(archive) as (members, read):
        wanted = _check(archive, members, depth, suffix, limit)
        name, total = f"unpacking {archive.name}", sum(member.size for member in wanted.values())
        with tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None, delay=2) as bar:
            for path, member in wanted.items():
                _write(archive, member, read, folder / path, bar)
    return [folder / path for path in wanted]


def has_rar_tool() -> bool:
    """Whether there is a tool on the PATH that decompresses rar archives, which rarfile then uses.

    As it comes with Debian, 7z takes none, which rarfile does not notice; and rarfile 4.5 calls
    bsdtar with a name missing, which knows no solid archives anyway.
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


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Member], Callable[[Any], IO[bytes]]]]:
    """The members of an archive and a function that opens one of them, by its ``info``."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as unzipped:
                yield [_zip_member(info) for info in unzipped.infolist()], unzipped.open
        else:
            with rarfile.RarFile(archive) as unrarred:
                members = unrarred.infolist()
                if any(info.compress_type != rarfile.RAR_M0 for info in members):
                    need_rar_tool(archive)
                if unrarred.is_solid():
                    log.warning("%s is solid: every member is unpacked from its start", archive)
                yield [_rar_member(info) for info in members], unrarred.open
    except DAMAGE as error:
        raise ArchiveError(
            f"{archive}: damaged, or not an archive of its kind ({error}); move it away, "
            f"and it is fetched again"
        ) from error


def need_rar_tool(archive: str | Path) -> None:
    """Raise ArchiveError, saying what to install, unless :func:`has_rar_tool`."""
    if not has_rar_tool():
        raise ArchiveError(
            f"{archive}: nothing here decompresses rar archives; {RAR_ADVICE}, and run again"
        )


def _zip_member(info: zipfile.ZipInfo) -> Member:
    # Zero where the archive was made on a system without such modes.
    kind = stat.S_IFMT(info.external_attr >> 16)
    return Member(
        name=info.orig_filename,  # as it is there; filename ends at the first NUL
        size=info.file_size,
        is_folder=info.is_dir(),
        is_link=kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        is_locked=bool(info.flag_bits & 1),
        info=info,
    )


def _rar_member(info: Any) -> Member:
    return Member(
        name=info.filename,
        size=info.file_size or 0,
        is_folder=info.is_dir(),
        # Symbolic links of RAR 4; all sorts of links, and copies of other members, of RAR 5.
        is_link=info.is_symlink() or info.file_redir is not None,
        is_locked=info.needs_password(),
        info=info,
    )


def _check(
    archive: Path, members: list[Member], depth: int, suffix: str, limit: int
) -> dict[PurePosixPath, Member]:
    """The files to unpack, by their paths, after a look at every member."""
    if len(members) > MOST_MEMBERS:
        raise ArchiveError(f"{archive}: refused, since it has {len(members)} members")
    wanted: dict[PurePosixPath, Member] = {}
    for member in members:
        path = _inside(archive, member)
        if member.is_link:
            raise ArchiveError(f"{archive}: refused, since {member.name!r} is a link")
        if member.is_folder or not member.name.lower().endswith(suffix):
            continue
        if member.is_locked:
            raise ArchiveError(f"{archive}: {member.name!r} needs a password")
        if len(path.parts) < depth:
            raise ArchiveError(
                f"{archive}: expected names of {depth} parts or more, got {member.name!r}"
            )
        path = PurePosixPath(*path.parts[-depth:])
        if path in wanted:
            raise ArchiveError(f"{archive}: refused, since it has {str(path)!r} twice")
        wanted[path] = member
    if not wanted:
        raise ArchiveError(f"{archive}: has no file whose name ends in {suffix}")
    total = sum(member.size for member in wanted.values())
    if total > limit:
        raise ArchiveError(
            f"{archive}: refused, since it would unpack to {total:,} bytes, where at most "
            f"{limit:,} are announced"
        )
    return wanted


def _inside(archive: Path, member: Member) -> PurePosixPath:
    """The path of a member, which must not lead out of the folder on any system."""
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts or DRIVE.match(member.name)
    if outside or not path.parts or re.search(r"[\\\x00-\x1f]", member.name):
        raise ArchiveError(
            f"{archive}: refused, since {member.name!r} is no path inside the folder"
        )
    return path


def _write(
    archive: Path, member: Member, read: Callable[[Any], IO[bytes]], path: Path, bar: tqdm
) -> None:
    """Write one file; its size and checksum are those of its header, or there is an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        # "x", since a file system may take two names for one.
        with read(member.info) as source, open(path, "xb") as target:
            while data := source.read(CHUNK):
                written += len(data)
                if written > member.size:
                    break
                target.write(data)
                bar.update(len(data))
    except FileExistsError:
        raise ArchiveError(f"{archive}: refused, since {member.name!r} is there twice") from None
    except (*DAMAGE, OSError) as error:
        # A seek before the file's start is damage too.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ArchiveError(
            f"{archive}: {member.name!r} is damaged ({error}); move the archive away, and it is "
            f"fetched again"
        ) from error
    if written != member.size:
        raise ArchiveError(
            f"{archive}: refused, since {member.name!r} is announced with {member.size:,} bytes "
            f"and has {'more' if written > member.size else f'{written:,}'}"
        )
