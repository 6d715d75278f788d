"""The listing of any folder of videos, with and without a CSV, and the split that is made of it."""

import errno
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from entries import folder_entry, touch
from hypothesis import given
from hypothesis import strategies as st

from dsnet.datasets.catalogue import build, remarks
from dsnet.datasets.folder import make_split
from dsnet.datasets.listing import DataSetError
from dsnet.registry import PluginError

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


@pytest.mark.parametrize("parts", [("train", "test"), ("Train", "Val"), ("training",)])
def test_parts_of_a_split_are_no_classes(tmp_path: Path, parts: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{part}/run/1.avi" for part in parts))
    with pytest.raises(
        DataSetError, match=rf"found parts of a split: .*{parts[0]}.*path, class and"
    ):
        build("mine", folder_entry(tmp_path))
    (tmp_path / "v.csv").write_text("\n".join(["path", *(f"{part}/run/1.avi" for part in parts)]))
    assert len(build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))) == len(parts)
    touch(tmp_path, "bus/1.avi")  # then a train is a vehicle
    assert len(build("mine", folder_entry(tmp_path))) == len(parts) + 1


@pytest.mark.parametrize(
    ("one", "other"), [("Run", "run"), ("\xe9t\xe9", "e\u0301te\u0301"), ("long jump", "Long_Jump")]
)
def test_a_class_in_two_spellings_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, one: str, other: str
) -> None:
    touch(tmp_path, f"{one}/1.avi", "walk/2.avi", "walk2/3.avi")
    build("mine", folder_entry(tmp_path))
    assert not caplog.text
    touch(tmp_path, f"{other}/4.avi")
    build("mine", folder_entry(tmp_path))
    assert f"mine: {', '.join(map(ascii, sorted([one, other])))} are different" in caplog.text


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("run/loop", ".."),
        ("all", "."),
        ("run/x", "../walk"),
        ("latest", "run"),
        ("a", "run"),
        ("walk/self", "../walk"),
    ],
)
def test_links_between_folders_list_each_video_once(tmp_path: Path, link: str, to: str) -> None:
    touch(tmp_path, "run/1.avi", "run/2.avi", "walk/3.avi")
    expected = build("mine", folder_entry(tmp_path))
    (tmp_path / link).symlink_to(to)
    assert build("mine", folder_entry(tmp_path)).equals(expected)


def test_links_to_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "there/deep/1.avi", "there/2.avi")
    (tmp_path / "there/up").symlink_to("..")
    (tmp_path / "v").mkdir()
    (tmp_path / "v/run").symlink_to("../there")
    assert list(build("mine", folder_entry(tmp_path / "v"))["id"]) == ["run/2", "run/deep/1"]


@pytest.mark.parametrize("to", ["gone.avi", "x.avi"])
def test_a_link_to_nothing_is_a_missing_video(tmp_path: Path, to: str) -> None:
    touch(tmp_path, "run/1.avi")
    (tmp_path / "run/x.avi").symlink_to(to)
    with pytest.raises(FileNotFoundError, match=r"1 of 2 videos are missing(.|\n)*run/x\.avi"):
        build("mine", folder_entry(tmp_path))
    assert len(build("mine", folder_entry(tmp_path, allow_missing=True))) == 2


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "jump/1.avi", "run/2.avi")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("run"):  # as for another user; root may read everything
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataSetError, match=r"run: cannot be read: Permission denied"):
        build("mine", folder_entry(tmp_path))


def test_a_csv_gives_classes_groups_and_splits(tmp_path: Path) -> None:
    touch(tmp_path / "v", "1.avi", "2.avi", "sub/3.avi", "..sub/4.avi", "not listed.avi")
    csv = tmp_path / "v.csv"
    csv.write_text(
        "path,class,group,split1,split2,comment\r\n"
        '1.avi,run,007,train,unused,"x, y"\r\n'
        "2.avi,run,NA,test,train,\r\n"
        "sub/3.avi,,,train,test,\r\n"
        "..sub/4.avi,run,,train,test,\r\n",
        encoding="utf-8-sig",
    )
    table = build("mine", folder_entry(tmp_path / "v", csv=str(csv)))
    assert table.drop(columns="path").to_numpy().tolist() == [
        ["..sub/4", 0, "run", "..sub/4", "train", "test"],
        ["1", 0, "run", "007", "train", "unused"],
        ["2", 0, "run", "NA", "test", "train"],
        ["sub/3", 1, "sub", "sub/3", "train", "test"],
    ]


def test_blanks_after_commas_change_nothing(tmp_path: Path) -> None:
    touch(tmp_path, *(f"run/{n}.avi" for n in range(4)), "run/ 4.avi")
    text = "path,class,group,split1\n" + "".join(
        f"run/{n}.avi,go,{n // 2},{role}\n"
        for n, role in enumerate(["train", "train", "test", "test"])
    )
    (tmp_path / "v.csv").write_text(text)
    expected = build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))
    (tmp_path / "v.csv").write_text(text.replace(",", " , ").replace("avi ,", "avi,"))
    assert build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv"))).equals(expected)
    (tmp_path / "v.csv").write_text('class,path\ngo,"run/ 4.avi"\n')  # within a name they count
    build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        *[("Split1", "split1"), ("split 1", "split1"), ("split_2", "split2"), ("split", "split1")],
        *[("split01", "split1"), ("Group", "group"), ("gruop", "group"), ("groups", "group")],
        *[("label", "class"), ("Class", "class"), ("classes", "class")],
    ],
)
def test_a_column_that_is_nearly_a_known_one_is_refused(
    tmp_path: Path, column: str, meant: str
) -> None:
    touch(tmp_path, "a/1.avi")
    (tmp_path / "v.csv").write_text(f"path,{column}\na/1.avi,train\n")
    with pytest.raises(DataSetError, match=rf"v\.csv: column {column!r} .*is {meant!r} meant"):
        build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))


def test_a_column_beside_the_known_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "1.avi")
    (tmp_path / "v.csv").write_text("path,class,label,comment\n1.avi,run,7,x\n")
    build("mine", folder_entry(tmp_path, csv=str(tmp_path / "v.csv")))
    assert "columns not used: comment, label" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class,class\n1.avi,a,b\n", r"v\.csv: expected each column once, repeated: class"),
        ("path,class\n1.avi,a\n# old,\n2.avi,a\n", r"v\.csv: row 2: '# old' looks like a comment"),
        ("# mine\npath,class\n1.avi,a\n", r"v\.csv: its header: '# mine' looks like a comment"),
        ("file,class\n1.avi,a\n", "expected a column 'path'"),
        ("path,class,split1\n1.avi,a,validation\n", "row 1: split1: expected train, test, unused"),
        ("path,class\n1.avi,a\n./1.avi,a\n", "row 2: '1.avi' was listed before"),
        ("path,class\n../1.avi,a\n", "row 1: expected a path below"),
        ("path\n1.avi/..\n", "row 1: expected a path below"),
        ("path,class\n1.avi,a\n2.avi,\n", "row 2: '2.avi' has neither a class nor a folder that"),
        ("path,class,group,split1\n1.avi,a,g,train\n2.avi,a,g,test\n", "both train and test"),
        ("path,class\n", r"v\.csv: lists no videos"),
        ("path,class\n1.avi,a,\n", r"v\.csv: row 1: more values than the header has"),
        ("path,class\n1.avi,a\n2.avi,a, b\n", r"v\.csv: row 2: more values"),
        ('path,class\n1.avi,a\n2.avi,"a\n3.avi,a\n', r"v\.csv: from line 3 on: .*quote"),
        (f"path,class\n1.avi,{'a' * 200_000}\n", r"v\.csv: from line 2 on: field larger"),
        ('path,"class\n1.avi,a\n', r"v\.csv: from line 1 on: .*quote"),
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


def test_what_is_no_folder_of_images_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "run/a/1.jpg", "walk/a/1.jpg", "walk/a/notes.txt", "walk/b.mp4", "c/d.mp4")
    entry = folder_entry(tmp_path, images_fps=25)
    assert remarks(entry, build("mine", entry))[:2] == [
        f"{tmp_path}: no folders of images, which images_fps is for, and left out: c/d.mp4, "
        f"walk/b.mp4",
        f"{tmp_path}: folders without videos, which are no classes: c",
    ]
    for name in ("run", "walk"):
        (tmp_path / name / "a/1.jpg").unlink()
    with pytest.raises(DataSetError, match=r"CLASS/VIDEO/IMAGE, as images_fps says; .*b\.mp4"):
        build("mine", entry)


@pytest.mark.parametrize("missing", ["no such folder", "no videos"])
def test_an_empty_or_absent_folder_is_an_error(tmp_path: Path, missing: str) -> None:
    root = tmp_path / "absent" if missing == "no such folder" else tmp_path
    with pytest.raises(ValueError, match=missing):
        build("mine", folder_entry(root))
    with pytest.raises(PluginError, match=r"films is not in DATASETS \(motions, folder"):
        build("mine", folder_entry(root, kind="films"))
