"""The videos of a data set by its kind: one of dsnet's, each in a file of its own, or a user's.

A kind is a class whose ``listing(entry)`` gives what :mod:`dsnet.datasets.listing` says. ``needs``
names the keys of the entry that must be folders.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet import registry
from dsnet.datasets.listing import COLUMNS, DataSetError, check_present, files_below
from dsnet.provenance import digest


def listing(entry: Mapping[str, Any]) -> pd.DataFrame:
    """List the videos of a config's ``entry`` with defaults, whether they are there or not.

    Raises DataSetError for lists that are not as they should be, and PluginError for a user's kind
    that cannot be used.
    """
    options = entry.get("options", {})
    return registry.make("catalogue", "DATASETS", entry["kind"], **options).listing(entry)


def build(name: str, entry: Mapping[str, Any]) -> pd.DataFrame:
    """List the videos of data set ``name``, described by its config ``entry`` with defaults.

    Returns columns id, path, label, class_name, group, split1, ... (see `dsnet.datasets.listing`),
    sorted by id. Raises what `listing` raises, DataSetError where a column is missing, and
    FileNotFoundError for missing videos unless ``entry["allow_missing"]``.
    """
    found = listing(entry)
    if missing := [column for column in COLUMNS if column not in found]:
        raise DataSetError(f"{name}: {entry['kind']} gives no column {', '.join(missing)}")
    if found.empty:
        raise DataSetError(f"{name}: no videos in {entry['videos']}")
    check_present(name, list(found["path"]), entry.get("allow_missing", False))
    return found.sort_values("id", ignore_index=True)


def fingerprint(entry: Mapping[str, Any]) -> str | None:
    """Digest of the names and sizes of the videos that a data set lists, whether there or not.

    By which added and replaced videos are noticed: not by their time stamps, which copying changes,
    nor by their bytes, which take long to read. ``None`` where the lists are not as they should be,
    which :func:`build` tells. For a user's kind, whose code planning does not run, all files in its
    folders count.
    """
    try:
        if entry["kind"] in registry.DATASETS:
            paths = list(listing(entry)["path"])
        else:
            folders = [entry[key] for key in ("videos", "lists") if entry[key]]
            paths = [os.fspath(Path(f, path)) for f in folders for path in files_below(f)]
        return digest([(path, _size(path)) for path in sorted(paths)])
    except (DataSetError, OSError):
        return None


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:  # not there
        return None
