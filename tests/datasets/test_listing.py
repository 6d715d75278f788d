"""Ids, and the manifests of official lists and folders."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsnet.datasets import hmdb51, ucf101, weizmann
from dsnet.datasets.catalogue import build
from dsnet.datasets.folder import make_split
from dsnet.datasets.listing import make_ids, readable

# What a file name can hold: any bytes but NUL and the slash.
FILE_NAME = st.binary(min_size=1, max_size=8).filter(
    lambda name: not {0, 0x2F} & set(name) and name.strip(b".")
)
PATHS = st.lists(
    st.builds(lambda a, b: os.fsdecode(a + b"/" + b), FILE_NAME, FILE_NAME), unique=True, max_size=9
)


@given(PATHS)
def test_ids_are_unique_valid_text_in_one_line(names: list[str]) -> None:
    ids = make_ids(names)
    assert len(set(ids)) == len(names)
    for id in ids:
        id.encode("utf-8")
        assert id.isprintable() or not any(ord(character) < 32 for character in id)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\")))
def test_readable_leaves_text_alone(name: str) -> None:
    assert readable(name) == name


def test_ids_drop_the_extension_unless_that_is_ambiguous() -> None:
    assert make_ids(["a/x.avi", "a/y.avi", "a/y.mp4"]) == ["a/x", "a/y.avi", "a/y.mp4"]
    assert make_ids(["a/y", "a/y.avi", "a/y.avi.mp4"]) == ["a/y", "a/y.avi", "a/y.avi.mp4"]
    assert make_ids(["a/caf\udce9.avi", "a/c\\xe9.avi"]) == [r"a/caf\xe9", r"a/c\\xe9"]


VIDEOS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5)), min_size=1, max_size=60)


@given(VIDEOS, st.floats(0.05, 0.95), st.randoms())
def test_a_made_split_keeps_groups_whole_and_ignores_row_order(
    videos: list[tuple[str, int]], share: float, random: Any
) -> None:
    classes = [name for name, _ in videos]
    groups = [f"{name}{number}" for name, number in videos]
    split = make_split(classes, groups, share)
    roles = dict(zip(groups, split, strict=True))
    assert all(roles[group] == role for group, role in zip(groups, split, strict=True))
    for name in set(classes):
        found = {roles[group] for group in groups if group[0] == name}
        several = len({group for group in groups if group[0] == name}) > 1
        assert found == ({"train", "test"} if several else {"train"})
    order = list(range(len(videos)))
    random.shuffle(order)
    again = make_split([classes[i] for i in order], [groups[i] for i in order], share)
    assert list(again) == [split[i] for i in order]


def test_a_made_split_is_stratified() -> None:
    classes = ["a"] * 100 + ["b"] * 20
    split = make_split(classes, [str(number) for number in range(120)], 0.3)
    assert list(split[:100]).count("test") == 30
    assert list(split[100:]).count("test") == 6


def test_groups_across_classes_stay_whole() -> None:
    pairs = list(itertools.product("abc", "12345"))
    split = make_split([a for a, _ in pairs], [b for _, b in pairs], 0.4)
    roles = {(b, role) for (_, b), role in zip(pairs, split, strict=True)}
    assert len(roles) == 5
    assert list(split).count("test") == 6


def folder_entry(root: Path, **settings: Any) -> dict[str, Any]:
    defaults = {"kind": "folder", "videos": str(root), "csv": None, "test_share": 0.3}
    return {**defaults, "allow_missing": False, **settings}


def touch(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass


def test_a_folder_lists_every_file_of_every_class(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.avi", "b/2.mkv", "a/x.mp4", "a/deep/y.notes", b"a/\xff.avi")
    touch(tmp_path, "index.csv", "README", "a/.hidden", ".git/config")
    table = build("mine", folder_entry(tmp_path))
    assert list(table["id"]) == [r"a/\xff", "a/deep/y", "a/x", "b/1", "b/2"]
    assert list(table["class_name"]) == ["a", "a", "a", "b", "b"]
    assert list(table["label"]) == [0, 0, 0, 1, 1]
    assert list(table["group"]) == list(table["id"])
    assert all(os.path.exists(path) for path in table["path"])
    assert set(table["split1"]) == {"train", "test"}
    assert table.equals(build("mine", folder_entry(tmp_path)))


def test_a_csv_gives_classes_groups_and_splits(tmp_path: Path) -> None:
    touch(tmp_path / "v", "1.avi", "2.avi", "sub/3.avi", "not listed.avi")
    csv = tmp_path / "v.csv"
    csv.write_text(
        "path,class,group,split1,split2,comment\r\n"
        '1.avi,run,007,train,unused,"x, y"\r\n'
        "2.avi,run,NA,test,train,\r\n"
        "sub/3.avi,,,train,test,\r\n",
        encoding="utf-8-sig",
    )
    table = build("mine", folder_entry(tmp_path / "v", csv=str(csv)))
    assert table.drop(columns="path").to_numpy().tolist() == [
        ["1", 0, "run", "007", "train", "unused"],
        ["2", 0, "run", "NA", "test", "train"],
        ["sub/3", 1, "sub", "sub/3", "train", "test"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\n1.avi,a\n", "expected a column 'path'"),
        ("path,class,split1\n1.avi,a,validation\n", "row 1: split1: expected train, test, unused"),
        ("path,class\n1.avi,a\n./1.avi,a\n", "row 2: '1.avi' was listed before"),
        ("path,class\n../1.avi,a\n", "row 1: expected a path below"),
        ("path,class,group,split1\n1.avi,a,g,train\n2.avi,a,g,test\n", "both train and test"),
        ("path,class\n", "no videos"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "1.avi", "2.avi")
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))


def test_missing_videos_are_an_error_with_count_and_first_five(tmp_path: Path) -> None:
    names = [f"a/{number}.avi" for number in range(9)]
    touch(tmp_path, *names[:2])
    (tmp_path / "v.csv").write_text("\n".join(["path", *names]))
    entry = folder_entry(tmp_path, csv=str(tmp_path / "v.csv"))
    with pytest.raises(FileNotFoundError, match="mine: 7 of 9 videos are missing") as caught:
        build("mine", entry)
    listed = [name for name in names if name in str(caught.value)]
    assert listed == names[2:7]
    assert len(build("mine", entry | {"allow_missing": True})) == 9


@pytest.mark.parametrize("missing", ["no such folder", "no videos"])
def test_an_empty_or_absent_folder_is_an_error(tmp_path: Path, missing: str) -> None:
    root = tmp_path / "absent" if missing == "no such folder" else tmp_path
    with pytest.raises(ValueError, match=missing):
        build("mine", folder_entry(root))
    with pytest.raises(ValueError, match="expected one of motions, folder"):
        build("mine", folder_entry(root, kind="films"))


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


def lists_entry(kind: str, lists: Path, videos: Path | str = "nowhere") -> dict[str, Any]:
    entry = {"kind": kind, "lists": str(lists), "videos": str(videos)}
    return entry | {"allow_missing": videos == "nowhere"}


def test_ucf101_from_the_official_lists(shared_data: Path) -> None:
    lists = shared_data / "ucf101/splits"
    table = build("ucf101", lists_entry("ucf101", lists))
    check_ucf(table)
    row = table.set_index("id").loc["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01"]
    assert (row["label"], row["group"], row["split1"]) == (0, "ApplyEyeMakeup_g08", "train")
    with pytest.raises(FileNotFoundError, match="13298 of 13320 videos are missing"):
        build("ucf101", lists_entry("ucf101", lists, shared_data / "ucf101/videos"))


def test_hmdb51_from_the_official_lists(shared_data: Path) -> None:
    table = build("hmdb51", lists_entry("hmdb51", shared_data / "hmdb51/splits"))
    check_hmdb(table)
    row = table.set_index("id").loc["brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0"]
    assert (row["label"], row["group"], row["split1"]) == (0, "April_09", "train")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    write_ucf_lists(folder / "ucf101")
    write_hmdb_lists(folder / "hmdb51")
    return folder


def test_stand_in_lists_of_the_official_form(stand_ins: Path) -> None:
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
