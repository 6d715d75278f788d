"""Files over HTTP: resumed where they were cut, checked before they get their name."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import urllib3
from tqdm import tqdm

from dsnet.disk import DiskFullError, naming_full_disk
from dsnet.errors import UserError
from dsnet.provenance import alone

log = logging.getLogger(__name__)

ATTEMPTS = 6  # in a row that bring nothing
WAIT = 1.0  # seconds before the second of them; doubled for each one after
TIMEOUT = (20.0, 60.0)  # seconds to connect, and without a byte
CHUNK = 1 << 20  # bytes
BUSY = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(UserError):
    """A file that could not be had as it should be; the message has the address."""


class _TryAgainError(Exception):
    """Something that may pass."""


PASSING = (
    _TryAgainError,
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.HTTPError,
)


def download(
    addresses: Sequence[str], path: Path, *, size: int | None = None, checksum: str | None = None
) -> dict[str, Any]:
    """Get a file from the first of ``addresses`` that has it, unless ``path`` is there already.

    ``size`` (bytes) and ``checksum`` (``md5:`` or ``sha256:`` and hexadecimal digits) are what is
    published of it; a file that was there is held to them too. What has arrived lies in
    ``NAME.part`` and is gone on from by the next call, if the server can and still has the same
    file. Returns name, address (None of a file that was there), bytes and sha256.

    Raises:
        DownloadError: no address has the file, or it is not the one that was published.
        DiskFullError: there is no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        if path.exists():
            log.info("%s is there already", path)
            return {"name": path.name, "address": None, **verify(path, size, checksum)}
        part = path.with_name(f"{path.name}.part")
        address = _receive_from_any(addresses, part, size)
        try:
            found = verify(part, size, checksum)
        except DownloadError as error:
            part.unlink()
            _origin(part).unlink(missing_ok=True)
            raise DownloadError(f"{address}: {error}; what came was removed") from None
        part.rename(path)
        _origin(part).unlink(missing_ok=True)
    log.info("%s: %s bytes, SHA-256 %s", path, f"{found['bytes']:,}", found["sha256"])
    return {"name": path.name, "address": address, **found}


def verify(path: Path, size: int | None, checksum: str | None) -> dict[str, Any]:
    """The bytes and sha256 of a file, held to what is published of it.

    Raises:
        DownloadError: it has another size or checksum; nothing is done to the file.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise DownloadError(f"{path} has {found:,} bytes, where {size:,} are published")
    kind, _, published = (checksum or "sha256:").partition(":")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {kind, "sha256"}}
    with (
        open(path, "rb") as file,
        tqdm(
            desc=f"checking {path.name}",
            total=found,
            unit="B",
            unit_scale=True,
            disable=None,
            delay=2,
        ) as bar,
    ):
        while data := file.read(CHUNK):
            for digest in digests.values():
                digest.update(data)
            bar.update(len(data))
    if published and digests[kind].hexdigest() != published:
        raise DownloadError(
            f"{path} has the {kind.upper()} {digests[kind].hexdigest()}, "
            f"where {published} is published"
        )
    return {"bytes": found, "sha256": digests["sha256"].hexdigest()}


def _receive_from_any(addresses: Sequence[str], part: Path, size: int | None) -> str:
    """Receive the whole file into ``part``; the address it came from."""
    problems = []
    for address in addresses:
        try:
            _receive(address, part, size)
            return address
        except DownloadError as error:
            problems.append(str(error))
            log.warning("%s", error)
    raise DownloadError("; ".join(problems))


def _receive(address: str, part: Path, size: int | None) -> None:
    """Ask for what is missing of ``part`` until nothing is, or until nothing more comes."""
    log.info("%s -> %s", address, part)
    idle, most = 0, _length(part)
    while True:
        try:
            return _request(address, part, size)
        except requests.exceptions.SSLError as error:
            raise DownloadError(f"{address}: no safe connection: {_reason(error)}") from error
        except PASSING as error:
            # More than ever, since without ranges every attempt begins at nothing.
            idle = 0 if _length(part) > most else idle + 1
            most = max(most, _length(part))
            if idle >= ATTEMPTS:
                raise DownloadError(
                    f"{address}: {_reason(error)}; tried {ATTEMPTS} times"
                ) from error
            pause = WAIT * 2 ** max(idle - 1, 0)
            log.warning(
                "%s: %s; going on at byte %d in %g s", address, _reason(error), _length(part), pause
            )
            time.sleep(pause)
        except requests.RequestException as error:
            raise DownloadError(f"{address}: {_reason(error)}") from error


def _reason(error: BaseException) -> BaseException:
    """The error that requests and urllib3 have wrapped, which says it shortest."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _reason(inner) if isinstance(inner, BaseException) else error


def _request(address: str, part: Path, size: int | None) -> None:
    """One request for what is missing of ``part``, which is complete afterwards."""
    headers = {"User-Agent": "dsnet", "Accept-Encoding": "identity", **_range(address, part)}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start, total = _extent(response, part)
        if size is not None and total is not None and total != size:
            raise DownloadError(
                f"{address}: the server has {total:,} bytes, where {size:,} are published"
            )
        if start == total:
            return
        _check_room(part, start, total)
        _origin(part).write_text(json.dumps(_identity(address, response)), encoding="utf-8")
        with (
            naming_full_disk(part),
            open(part, "ab" if start else "wb") as file,
            tqdm(
                desc=part.stem,
                total=total,
                initial=start,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            # What has come so far, however little: a whole chunk that is cut would be dropped.
            while data := response.raw.read1(CHUNK):
                file.write(data)
                bar.update(len(data))
    if total is not None and _length(part) != total:
        raise _TryAgainError(f"the answer ended at byte {_length(part)} of {total}")


def _range(address: str, part: Path) -> dict[str, str]:
    """The headers that ask for the rest of ``part``, if the server still has the same file."""
    have = _length(part)
    try:
        origin = json.loads(_origin(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        origin = {}
    if not have or origin.get("address") != address:
        return {}
    same = {"If-Range": origin["validator"]} if origin.get("validator") else {}
    return {"Range": f"bytes={have}-", **same}


def _extent(response: requests.Response, part: Path) -> tuple[int, int | None]:
    """Where in the file the body of a response starts, and how long the whole file is, if known."""
    have, status = _length(part), response.status_code
    match = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
    )
    if status in BUSY:
        raise _TryAgainError(f"the server answers {status} {response.reason}")
    if status == 416:  # nothing follows what is there: it is all, or too much
        if match and match[2] == str(have):
            return have, have
        part.unlink(missing_ok=True)
        raise _TryAgainError("what has arrived is no part of the file; starting anew")
    if status not in (200, 206):
        raise DownloadError(f"{response.url}: the server answers {status} {response.reason}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(f"{response.url}: the server sends a web page instead of the file")
    if status == 206:
        if not match or match[1] != str(have):
            part.unlink(missing_ok=True)
            raise _TryAgainError("the server sends another part than was asked for; starting anew")
        return have, None if match[2] == "*" else int(match[2])
    if have:
        log.warning(
            "%s: the server cannot go on at byte %d, or has another file now; starting anew",
            response.url,
            have,
        )
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _identity(address: str, response: requests.Response) -> Mapping[str, str | None]:
    """What tells later whether the server still has the same file."""
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else None
    return {"address": address, "validator": strong or response.headers.get("Last-Modified")}


def _check_room(part: Path, start: int, total: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise DiskFullError(
            f"{part}: {total - start:,} bytes are to come, and {free:,} are free; "
            f"make room and run again"
        )


def _origin(part: Path) -> Path:
    """Where it is kept what ``part`` is a part of."""
    return part.with_name(f"{part.name}.json")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
