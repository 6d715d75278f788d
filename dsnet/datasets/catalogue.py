"""Videos of a data set by its kind: one of dsnet's, each in its own file, or a user's.

A kind is a class with ``listing(entry)``, see :mod:`dsnet.datasets.listing`. ``needs`` has the keys
of the entry that must be folders.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet import registry
from dsnet.datasets.duplicates import OFFICIAL
from dsnet.datasets.listing import (
    COLUMNS,
    DataSetError,
    check_present,
    files_below,
    left_out,
    one_sided,
    warn_of_spellings,
)
from dsnet.provenance import digest
from dsnet.spacing import evenly
from dsnet.video import VideoError
from dsnet.video.numbered import image_names

SIZES = 8  # of the images of a folder


def listing(entry: Mapping[str, Any]) -> pd.DataFrame:
    """List the videos of a config's ``entry`` with defaults, whether they exist or not.

    If it has ``images_fps``, folders of images take the places of the videos in official lists.
    Raises DataSetError for wrong lists, and PluginError for a user's kind that cannot be used.
    """
    options = entry.get("options", {})
    found = registry.make("catalogue", "DATASETS", entry["kind"], **options).listing(entry)
    if entry.get("images_fps") and entry["kind"] in OFFICIAL:
        found["path"] = [path.removesuffix(".avi") for path in found["path"]]
    return found


def build(name: str, entry: Mapping[str, Any]) -> pd.DataFrame:
    """List the videos of data set ``name``, described by its config ``entry`` with defaults.

    Returns columns id, path, label, class_name, group, split1, ... (see `dsnet.datasets.listing`),
    sorted by id. Raises what `listing` raises, DataSetError for a missing column, and
    FileNotFoundError for missing videos unless ``entry["allow_missing"]``.
    """
    found = listing(entry)
    if missing := [column for column in COLUMNS if column not in found]:
        raise DataSetError(f"{name}: {entry['kind']} gives no column {', '.join(missing)}")
    if found.empty:
        raise DataSetError(f"{name}: no videos in {entry['videos']}")
    warn_of_spellings(name, found["class_name"].unique())
    check_present(name, list(found["path"]), entry.get("allow_missing", False))
    return found.sort_values("id", ignore_index=True)


def remarks(entry: Mapping[str, Any], table: pd.DataFrame) -> list[str]:
    """Return what is unusual in a listing, a line each, although it can be used."""
    if entry["kind"] != "folder" or entry.get("csv"):
        return one_sided(table)
    images = bool(entry.get("images_fps"))
    return [*left_out(os.fspath(entry["videos"]), images), *one_sided(table)]


def fingerprint(entry: Mapping[str, Any]) -> str | None:
    """Return a digest of names and sizes of the listed videos, whether they exist or not.

    Of a folder of images, it has all names and some sizes, because there are a hundred times more.
    It changes when videos are added or replaced. Time stamps do not count, since copying changes
    them, nor do bytes, since reading takes long. ``None`` for wrong lists; :func:`build` reports
    these. Planning does not run the code of a user's kind, so there all files in its folders count.
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


def _size(path: str) -> Any:
    """Return the size of a file; of a folder, its images' names and the sizes of some."""
    try:
        if not os.path.isdir(path):
            return os.stat(path).st_size
        names = image_names(path)
        some = evenly(len(names), SIZES)
        return names, [os.stat(os.path.join(path, names[i])).st_size for i in some]
    except (OSError, VideoError):  # missing
        return None
