"""Manifests: what is probed, divided, refused, written and read back."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from entries import folder_entry
from hypothesis import given
from hypothesis import strategies as st

from dsnet.datasets import duplicates
from dsnet.datasets.listing import DataSetError, make_ids
from dsnet.datasets.manifest import (
    BrokenVideosError,
    assign_shards,
    make_manifest,
    read_manifest,
    validate,
    write_manifest,
)
from dsnet.provenance import file_digest
from dsnet.video import encode

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/manifest.schema.yaml"
COLUMNS = [
    *("id", "path", "label", "class_name", "group", "split1"),
    *("width", "height", "fps", "frames", "digest", "shard", "error"),
]


def make_videos(root: Path, *names: str, frames: int = 5) -> None:
    for name in names:
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        encode(path, np.full((frames, 24, 32, 3), 99, np.uint8))


def manifest(root: Path, shards: int = 2, max_broken: float = 0.01, **settings: Any) -> Any:
    entry = folder_entry(root, **{"allow_duplicates": True, **settings})  # all have one colour
    return make_manifest(entry, "mine", shards, max_broken, SCHEMA, jobs=2)


def test_a_manifest_lists_probes_and_divides(tmp_path: Path) -> None:
    make_videos(tmp_path, "a/1.avi", "a/2.mp4", "b/3.mkv", os.fsdecode(b"b/\xe9.avi"))
    table = manifest(tmp_path)
    assert list(table.columns) == COLUMNS
    assert list(table["id"]) == ["a/1", "a/2", "b/3", r"b/\xe9"]
    assert table[["width", "height", "fps", "frames"]].drop_duplicates().to_numpy().tolist() == [
        [32, 24, 25.0, 5]
    ]
    assert list(table["digest"]) == [file_digest(path) for path in table["path"]]
    assert list(table["shard"]) == [0, 0, 1, 1]
    assert list(table["error"]) == [""] * 4
    path = tmp_path / "out/manifest.csv"
    write_manifest(table, path)
    pd.testing.assert_frame_equal(read_manifest(path, SCHEMA), table)
    assert sorted(os.listdir(path.parent)) == [".manifest.csv.sha256", "manifest.csv"]
    assert os.path.exists(read_manifest(path)["path"][3])


def test_broken_videos_are_listed_with_reasons_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_videos(tmp_path, "a/1.avi", "a/2.avi", "b/3.avi")
    (tmp_path / "b/text.avi").write_text("not a video")
    (tmp_path / "b/empty.avi").touch()
    with caplog.at_level(logging.WARNING):
        table = manifest(tmp_path, max_broken=0.4).set_index("id")
    assert table.loc["b/text", "error"] == "not a video: plain text"
    assert table.loc["b/empty", "error"] == "empty file"
    assert list(table.loc[["b/text", "b/empty"], "shard"]) == [-1, -1]
    assert list(table.loc[["b/text", "b/empty"], "digest"]) == ["", ""]
    assert sorted(table["shard"]) == [-1, -1, 0, 0, 1]
    assert caplog.text.count("broken video") == 2
    with pytest.raises(BrokenVideosError) as caught:
        manifest(tmp_path, max_broken=0.39)
    message = str(caught.value)
    assert "2 of 5 videos (40.00%) are broken, more than the allowed 39.00%" in message
    assert "b/empty: empty file" in message


def test_the_same_bytes_in_train_and_test_are_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_videos(tmp_path, "a/1.avi", "a/2.avi", "b/3.avi")
    encode(tmp_path / "b/4.avi", np.zeros((5, 24, 32, 3), np.uint8))
    csv = tmp_path / "v.csv"

    def made(roles: str, **settings: Any) -> Any:
        rows = zip(["a/1.avi", "a/2.avi", "b/3.avi", "b/4.avi"], roles.split(), strict=True)
        csv.write_text("path,split1\n" + "\n".join(map(",".join, rows)))
        return manifest(tmp_path, csv=str(csv), **settings)

    said = "mine: a/1 and a/2 and b/3 have the same bytes, under the classes a and b"
    with pytest.raises(DataSetError, match=rf"{said}, in train and test of split1; .*allow_dup"):
        made("train test train test", allow_duplicates=False)
    made("train unused train test", allow_duplicates=False)
    assert said in caplog.text
    caplog.clear()
    made("train test train test", allow_duplicates=True)
    assert said in caplog.text
    caplog.clear()
    encode(tmp_path / "a/2.avi", np.full((5, 24, 32, 3), 9, np.uint8))
    encode(tmp_path / "b/3.avi", np.full((5, 24, 32, 3), 5, np.uint8))
    made("train test train test", allow_duplicates=False)
    assert "same bytes" not in caplog.text


@given(st.lists(st.binary(max_size=3), max_size=12))
def test_files_with_the_same_bytes_are_found_by_little_reading(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(number)) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            Path(path).write_bytes(content)
        found = duplicates.digests([*paths, os.path.join(folder, "gone")])
        expected = {
            path: file_digest(path)
            for path, content in zip(paths, contents, strict=True)
            if content and contents.count(content) > 1
        }
        assert found == expected


def test_missing_videos_do_not_count_as_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_videos(tmp_path, "a/1.avi")
    (tmp_path / "v.csv").write_text("path\na/0.avi\na/1.avi\nb/2.avi\n")
    settings = {"csv": str(tmp_path / "v.csv"), "allow_missing": True}
    table = manifest(tmp_path, max_broken=0, **settings)
    assert "mine: no usable videos of b" in caplog.text
    assert list(table["error"]) == ["missing", "", "missing"]
    assert list(table["shard"]) == [-1, 0, -1]
    (tmp_path / "a/1.avi").unlink()
    with pytest.raises(ValueError, match="none of 3 videos is usable"):
        manifest(tmp_path, **settings)


@given(st.lists(st.integers(2, 3000), min_size=1, max_size=200), st.integers(1, 50))
def test_shards_are_contiguous_not_empty_and_balanced(frames: list[int], shards: int) -> None:
    assigned = assign_shards(frames, shards)
    assert len(assigned) == len(frames)
    assert assigned == sorted(assigned)
    count = min(shards, len(frames))
    assert set(assigned) == set(range(count))
    loads = np.bincount(assigned, weights=frames)
    # No block takes more than its share and one video on top, unless to keep others non-empty.
    sizes = np.bincount(assigned)
    assert all(sizes[loads > sum(frames) / count + 2 * max(frames)] == 1)


def test_no_usable_video_gives_no_shard() -> None:
    assert assign_shards([], 4) == []


NAMES = st.lists(
    st.binary(min_size=1, max_size=6).filter(lambda name: not {0, 0x2F} & set(name)),
    min_size=1,
    max_size=6,
    unique=True,
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.sampled_from(["NA", "nan", "007", "1e5", "None", " x ", '"', "a,b", "a\r\nb", "\r", "é"]),
)


@given(NAMES, st.data())
def test_reading_gives_exactly_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes], data: st.DataObject
) -> None:
    paths = [os.path.join("v", os.fsdecode(name)) for name in names]
    rows = [
        {
            "id": id,
            "path": path,
            "label": label,
            "class_name": f"{label}{data.draw(TEXTS)}",
            "group": data.draw(TEXTS),
            "split1": data.draw(st.sampled_from(["train", "test", "unused"])),
            "width": 32,
            "height": 24,
            "fps": data.draw(st.floats(1e-3, 1e3)),
            "frames": data.draw(st.integers(2, 2**40)),
            "digest": data.draw(st.text("0123456789abcdef", min_size=16, max_size=16)),
            "shard": 0,
            "error": data.draw(TEXTS | st.just("")),
        }
        for label, (id, path) in enumerate(zip(make_ids(paths), paths, strict=True))
    ]
    table = pd.DataFrame(rows)
    texts = ["id", "path", "class_name", "group", "split1", "digest", "error"]
    table = table.astype(dict.fromkeys(texts, object))
    path = tmp_path_factory.getbasetemp() / "manifest.csv"
    write_manifest(table, path)
    pd.testing.assert_frame_equal(read_manifest(path), table, check_exact=True)


def good_row() -> dict[str, Any]:
    values = ["a/1", "v/a/1.avi", 0, "a", "g", "train", 32, 24, 25.0, 5, "0" * 16, 0, ""]
    return dict(zip(COLUMNS, values, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": -1}, "row 'a/1': label: -1 is less than the minimum of 0"),
        ({"split1": "val"}, r"row 'a/1': split1: 'val' is not one of \['train', 'test', 'unused'"),
        ({"frames": 1}, "row 'a/1': frames: 1 is less than the minimum of 2"),
        ({"shard": -1}, "row 'a/1': shard: -1 is less than the minimum of 0"),
        ({"error": "empty file"}, "row 'a/1': shard: -1 was expected"),
        ({"split_1": "train"}, "row 'a/1': columns: .*'split_1'"),
        ({"id": ""}, "row '': id: "),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(change: dict[str, Any], message: str) -> None:
    validate(pd.DataFrame([good_row()]), SCHEMA, "mine")
    with pytest.raises(ValueError, match=message):
        validate(pd.DataFrame([good_row() | change]), SCHEMA, "mine")


def test_ids_and_labels_must_be_consistent() -> None:
    with pytest.raises(ValueError, match="each id once"):
        validate(pd.DataFrame([good_row(), good_row()]), SCHEMA, "mine")
    other = good_row() | {"id": "b/1", "class_name": "b"}
    with pytest.raises(ValueError, match="one class_name for each label"):
        validate(pd.DataFrame([good_row(), other]), SCHEMA, "mine")
    with pytest.raises(ValueError, match="labels from 0 to 1"):
        validate(pd.DataFrame([good_row(), other | {"label": 10**9}]), SCHEMA, "mine")


def test_reading_names_missing_columns(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,path\n")
    with pytest.raises(ValueError, match="columns missing: class_name, digest, error"):
        read_manifest(tmp_path / "manifest.csv")


def test_real_samples_with_the_official_lists(shared_data: Path) -> None:
    entry = {
        "kind": "hmdb51",
        "videos": str(shared_data / "hmdb51/videos"),
        "lists": str(shared_data / "hmdb51/splits"),
        "allow_missing": True,
    }
    table = make_manifest(entry, "hmdb51", 3, 0.0, SCHEMA, jobs=2)
    usable = table[table["error"] == ""]
    assert len(usable) == 4
    assert usable["height"].eq(240).all()
    assert set(usable["shard"]) == {0, 1, 2}
    assert (table["error"] == "missing").sum() == 6_766 - 4
