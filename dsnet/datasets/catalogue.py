"""The kinds of data sets, behind one function."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from dsnet.datasets import folder, hmdb51, motions, ucf101, weizmann
from dsnet.datasets.listing import DataSetError, check_present
from dsnet.provenance import digest

KINDS: dict[str, Callable[[Mapping[str, Any]], pd.DataFrame]] = {
    "motions": motions.listing,
    "folder": folder.listing,
    "weizmann": weizmann.listing,
    "ucf101": ucf101.listing,
    "hmdb51": hmdb51.listing,
}


def build(name: str, entry: Mapping[str, Any]) -> pd.DataFrame:
    """List the videos of data set ``name``, described by its config ``entry`` with defaults.

    Returns columns id, path, label, class_name, group, split1, ... (see `dsnet.datasets.listing`),
    sorted by id. Raises DataSetError for lists that are not as they should be, and
    FileNotFoundError for missing videos unless ``entry["allow_missing"]``.
    """
    kind = entry["kind"]
    if kind not in KINDS:
        raise DataSetError(f"{name}: kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    listing = KINDS[kind](entry)
    if listing.empty:
        raise DataSetError(f"{name}: no videos in {entry['videos']}")
    check_present(name, list(listing["path"]), entry.get("allow_missing", False))
    return listing.sort_values("id", ignore_index=True)


def fingerprint(entry: Mapping[str, Any]) -> str | None:
    """Digest of the names and sizes of the videos that a data set lists, whether there or not.

    By which added and replaced videos are noticed: not by their time stamps, which copying changes,
    nor by their bytes, which take long to read. ``None`` where the lists are not as they should be,
    which :func:`build` tells.
    """
    try:
        paths = KINDS[entry["kind"]](entry)["path"]
        return digest([(path, _size(path)) for path in sorted(paths)])
    except (DataSetError, OSError):
        return None


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:  # not there
        return None
