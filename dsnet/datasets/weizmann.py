"""Weizmann actions: 10 classes by 9 subjects (Gorelick et al., Actions as Space-Time Shapes)."""

import os
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dsnet.datasets.listing import DataSetError, make_ids, scan

CLASSES = (
    "bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2",
)  # fmt: skip
# There is no official split. Fold k tests the k-th three subjects and trains the other six.
FOLDS = (("daria", "denis", "eli"), ("ido", "ira", "lena"), ("lyova", "moshe", "shahar"))
SUBJECTS = tuple(subject for fold in FOLDS for subject in fold)
# The original files have lena's run, skip and walk twice: lena_run1.avi, lena_run2.avi.
NAME = re.compile(r"(?P<subject>[a-z]+)_(?P<class>[a-z]+\d?)")


class Weizmann:
    """Weizmann actions."""

    needs = ("videos",)

    def listing(self, entry: Mapping[str, Any]) -> pd.DataFrame:
        """List ``videos/CLASS/SUBJECT_CLASS.avi``; group = subject, and three splits by subject.

        All 90 pairs of class and subject are listed. A missing file gets the name that it would
        have. Raises DataSetError for a class or file name that is not in this data set.
        """
        root = os.fspath(entry["videos"])
        found = scan(root, bool(entry.get("images_fps")))
        rows = {row["path"]: _parse(row["path"], row["class"], root) for row in found}
        for missing in sorted({(c, s) for c in CLASSES for s in SUBJECTS} - set(rows.values())):
            rows[f"{missing[0]}/{missing[1]}_{missing[0]}.avi"] = missing
        names = sorted(rows)
        table = pd.DataFrame(
            {
                "id": make_ids(names),
                "path": [os.path.join(root, name) for name in names],
                "label": [CLASSES.index(rows[name][0]) for name in names],
                "class_name": [rows[name][0] for name in names],
                "group": [rows[name][1] for name in names],
            }
        )
        for number, fold in enumerate(FOLDS, start=1):
            roles = ["test" if group in fold else "train" for group in table["group"]]
            table[f"split{number}"] = roles
        return table


def _parse(path: str, class_name: str, root: str) -> tuple[str, str]:
    """Return class and subject of a video, checked."""
    if class_name not in CLASSES:
        raise DataSetError(f"{root}/{path}: expected a class of {', '.join(CLASSES)}")
    stem = os.path.splitext(os.path.basename(path))[0]
    match = NAME.fullmatch(stem)
    if (
        match is None
        or match["subject"] not in SUBJECTS
        or match["class"] not in (class_name, f"{class_name}1", f"{class_name}2")
    ):
        raise DataSetError(
            f"{root}/{path}: expected SUBJECT_{class_name}.avi with a subject of "
            f"{', '.join(SUBJECTS)}"
        )
    return class_name, match["subject"]
