"""The listing of Weizmann: its folds, and what is not of it."""

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from entries import touch

from dsnet.datasets import weizmann
from dsnet.datasets.catalogue import build


def weizmann_entry(root: Path, allow_missing: bool = False) -> dict[str, Any]:
    return {"kind": "weizmann", "videos": str(root), "allow_missing": allow_missing}


def test_weizmann_folds_are_by_subject(tmp_path: Path) -> None:
    for class_name, subject in itertools.product(weizmann.CLASSES, weizmann.SUBJECTS):
        if (class_name, subject) != ("run", "lena"):
            touch(tmp_path, f"{class_name}/{subject}_{class_name}.avi")
    with pytest.raises(FileNotFoundError, match="1 of 90 videos are missing") as caught:
        build("weizmann", weizmann_entry(tmp_path))
    assert "run/lena_run.avi" in str(caught.value)
    assert len(build("weizmann", weizmann_entry(tmp_path, allow_missing=True))) == 90
    touch(tmp_path, "run/lena_run1.avi", "run/lena_run2.avi", "index.csv")
    check_weizmann(build("weizmann", weizmann_entry(tmp_path)), 91)
    touch(tmp_path, "run/nobody_run.avi")
    with pytest.raises(ValueError, match=r"SUBJECT_run\.avi"):
        build("weizmann", weizmann_entry(tmp_path))


def check_weizmann(table: pd.DataFrame, videos: int) -> None:
    assert len(table) == videos
    assert set(table["label"]) == set(range(10))
    for split, fold in zip(("split1", "split2", "split3"), weizmann.FOLDS, strict=True):
        assert set(table.loc[table[split] == "test", "group"]) == set(fold)


def test_weizmann_as_it_is(shared_data: Path) -> None:
    check_weizmann(build("weizmann", weizmann_entry(shared_data / "weizmann")), 90)
