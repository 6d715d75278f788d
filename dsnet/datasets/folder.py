"""Any folder of videos, ``class/video.ext``, with an optional CSV."""

from __future__ import annotations

import csv
import difflib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet.datasets.listing import (
    ROLES,
    DataSetError,
    check_groups,
    left_out,
    make_ids,
    readable,
    scan,
    split_columns,
)
from dsnet.grouping import pick

log = logging.getLogger(__name__)
# Names of folders that hold classes and are none, if a data set has no others.
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}


class Folder:
    """Any folder of videos."""

    needs = ("videos",)

    def listing(self, entry: Mapping[str, Any]) -> pd.DataFrame:
        """List a folder of videos.

        Without ``entry["csv"]``, every file below ``videos/class/`` is a video and its own group,
        but for those that are none by their extension (:func:`.left_out`). With
        ``entry["images_fps"]``, folders of images are the videos. With a CSV, its rows are the
        videos: columns path (relative to ``videos``) and optionally class (default: the first
        folder of the path), group (default: the video itself) and split1, split2, ... Without split
        columns, a stratified, group-aware split1 is made, which depends on the names alone.

        Classes are numbered in the order of their names. Raises DataSetError for a wrong CSV, and
        if all folders are parts of a split, such as ``train``.
        """
        root, images = os.fspath(entry["videos"]), bool(entry.get("images_fps"))
        rows = read_csv(Path(entry["csv"])) if entry.get("csv") else scan(root, images)
        if not rows:
            expected = f"{root}/CLASS/VIDEO" + images * "/IMAGE, as images_fps says"
            found = "; ".join([f"expected {expected}", *left_out(root, images)])
            raise DataSetError(f"{root}: no videos; {found}")
        if not entry.get("csv") and {row["class"].casefold() for row in rows} <= PARTS:
            raise DataSetError(
                f"{root}: expected a folder for each class, found parts of a split: "
                f"{', '.join(sorted({row['class'] for row in rows}))}; list the videos in a table "
                f"with the columns path, class and split1 (csv)"
            )
        names = [row["path"] for row in rows]
        ids = make_ids(names)
        table = pd.DataFrame(
            {
                "id": ids,
                "path": [os.path.join(root, name) for name in names],
                "class_name": [readable(row["class"]) for row in rows],
                "group": [
                    readable(row.get("group", "")) or id for row, id in zip(rows, ids, strict=True)
                ],
            },
            dtype=object,
        )
        classes = sorted(set(table["class_name"]))
        table.insert(2, "label", table["class_name"].map(classes.index).astype("int64"))
        for split in split_columns(rows[0]):
            table[split] = pd.Series([row[split] for row in rows], dtype=object)
        if not split_columns(table.columns):
            table["split1"] = make_split(table["class_name"], table["group"], entry["test_share"])
        check_groups(table)
        return table


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read and check the rows of a folder's CSV, each with path, class and other columns.

    Raises DataSetError with file and row or line if it is missing, wrong or empty.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            # A blank after a comma belongs to nothing.
            reader = csv.DictReader(file, restval="", strict=True, skipinitialspace=True)
            rows = _rows(reader, path)
            columns = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise DataSetError(f"{path}: CSV not found") from None
    if "path" not in columns:
        raise DataSetError(f"{path}: expected a column 'path', found {columns}")
    if not rows:
        raise DataSetError(f"{path}: lists no videos; expected a row for each below its header")
    if repeated := sorted({c for c in columns if c and columns.count(c) > 1}):
        raise DataSetError(f"{path}: expected each column once, repeated: {', '.join(repeated)}")
    splits = split_columns(columns)
    if unknown := set(columns) - {"path", "class", "group", *splits}:
        _check_unknown(columns, unknown, path)
        log.warning("%s: columns not used: %s", path, ", ".join(sorted(unknown)))
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        _check_comment(row["path"], where)
        row |= {
            column: row[column].strip() for column in ("class", "group", *splits) if column in row
        }
        name = row["path"] = os.path.normpath(row["path"]) if row["path"] else ""
        if name in ("", os.curdir) or os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
            raise DataSetError(f"{where}: expected a path below the folder of videos, got {name!r}")
        if name in seen:
            raise DataSetError(f"{where}: {name!r} was listed before")
        seen.add(name)
        row["class"] = row.get("class") or os.path.dirname(name).split(os.sep)[0]
        if not row["class"]:
            raise DataSetError(f"{where}: {name!r} has neither a class nor a folder that names it")
        for split in splits:
            if row[split] not in ROLES:
                raise DataSetError(
                    f"{where}: {split}: expected {', '.join(ROLES)}, got {row[split]!r}"
                )
    return rows


def _check_comment(first: str, where: str) -> None:
    """Raise DataSetError for a line that begins with a ``#``."""
    if first.startswith("#"):
        raise DataSetError(
            f"{where}: {first!r} looks like a comment, and a CSV has none; take it out, or write "
            f"./ before the name of a video"
        )


def _check_unknown(columns: Sequence[str], unknown: Iterable[str], path: Path) -> None:
    """Raise DataSetError if an unknown column is nearly one that is known and lacking."""
    for column in sorted(unknown):
        plain = re.sub(r"[\W_]", "", column).casefold()
        if split := re.fullmatch(r"splits?0*(\d*)", plain):
            meant = f"split{split[1] or 1}"
        else:
            near = difflib.get_close_matches(plain, ("class", "group", "label"), 1, 0.8)
            meant = "class" if near == ["label"] else "".join(near)
        if meant and meant not in columns:
            raise DataSetError(
                f"{path}: column {column!r} is not known; is {meant!r} meant? Rename it to that or "
                f"to something else"
            )


def _rows(reader: csv.DictReader[str], path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none may have more values than the header has columns."""
    rows: list[dict[str, str]] = []
    try:
        reader.fieldnames = [column.strip() for column in reader.fieldnames or []]
        _check_comment("".join(reader.fieldnames[:1]), f"{path}: its header")
        for row in reader:
            if reader.restkey in row:
                raise DataSetError(
                    f"{path}: row {len(rows) + 1}: more values than the header has columns; remove "
                    f"a comma at the end, and quote values with commas"
                )
            rows.append(row)
    except csv.Error as error:
        raise DataSetError(
            f"{path}: from line {reader.line_num + 1} on: {error}; is a quote there not closed?"
        ) from None
    return rows


def make_split(
    classes: Sequence[str] | pd.Series, groups: Sequence[str] | pd.Series, test_share: float
) -> pd.Series:
    """Assign each video ``train`` or ``test``, whole groups at a time.

    See :func:`dsnet.grouping.pick`. A group is wanted in the test part if it brings all classes
    together closer to ``test_share``. It is allowed if no class loses its last train group. A class
    of several groups gets at least one of them into the test part, if it is allowed.
    """
    total = Counter(classes)
    of_class = Counter(name for _, name in set(zip(groups, classes, strict=True)))
    target = {name: max(1.0, test_share * count) for name, count in total.items()}

    def wanted(group: Counter[str], test: Counter[str], _: Counter[str]) -> bool:
        gain = sum(
            abs(test[name] - target[name]) - abs(test[name] + count - target[name])
            for name, count in group.items()
        )
        return gain > 0

    def allowed(group: Counter[str], _: Counter[str], parts: Counter[str]) -> bool:
        return all(of_class[name] - parts[name] > 1 for name in group)

    test = pick(list(groups), list(classes), wanted, allowed)
    return pd.Series(["test" if group in test else "train" for group in groups], dtype=object)
