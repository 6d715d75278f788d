"""Reading the HDF5 format: damaged, foreign and changed files, checksums, digests."""

import io
import os
import pickle
import re
import sys

import h5py
import pytest
from filling import fill

from dsnet.provenance import seal_of
from dsnet.store import DamagedError, Reader, StoreError, Writer


@pytest.mark.parametrize("name", ["extra", "videos/ids", "videos/reason", "videos/rgb/items"])
def test_a_table_that_was_changed_is_noticed(tmp_path, name):
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        fill(writer, "a")
        writer.close("a", {"b": 1})
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        if name == "extra":
            file[name][()] = '{"b":2}'
        else:
            file[name][0] = {"videos/ids": "c", "videos/reason": "why", "videos/rgb/items": 1}[name]
    with pytest.raises(DamagedError, match="its SHA-256 is not that in"):
        Reader(tmp_path / "a.h5")
    seal_of(tmp_path / "a.h5").unlink()  # as in files of before
    with pytest.raises(DamagedError, match="its tables are not those that were written"):
        Reader(tmp_path / "a.h5")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"\[Errno 2\] No such file or directory: '.*a\.h5'$"
    ):
        Reader(tmp_path / "a.h5")


def test_a_damaged_byte_is_found_by_its_checksum(tmp_path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        fill(writer, "ab")
        writer.close("ab")
    with h5py.File(path) as file:
        place = file["rgb/data"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    reader = Reader(path)
    with pytest.raises(StoreError, match=r"a\.h5.*bytes of a are damaged"):
        reader.items("a", "rgb", verify=True)
    assert reader.items("b", "rgb", verify=True) == [b"bbb", b"x"]
    assert len(reader.items("a", "rgb")) == 2  # without comparing


def test_many_videos_are_compared_at_once_and_the_first_damaged_one_is_named(tmp_path, caplog):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb", "flow"], {}) as writer:
        for id in "abc":
            writer.add(id, {"rgb": [id.encode() * 1000] * 2, "flow": [b"x", b"y"]})
        writer.close("abc")
    caplog.set_level("INFO")
    Reader(path).verify("ab", ["rgb", "flow"])
    assert f"{path}: 4e-06 GB have their checksums" in caplog.text
    with h5py.File(path) as file:
        place = file["rgb/data"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place + 2500] ^= 1  # of b, and then of c
    content[place + 4500] ^= 1
    path.write_bytes(content)
    reader = Reader(path)
    reader.verify("a", ["rgb", "flow"])
    reader.verify("abc", ["flow"])
    with pytest.raises(DamagedError, match="the rgb bytes of b are damaged"):
        reader.verify("abc", ["flow", "rgb"])
    opened = Reader(path)
    os.truncate(path, place + 100)
    with pytest.raises(DamagedError, match="the rgb bytes of a are damaged") as caught:
        opened.verify("a", ["rgb"])
    assert caught.value.path == path


class Terminal(io.StringIO):
    """Where bars are shown."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "seconds"), [(Terminal, 5.5), (Terminal, 4.5), (io.StringIO, 9)]
)
def test_comparing_tells_how_far_it_is_where_that_takes_long(
    tmp_path, monkeypatch, caplog, stream, seconds
):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        for id in "ab":
            writer.add(id, {"rgb": [bytes(1000 if id == "a" else 234)]})
        writer.close("ab")
    clock = iter([0.0, seconds, *(2 * seconds + i for i in range(20))])
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    monkeypatch.setattr("sys.stderr", stream())
    caplog.set_level("INFO")
    Reader(path).verify("ab", ["rgb"])
    shown = sys.stderr.getvalue()
    if stream is Terminal and seconds > 5:
        assert re.search(r"\rchecking: 1\.00kB \[.*B/s\].*\rchecking: 1\.23kB \[", shown, re.S)
    else:
        assert "1.00kB" not in shown
    assert (shown == "") == (stream is not Terminal)
    (line,) = caplog.messages
    assert re.fullmatch(
        re.escape(str(path)) + r": 1\.23e-06 GB have their checksums \(0\.\d s\)", line
    )


@pytest.mark.parametrize("content", [b"", b"not hdf5", None])
def test_a_foreign_or_cut_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "a.h5"
    if content is None:
        with Writer(path, ["rgb"], {}) as writer:
            fill(writer, "a")
            writer.close("a")
        content = path.read_bytes()[:-40]
        seal_of(path).unlink()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"a\.h5 is damaged or not"):
        Reader(path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"version": 99},
            StoreError,
            r"a\.h5: expected format dsnet version 2, found dsnet version 99; delete it and run ",
        ),
        ({"format": "other"}, StoreError, "found other version 2; delete"),
        ({"format": "other", "version": None}, StoreError, "found other version None; delete"),
        ({"format": None}, DamagedError, r"a\.h5 is damaged or not a dsnet file \("),
        (
            {"spec": '{"a":2}'},
            DamagedError,
            r"a\.h5 is damaged or not a dsnet file \(its tables are not those that were written\)$",
        ),
    ],
)
def test_another_format_version_or_table_is_refused(tmp_path, changes, error, message):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {"a": 1}) as writer:
        writer.close([])
    seal_of(path).unlink()
    with h5py.File(path, "a") as file:
        for name, value in changes.items():
            del file.attrs[name]
            if value is not None:
                file.attrs[name] = value
    with pytest.raises(StoreError, match=message) as caught:
        Reader(path)
    assert type(caught.value) is error


def test_a_reader_is_pickled_without_its_map(tmp_path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        writer.add("a", {"rgb": [bytes(100_000)]})
        writer.close("a")
    reader = Reader(path)
    reader.item("a", "rgb", 0)
    pickled = pickle.dumps(reader)
    assert len(pickled) < 10_000
    assert pickle.loads(pickled).items("a", "rgb", verify=True) == [bytes(100_000)]


def test_item_refuses_an_index_of_the_next_video(tmp_path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        fill(writer, "ab")
        writer.close("ab")
    with pytest.raises(IndexError, match="a has 2 rgb items"):
        Reader(path).item("a", "rgb", 2)


def test_the_digest_tells_contents_apart(tmp_path):
    digests = set()
    for number, (spec, items, order) in enumerate(
        [({}, [b"1"], "ab"), ({}, [b"2"], "ab"), ({"s": 1}, [b"1"], "ab"), ({}, [b"1"], "ba")]
    ):
        path = tmp_path / f"{number}.h5"
        with Writer(path, ["rgb"], spec) as writer:
            writer.add("a", {"rgb": items})
            writer.add("b", {})
            writer.close(order)
        digests.add(Reader(path).digest)
    assert len(digests) == 4
