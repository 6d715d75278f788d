"""The listings of UCF-101 and HMDB-51, from their official lists and stand-ins of these."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from entries import touch

from dsnet.datasets import hmdb51, ucf101
from dsnet.datasets.catalogue import build


def write_ucf_lists(folder: Path) -> None:
    """Lists in the official form and with the official counts, of names made up."""
    folder.mkdir()
    classes = sorted([*(f"Class{number}" for number in range(100)), "HandstandPushups"])
    index = {name: number for number, name in enumerate(classes, start=1)}
    text = "".join(f"{number} {name}\r\n" for name, number in index.items())
    (folder / "classInd.txt").write_text(text, newline="")
    # Groups of 5 or 6 videos: groups 1-7 test in split 1, 8-14 in split 2, 15-21 in split 3.
    larger = {0: 3_783 - 3_535, 1: 3_734 - 3_535, 2: 3_696 - 3_535, 3: 13_320 - 12_625 - 608}
    videos: list[tuple[str, int, str]] = []
    for group, name in itertools.product(range(25), classes):
        block = min(group // 7, 3)
        larger[block] -= 1
        spelt = name.replace("HandstandPushups", "HandStandPushups")
        for clip in range(6 if larger[block] >= 0 else 5):
            file = f"{name}/v_{spelt}_g{group + 1:02d}_c{clip + 1:02d}.avi"
            videos.append((name, block, file))
    for split in range(3):
        train = [f"{file} {index[name]}\r\n" for name, block, file in videos if block != split]
        test = [f"{file}\r\n" for _, block, file in videos if block == split]
        (folder / f"trainlist0{split + 1}.txt").write_text("".join(train), newline="")
        (folder / f"testlist0{split + 1}.txt").write_text("".join(test), newline="")


def write_hmdb_lists(folder: Path) -> None:
    """The same for HMDB-51: 70 train, 30 test and 32 or 33 more videos of each class."""
    folder.mkdir()
    for number in range(51):
        name = f"class_{number}"
        files = [f"Film_#;&!({i // 3})_{name}_u_nm_np1_ba_goo_{i}.avi" for i in range(133)]
        files = files[: 132 + (number < 34)]
        for split in (1, 2, 3):
            order = files[split * 10 :] + files[: split * 10]
            flags = ["1"] * 70 + ["2"] * 30 + ["0"] * 33
            lines = [f"{file} {flag} \r\n" for file, flag in zip(order, flags, strict=False)]
            (folder / f"{name}_test_split{split}.txt").write_text("".join(lines), newline="")


def check_ucf(table: pd.DataFrame) -> None:
    assert len(table) == ucf101.VIDEOS == 13_320
    assert table["label"].nunique() == 101
    for split, counts in zip(("split1", "split2", "split3"), ucf101.COUNTS, strict=True):
        assert ((table[split] == "train").sum(), (table[split] == "test").sum()) == counts
    pushups = table[table["class_name"] == "HandstandPushups"]
    assert len(pushups)
    assert pushups["group"].str.fullmatch(r"HandstandPushups_g\d\d").all()
    assert table["group"].nunique() == 101 * 25


def check_hmdb(table: pd.DataFrame) -> None:
    assert len(table) == hmdb51.VIDEOS == 6_766
    for split in ("split1", "split2", "split3"):
        counts = table.groupby(["class_name", split]).size().unstack()
        assert (counts["train"] == 70).all()
        assert (counts["test"] == 30).all()
        assert counts["unused"].sum() == 6_766 - 5_100


def names(table: pd.DataFrame) -> list[str]:
    """The classes in label order."""
    return list(table.drop_duplicates("label").sort_values("label")["class_name"])


def lists_entry(kind: str, lists: Path, videos: Path | str = "nowhere") -> dict[str, Any]:
    entry = {"kind": kind, "lists": str(lists), "videos": str(videos)}
    return entry | {"allow_missing": videos == "nowhere"}


def test_ucf101_from_the_official_lists(shared_data: Path) -> None:
    lists = shared_data / "ucf101/splits"
    table = build("ucf101", lists_entry("ucf101", lists))
    check_ucf(table)
    row = table.set_index("id").loc["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01"]
    assert (row["label"], row["group"], row["split1"]) == (0, "ApplyEyeMakeup_g08", "train")
    listed = (lists / "classInd.txt").read_text(encoding="utf-8").split()[1::2]
    assert names(table) == listed
    # MARS's first test code sorted the names, which differs in four.
    differing = [a for a, b in zip(listed, sorted(listed), strict=True) if a != b]
    assert differing == ["Hammering", "HammerThrow", "JumpingJack", "JumpRope"]
    tested = table[(table["split1"] == "test") & table["class_name"].isin(differing)]
    assert len(tested) == 153
    test = table[table["split1"] == "test"]
    assert (len(test), test["group"].nunique()) == (3_783, 707)  # what tests of accuracy count
    with pytest.raises(FileNotFoundError, match="13298 of 13320 videos are missing"):
        build("ucf101", lists_entry("ucf101", lists, shared_data / "ucf101/videos"))


def test_hmdb51_from_the_official_lists(shared_data: Path) -> None:
    table = build("hmdb51", lists_entry("hmdb51", shared_data / "hmdb51/splits"))
    check_hmdb(table)
    files = (shared_data / "hmdb51/splits").glob("*.txt")  # as MARS's test code reads them
    assert names(table) == sorted({"_".join(path.stem.split("_")[:-2]) for path in files})
    row = table.set_index("id").loc["brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0"]
    assert (row["label"], row["group"], row["split1"]) == (0, "April_09", "train")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    write_ucf_lists(folder / "ucf101")
    write_hmdb_lists(folder / "hmdb51")
    return folder


def test_stand_in_lists_of_the_official_form(stand_ins: Path) -> None:
    classes = stand_ins / "ucf101/classInd.txt"
    for mark in ("", "\ufeff"):  # which editors on Windows put before a text
        classes.write_text(mark + classes.read_text(encoding="utf-8"), encoding="utf-8")
        check_ucf(build("ucf101", lists_entry("ucf101", stand_ins / "ucf101")))
    table = build("hmdb51", lists_entry("hmdb51", stand_ins / "hmdb51"))
    check_hmdb(table)
    assert table["group"][0] == "Film_#;&!(0)"


@pytest.mark.parametrize("folder", ucf101.SPELLINGS)
@pytest.mark.parametrize("file", ucf101.SPELLINGS)
def test_handstand_pushups_are_found_in_either_spelling(
    stand_ins: Path, tmp_path: Path, folder: str, file: str
) -> None:
    touch(tmp_path, f"{folder}/v_{file}_g01_c01.avi")
    entry = lists_entry("ucf101", stand_ins / "ucf101", tmp_path) | {"allow_missing": True}
    table = build("ucf101", entry).set_index("id")
    path = table.loc["HandstandPushups/v_HandStandPushups_g01_c01", "path"]
    assert os.path.exists(str(path))


def drop_last_line(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


FAULTS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "too few classes": ("ucf101/classInd.txt", drop_last_line, "expected 101 classes, found 100"),
    "index": (
        "ucf101/classInd.txt",
        lambda text: text.replace("3 ", "4 ", 1),
        r"classInd\.txt:3: expected '3 NAME', got '4 ",
    ),
    "too few videos": (
        "ucf101/testlist02.txt",
        drop_last_line,
        r"testlist02\.txt: expected 3734 videos, found 3733",
    ),
    "index in a test list": (
        "ucf101/testlist01.txt",
        lambda text: text.replace(".avi", ".avi 1", 1),
        r"testlist01\.txt:1: expected 'CLASS/v_CLASS_gGG_cCC\.avi', got",
    ),
    "no index in a train list": (
        "ucf101/trainlist01.txt",
        lambda text: text.replace(" 1\r", "\r", 1),
        r"trainlist01\.txt:1: expected '.* INDEX'",
    ),
    "wrong index": (
        "ucf101/trainlist01.txt",
        lambda text: text.replace(" 1\r", " 2\r", 1),
        r"trainlist01\.txt:1: class Class0 has index 1, got",
    ),
    "other videos": (
        "ucf101/trainlist03.txt",
        lambda text: text.replace("_c01", "_c99", 1),
        "splits 1 and 3 differ in 2 videos",
    ),
    "flag": (
        "hmdb51/class_7_test_split3.txt",
        lambda text: text.replace("avi 1", "avi 3", 1),
        r"class_7_test_split3\.txt:1: expected 'NAME\.avi FLAG'",
    ),
    "too many train": (
        "hmdb51/class_7_test_split3.txt",
        lambda text: text.replace("avi 2", "avi 1", 1),
        r"class_7_test_split3\.txt: expected 70 train videos, found 71",
    ),
    "other videos of a class": (
        "hmdb51/class_7_test_split3.txt",
        lambda text: text.replace("Film", "Flim", 1),
        r"class_7_test_split3\.txt: other videos than in split 1",
    ),
    "too few in all": (
        "hmdb51/class_7_test_split*.txt",
        drop_last_line,
        "expected 6766 videos|other videos than in split 1",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_lists_are_refused_with_file_and_line(stand_ins: Path, case: str) -> None:
    pattern, damage, message = FAULTS[case]
    kind = pattern.split("/")[0]
    originals = {path: path.read_bytes() for path in stand_ins.glob(pattern)}
    try:
        for path, data in originals.items():
            path.write_bytes(damage(data.decode()).encode())
        with pytest.raises(ValueError, match=message):
            build(kind, lists_entry(kind, stand_ins / kind))
    finally:
        for path, data in originals.items():
            path.write_bytes(data)


@pytest.mark.parametrize("kind", ["ucf101", "hmdb51"])
def test_absent_lists_are_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        ValueError, match=f"{tmp_path}.*(official list not found|expected 51 lists)"
    ):
        build(kind, lists_entry(kind, tmp_path))
