"""HMDB-51 from its official lists: 6,766 videos of 51 classes, three splits."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet.datasets.listing import DataSetError, check_count, make_ids, read_lines

CLASSES = 51
VIDEOS = 6_766
# Per class; its other videos are unused in that split.
COUNTS = {"train": 70, "test": 30}
FLAGS = {"1": "train", "2": "test", "0": "unused"}


class HMDB51:
    """HMDB-51."""

    needs = ("videos", "lists")

    def listing(self, entry: Mapping[str, Any]) -> pd.DataFrame:
        """List the videos of the 153 files ``CLASS_test_splitK.txt`` in ``entry["lists"]``.

        Videos are ``CLASS/NAME.avi`` below ``entry["videos"]``. Classes are numbered in the order
        of their names. The group is the film of a clip, the part of its name before the class. The
        official splits do not separate films: some have clips in both parts. Raises DataSetError
        with file and line unless everything is as in the official lists.
        """
        lists = Path(entry["lists"])
        suffix = "_test_split1.txt"
        classes = sorted(path.name.removesuffix(suffix) for path in lists.glob(f"*{suffix}"))
        check_count(f"{lists}/*{suffix}", "lists", len(classes), CLASSES)
        rows: list[dict[str, Any]] = []
        for label, class_name in enumerate(classes):
            splits = [_read_split(lists, class_name, number) for number in (1, 2, 3)]
            for number, split in enumerate(splits[1:], start=2):
                if differing := sorted(set(splits[0]) ^ set(split)):
                    raise DataSetError(
                        f"{lists / class_name}_test_split{number}.txt: other videos than in split "
                        f"1, first {differing[:5]}"
                    )
            for name in sorted(splits[0]):
                row = {"name": f"{class_name}/{name}", "label": label, "class_name": class_name}
                row["group"] = name.rpartition(f"_{class_name}_")[0] or name.removesuffix(".avi")
                roles = {f"split{k}": split[name] for k, split in enumerate(splits, start=1)}
                rows.append(row | roles)
        check_count(lists, "videos in all lists of a split", len(rows), VIDEOS)
        table = pd.DataFrame(rows)
        names = list(table.pop("name"))
        table.insert(0, "id", make_ids(names))
        table.insert(1, "path", [os.path.join(entry["videos"], name) for name in names])
        return table


def _read_split(lists: Path, class_name: str, number: int) -> dict[str, str]:
    """Return the role of each video of a class, by its file name, in one split."""
    path = lists / f"{class_name}_test_split{number}.txt"
    roles: dict[str, str] = {}
    for line_number, line in read_lines(path):
        name, _, flag = line.rpartition(" ")
        name = name.strip()
        if flag not in FLAGS or not name.endswith(".avi") or name in roles:
            raise DataSetError(
                f"{path}:{line_number}: expected 'NAME.avi FLAG' with a flag of 0, 1, 2 "
                f"and each name once, got {line!r}"
            )
        roles[name] = FLAGS[flag]
    found = Counter(roles.values())
    for role, count in COUNTS.items():
        check_count(path, f"{role} videos", found[role], count)
    return roles
