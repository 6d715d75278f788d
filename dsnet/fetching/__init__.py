"""Fetching of UCF-101, HMDB-51 and Weizmann, with their official lists, and of weights.

Downloaded archives are kept in their own folder. A part of a data set, its videos or its lists, is
unpacked into a hidden folder beside its place, and renamed when it is complete. A file in it marks
it as fetched (:data:`MARK`). Anything else at that place stays as it is.
"""

from __future__ import annotations

import datetime
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsnet.disk import naming_full_disk
from dsnet.errors import UserError
from dsnet.fetching.archives import ArchiveError, need_rar_tool, unpack
from dsnet.fetching.downloads import DownloadError, download
from dsnet.fetching.sources import SOURCES, Archive, Part, Source
from dsnet.fetching.weights import by_hand, check_weights, fetch_weights, notice_of
from dsnet.provenance import alone

__all__ = [
    "SOURCES",
    "ArchiveError",
    "DownloadError",
    "by_hand",
    "check_weights",
    "fetch",
    "fetch_weights",
    "notice_of",
    "source_of",
    "usual_folders",
]

log = logging.getLogger(__name__)
MARK = ".fetched.json"


def source_of(kind: str) -> Source:
    """Return a data set by its kind; raise UserError for an unknown kind."""
    if kind not in SOURCES:
        raise UserError(
            f"{kind} cannot be fetched; expected one of {', '.join(SOURCES)}, or weights of "
            f"torchvision or mmaction2, such as r2plus1d_18_Kinetics400"
        )
    return SOURCES[kind]


def part(kind: str, key: str) -> Part:
    """Return the part that the key ``videos`` or ``lists`` of a catalogue's entry points to."""
    return next(part for part in source_of(kind).parts if part.key == key)


def usual_folders(kind: str, root: Path) -> dict[str, Path]:
    """Return the places of a data set's parts in config.yaml, with ``root`` instead of data/."""
    return {part.key: root / part.folder for part in source_of(kind).parts}


def fetch(
    kind: str, folders: Mapping[str, Path], downloads: Path, mirror: str | None = None
) -> dict[str, Any]:
    """Fetch the missing parts of a data set, and describe all parts.

    ``folders`` has the place of each part (``videos``, ``lists``). The archives are kept in
    ``downloads/KIND/``. ``mirror`` is the address of a copy of ``downloads``, used instead of the
    official servers, with the same sizes and checksums.

    Returns title, licence, citation, and for each part its folder and its archives (name, address,
    bytes, sha256). The archives are None if dsnet did not fetch the part.

    Raises:
        UserError: the kind cannot be fetched, or ``folders`` lacks a part.
        DownloadError: an archive cannot be downloaded; the message says how to get it by hand.
        ArchiveError: an archive is damaged or refused, or is a rar that nothing here decompresses.
        DiskFullError: there is no room.
    """
    source = source_of(kind)
    if absent := [part.key for part in source.parts if part.key not in folders]:
        raise UserError(f"{kind}: no folder is given for {', '.join(absent)}")
    if mirror:
        source = replace(source, servers=(f"{mirror.rstrip('/')}/{kind}",))
    for line in source.notice.splitlines():
        log.info("%s", line.strip())
    record = {key: getattr(source, key) for key in ("title", "page", "licence", "citation")}
    for part in source.parts:
        # The target of a link, so that the folder beside it is on the same disk.
        folder = Path(folders[part.key]).resolve()
        if not _is_there(folder):  # before the lock, which needs write access
            with alone(folder):
                if not _is_there(folder):
                    _make(source, part, folder, downloads / kind, bool(mirror))
        mark = folder / MARK
        archives = json.loads(mark.read_bytes())["archives"] if mark.exists() else None
        record[part.key] = {"folder": str(folders[part.key]), "archives": archives}
    return record


def _is_there(folder: Path) -> bool:
    """Return whether a part exists; warn if dsnet did not fetch it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if (folder / MARK).exists():
        log.info("%s was fetched before", folder)
    else:
        log.warning(
            "%s is there, and was not made by fetching: it is left as it is; "
            "move it away to have it fetched",
            folder,
        )
    return True


def _make(source: Source, part: Part, folder: Path, downloads: Path, mirrored: bool) -> None:
    """Download and unpack a part."""
    if part.is_rar and not mirrored:  # a mirror may have an uncompressed one
        need_rar_tool(part.archives[0].name)
    received = [_get(source, part, archive, folder, downloads) for archive in part.archives]
    place = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(place, ignore_errors=True)  # of a killed run
    place.mkdir(parents=True)
    try:
        with naming_full_disk(folder):
            for archive in part.archives:
                _unpack(part, archive, downloads / archive.name, place / archive.into)
            date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            mark = {"title": source.title, "date": date, "archives": received}
            (place / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
        place.rename(folder)  # fails if there is something by now, unless it is empty
    finally:
        shutil.rmtree(place, ignore_errors=True)
    log.info("%s is there now", folder)


def _get(
    source: Source, part: Part, archive: Archive, folder: Path, downloads: Path
) -> dict[str, Any]:
    """Download one archive; if that fails, say how to get it by hand."""
    path = downloads / archive.name
    addresses = [f"{server}/{archive.name}" for server in source.servers]
    try:
        return download(addresses, path, size=archive.size, checksum=archive.checksum)
    except DownloadError as error:
        raise DownloadError(
            f"{error}. To go on by hand: get {archive.name} (see {source.page}), put it at {path} "
            f"and run again; or put the unpacked {part.key} at {folder}"
        ) from error


def _unpack(part: Part, archive: Archive, path: Path, folder: Path) -> None:
    """Unpack an archive, and the archives in it if it is nested, into ``folder``."""
    inner, left, paths = folder / ".archives", archive.limit, [path]
    if archive.nested:
        paths = unpack(path, inner, depth=1, suffix=archive.nested, limit=left)
    for path in paths:
        files = unpack(path, folder, depth=part.depth, suffix=part.suffix, limit=left)
        left -= sum(file.stat().st_size for file in files)
        if archive.nested:
            path.unlink()
    shutil.rmtree(inner, ignore_errors=True)
