"""Fetching of weights that torchvision and mmaction2 have released."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from dsnet.fetching.downloads import DownloadError, download, verify
from dsnet.releases import FOLDER, MMACTION2, published

log = logging.getLogger(__name__)
TORCHVISION_NOTICE = (
    "Weights of torchvision (BSD 3-Clause). Its README says that terms of the data sets that they "
    "were trained on may hold for them."
)
MMACTION2_NOTICE = "Weights of mmaction2 (Apache-2.0), trained on Kinetics-400."


def notice_of(name: str) -> str:
    """Return the terms of a release."""
    return MMACTION2_NOTICE if name in MMACTION2 else TORCHVISION_NOTICE


def fetch_weights(
    name: str, folder: Path = Path(FOLDER), mirror: str | None = None
) -> dict[str, Any]:
    """Fetch a release, such as r2plus1d_18_Kinetics400, to ``folder/NAME.pth``.

    ``mirror`` is the address of a folder with the published files, under their own names. It is
    used instead of the published addresses. A file that is there already is checked as well.

    Returns name, address (None if the file existed), bytes and sha256.

    Raises:
        DownloadError: it cannot be downloaded, or is not the published file; the message says how
            to get it by hand.
        DiskFullError: there is no room.
    """
    official, digits = published(name)
    address = f"{mirror.rstrip('/')}/{official.rpartition('/')[2]}" if mirror else official
    path = folder / f"{name}.pth"
    log.info("%s", notice_of(name))
    try:
        return download([address], path, checksum=f"sha256:{digits}")
    except DownloadError as error:
        advice = f"to go on by hand, {by_hand(name, path)} and run again"
        raise DownloadError(f"{error}; {advice}") from error


def by_hand(name: str, path: Path) -> str:
    """Say how to get a release without dsnet."""
    return f"get {published(name)[0]}, put it at {path}"


def check_weights(path: Path) -> None:
    """Raise DownloadError unless a file is the release that it has the name of."""
    verify(path, None, f"sha256:{published(path.stem)[1]}")
