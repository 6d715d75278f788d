"""Download of files over HTTP: resumed after a cut, checked before they get their name."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import requests
import urllib3
from tqdm import tqdm

from dsnet.disk import DiskFullError, naming_full_disk
from dsnet.errors import UserError
from dsnet.provenance import alone

log = logging.getLogger(__name__)

ATTEMPTS = 6  # in a row without progress
WAIT = 1.0  # seconds before the second of them, then doubled each time
TIMEOUT = (20.0, 60.0)  # seconds to connect, and without a byte
CHUNK = 1 << 20  # bytes
BUSY = (408, 425, 429, 500, 502, 503, 504)
progress = partial(tqdm, unit="B", unit_scale=True, disable=None)


class DownloadError(UserError):
    """A file that cannot be downloaded as published; the message has the address."""


class _TryAgainError(Exception):
    """A temporary error."""


PASSING = (
    *(_TryAgainError, requests.ConnectionError, requests.Timeout),
    urllib3.exceptions.HTTPError,
)


def download(
    addresses: Sequence[str], path: Path, *, size: int | None = None, checksum: str | None = None
) -> dict[str, Any]:
    """Download a file from the first of ``addresses`` that has it, unless ``path`` exists.

    ``size`` (bytes) and ``checksum`` (``md5:`` or ``sha256:`` and hexadecimal digits, all or the
    first) are the published values. An existing file is checked too. A partial download stays in
    ``NAME.part``. The next call continues it, if the server can and still has the same file.

    Returns name, address (None if the file existed), bytes and sha256.

    Raises:
        DownloadError: no address has the file as published.
        DiskFullError: there is no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        if path.exists():
            log.info("%s is there already", path)
            return {"name": path.name, "address": None, **verify(path, size, checksum)}
        part, problems = path.with_name(f"{path.name}.part"), []
        for address in addresses:
            try:
                found = _receive(address, part, size, checksum)
            except DownloadError as error:
                log.warning("%s", error)
                problems.append(str(error))
                continue
            part.rename(path)
            _origin(part).unlink(missing_ok=True)
            log.info("%s: %s bytes, SHA-256 %s", path, f"{found['bytes']:,}", found["sha256"])
            return {"name": path.name, "address": address, **found}
    raise DownloadError("; ".join(problems))


def verify(path: Path, size: int | None, checksum: str | None) -> dict[str, Any]:
    """Compare a file with its published size and checksum; return its bytes and sha256.

    Raises DownloadError if they differ; the file stays as it is.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise DownloadError(f"{path} has {found:,} bytes, where {size:,} are published")
    kind, _, published = (checksum or "sha256:").partition(":")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {kind, "sha256"}}
    with (
        open(path, "rb") as file,
        progress(desc=f"checking {path.name}", total=found, delay=2) as bar,
    ):
        while data := file.read(CHUNK):
            for digest in digests.values():
                digest.update(data)
            bar.update(len(data))
    if not digests[kind].hexdigest().startswith(published):
        raise DownloadError(
            f"{path} has the {kind.upper()} {digests[kind].hexdigest()}, "
            f"where {published} is published"
        )
    return {"bytes": found, "sha256": digests["sha256"].hexdigest()}


def _receive(address: str, part: Path, size: int | None, checksum: str | None) -> dict[str, Any]:
    """Request the rest of ``part`` until it is complete, or nothing more comes; verify it."""
    log.info("%s -> %s", address, part)
    idle, most = 0, _length(part)
    while True:
        try:
            _request(address, part, size)
            break
        except PASSING as error:
            # More than ever before: without ranges, every attempt starts at zero.
            idle = 0 if _length(part) > most else idle + 1
            most = max(most, _length(part))
            if idle >= ATTEMPTS or isinstance(error, requests.exceptions.SSLError):
                tried = f"; tried {idle} times" if idle > 1 else ""
                raise DownloadError(f"{address}: {_reason(error)}{tried}") from error
            pause = WAIT * 2 ** max(idle - 1, 0)
            log.warning(
                "%s: %s; going on at byte %d in %g s", address, _reason(error), _length(part), pause
            )
            time.sleep(pause)
        except requests.RequestException as error:
            raise DownloadError(f"{address}: {_reason(error)}") from error
    try:
        return verify(part, size, checksum)
    except DownloadError as error:
        part.unlink()
        _origin(part).unlink(missing_ok=True)
        raise DownloadError(f"{address}: {error}; what came was removed") from None


def _reason(error: BaseException) -> BaseException:
    """Return the error inside the errors of requests and urllib3: its message is the shortest."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _reason(inner) if isinstance(inner, BaseException) else error


def _request(address: str, part: Path, size: int | None) -> None:
    """Send one request for the rest of ``part``; afterwards it is complete."""
    have, headers = _length(part), {"User-Agent": "dsnet", "Accept-Encoding": "identity"}
    if have and _origin(part).exists():
        known, _, validator = _origin(part).read_text(encoding="utf-8").partition("\n")
        if known == address:
            headers["Range"] = f"bytes={have}-"
            headers |= {"If-Range": validator} if validator else {}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start, total = _extent(response, part)
        if size is not None and total is not None and total != size:
            raise DownloadError(
                f"{address}: the server has {total:,} bytes, where {size:,} are published"
            )
        if start == total:
            return
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - start > free:
            raise DiskFullError(
                f"{part}: {total - start:,} bytes are to come, and {free:,} are free; "
                f"make room and run again"
            )
        tag = response.headers.get("ETag", "W/")
        validator = response.headers.get("Last-Modified", "") if tag.startswith("W/") else tag
        _origin(part).write_text(f"{address}\n{validator}", encoding="utf-8")
        with (
            naming_full_disk(part),
            open(part, "ab" if start else "wb") as file,
            progress(desc=part.stem, total=total, initial=start) as bar,
        ):
            # All bytes so far: a whole chunk would be lost if it is cut. Without a length, an
            # answer may have no end.
            while (size is None or file.tell() <= size) and (data := response.raw.read1(CHUNK)):
                file.write(data)
                bar.update(len(data))
    if total is not None and _length(part) != total:
        raise _TryAgainError(f"the answer ended at byte {_length(part)} of {total}")


def _extent(response: requests.Response, part: Path) -> tuple[int, int | None]:
    """Return where in the file a response starts, and the length of the whole file, if known."""
    status, have, headers = response.status_code, _length(part), response.headers
    if status in BUSY:
        raise _TryAgainError(f"the server answers {status} {response.reason}")
    if status not in (200, 206, 416):
        raise DownloadError(f"{response.url}: the server answers {status} {response.reason}")
    if status != 416 and headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(f"{response.url}: the server sends a web page instead of the file")
    if status == 200:
        if have:
            log.warning(
                "%s: the server cannot go on at byte %d, or has another file now; starting anew",
                response.url,
                have,
            )
        length = headers.get("Content-Length")
        if length and not length.isdecimal():
            raise DownloadError(f"{response.url}: its Content-Length, {length!r}, is no number")
        return 0, int(length) if length else None
    span, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    # After the last byte there is nothing to send, and the span is *.
    if total == str(have) if status == 416 else span.startswith(f"{have}-"):
        return have, int(total) if total.isdecimal() else None
    part.unlink(missing_ok=True)
    raise _TryAgainError(f"the server does not go on at byte {have}; starting anew")


def _origin(part: Path) -> Path:
    """Return the file that stores the origin of ``part`` and the server's validator."""
    return part.with_name(f"{part.name}.origin")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
