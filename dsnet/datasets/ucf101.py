"""UCF-101 from its official lists: 13,320 videos of 101 classes, three splits."""

import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet.datasets.listing import DataSetError, check_count, check_groups, read_lines

CLASSES = 101
VIDEOS = 13_320
# Train and test videos of splits 1 to 3.
COUNTS = ((9_537, 3_783), (9_586, 3_734), (9_624, 3_696))
# Videos and folder of this class differ in spelling, and copies of the data set differ too.
SPELLINGS = ("HandstandPushups", "HandStandPushups")
VIDEO = re.compile(r"(?P<class>\w+)/v_(?P<video_class>\w+)_(?P<group>g\d\d)_c\d\d\.avi")


class UCF101:
    """UCF-101."""

    needs = ("videos", "lists")

    def listing(self, entry: Mapping[str, Any]) -> pd.DataFrame:
        """List the videos of ``classInd.txt``, ``trainlist0k.txt`` and ``testlist0k.txt``.

        ``entry["lists"]`` has the lists, ``entry["videos"]`` the folders of the classes. The label
        is the official index - 1. The group, such as ``ApplyEyeMakeup_g08``, has the videos of one
        source. Raises DataSetError with file and line unless everything is as in the official
        lists.
        """
        lists = Path(entry["lists"])
        labels = _read_classes(lists / "classInd.txt")
        roles = [_read_split(lists, number, labels) for number in (1, 2, 3)]
        names = sorted(roles[0])
        for number, split in enumerate(roles[1:], start=2):
            if differing := sorted(set(names) ^ set(split)):
                raise DataSetError(
                    f"{lists}: splits 1 and {number} differ in {len(differing)} videos, "
                    f"first {differing[:5]}"
                )
        folders = [name.split("/")[0] for name in names]
        table = pd.DataFrame(
            {
                "id": [name.removesuffix(".avi") for name in names],
                "path": [_locate(os.fspath(entry["videos"]), name) for name in names],
                "label": [labels[folder] for folder in folders],
                "class_name": folders,
                "group": [
                    f"{folder}_{name.split('_')[-2]}"
                    for folder, name in zip(folders, names, strict=True)
                ],
            }
        )
        for number, split in enumerate(roles, start=1):
            table[f"split{number}"] = [split[name] for name in names]
        check_groups(table)
        return table


def _read_classes(path: Path) -> dict[str, int]:
    """Return class names and labels from lines ``index name``, the index from 1."""
    labels: dict[str, int] = {}
    for number, line in read_lines(path):
        parts = line.split()
        if len(parts) != 2 or parts[0] != str(len(labels) + 1):
            raise DataSetError(f"{path}:{number}: expected '{len(labels) + 1} NAME', got {line!r}")
        labels[parts[1]] = len(labels)
    check_count(path, "classes", len(labels), CLASSES)
    return labels


def _read_split(lists: Path, number: int, labels: Mapping[str, int]) -> dict[str, str]:
    """Return the role of each video, by its name ``CLASS/v_CLASS_gGG_cCC.avi``, in one split."""
    roles: dict[str, str] = {}
    for role, count in zip(("train", "test"), COUNTS[number - 1], strict=True):
        path = lists / f"{role}list{number:02d}.txt"
        lines = read_lines(path)
        for line_number, line in lines:
            where = f"{path}:{line_number}"
            name = _parse(line, role, labels, where)
            if name in roles:
                raise DataSetError(f"{where}: {name} was listed before, as {roles[name]}")
            roles[name] = role
        check_count(path, "videos", len(lines), count)
    return roles


def _parse(line: str, role: str, labels: Mapping[str, int], where: str) -> str:
    """Return the video of a line: ``NAME INDEX`` in a train list, ``NAME`` in a test list."""
    name, *index = line.split()
    expected = 1 if role == "train" else 0
    match = VIDEO.fullmatch(name)
    if len(index) != expected or match is None:
        form = "CLASS/v_CLASS_gGG_cCC.avi" + " INDEX" * expected
        raise DataSetError(f"{where}: expected '{form}', got {line!r}")
    folder = match["class"]
    if folder not in labels or folder.lower() != match["video_class"].lower():
        raise DataSetError(f"{where}: expected a class of classInd.txt, got {line!r}")
    if index and index[0] != str(labels[folder] + 1):
        raise DataSetError(f"{where}: class {folder} has index {labels[folder] + 1}, got {line!r}")
    return name


def _locate(root: str, name: str) -> str:
    """Return the path of a video in the spelling that exists."""
    path = os.path.join(root, name)
    folder, file = name.split("/")
    if folder not in SPELLINGS or os.path.exists(path):
        return path
    for spelt_folder, spelt in itertools.product(SPELLINGS, SPELLINGS):
        spelt_file = re.sub("|".join(SPELLINGS), spelt, file)
        candidate = os.path.join(root, spelt_folder, spelt_file)
        if os.path.exists(candidate):
            return candidate
    return path
