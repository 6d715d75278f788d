"""Videos with the same bytes under several names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from dsnet.datasets.listing import DataSetError, split_columns
from dsnet.provenance import file_digest

# Kinds whose authors made the splits. What these repeat is told, and the splits are kept.
OFFICIAL = ("ucf101", "hmdb51", "weizmann")


def digests(paths: Iterable[str]) -> dict[str, str]:
    """Return the digest of each file that has the bytes of another one; others are hardly read."""
    keys: list[Callable[[str], Any]] = [os.path.getsize, _middle, file_digest]
    some = [path for path in paths if os.path.isfile(path) and os.path.getsize(path)]
    same: dict[Any, list[str]] = {"": some}
    for key in keys:
        found: dict[Any, list[str]] = {}
        for value, group in same.items():
            for path in group:
                found.setdefault((value, key(path)), []).append(path)
        same = {value: group for value, group in found.items() if len(group) > 1}
    return {path: value[1] for value, group in same.items() for path in group}


def _middle(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(os.path.getsize(path) // 2)
        return file.read(4096)


def check(name: str, entry: Mapping[str, Any], table: pd.DataFrame) -> list[str]:
    """Return a line for every two videos of ``table`` with one digest; an empty one does not count.

    Raises DataSetError if one is in train and the other in test, unless the split is an official
    one or the config's ``entry`` has ``allow_duplicates``.
    """
    known = table[table["digest"] != ""]
    lines, crossing = [], []
    for _, same in known[known["digest"].duplicated(keep=False)].groupby("digest", sort=False):
        splits = [c for c in split_columns(same.columns) if {"train", "test"} <= set(same[c])]
        classes = sorted(set(same["class_name"]))
        more = f" and {len(same) - 5} more" if len(same) > 5 else ""
        line = f"{' and '.join(same['id'][:5])}{more} have the same bytes"
        line += f", under the classes {' and '.join(classes)}" if len(classes) > 1 else ""
        line += f", in train and test of {', '.join(splits)}" if splits else ""
        lines.append(line)
        crossing += [line] if splits else []
    if crossing and entry["kind"] not in OFFICIAL and not entry.get("allow_duplicates", False):
        raise DataSetError(
            f"{name}: {crossing[0]}; {len(crossing)} of the kind. Keep one of each, or put them "
            f"into one group, or go on with catalogue.{name}.allow_duplicates: true"
        )
    return lines
