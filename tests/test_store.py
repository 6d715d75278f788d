"""The HDF5 format: round trips, resuming, and damaged or foreign files."""

import io
import os
import pickle
import re
import sys

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet.store import DamagedError, Reader, StoreError, Writer

videos = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda s: s.isprintable()),
    st.tuples(
        st.lists(st.binary(max_size=20), max_size=5),
        st.lists(st.binary(max_size=20), max_size=5).map(lambda x: x + x),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(videos, st.randoms())
def test_what_is_written_is_read_in_any_order(tmp_path_factory, content, random):
    path = tmp_path_factory.mktemp("store") / "a.h5"
    order = list(content)
    random.shuffle(order)
    with Writer(path, ["rgb", "flow"], {"a": 1}) as writer:
        for id, (rgb, flow) in content.items():
            writer.add(id, {"rgb": rgb, "flow": flow})
        writer.close(order, {"note": "ü"})
    reader = Reader(path)
    assert list(reader.videos) == order
    assert reader.spec == {"a": 1}
    assert reader.extra == {"note": "ü"}
    for id, (rgb, flow) in content.items():
        assert reader.items(id, "rgb", verify=True) == rgb
        assert reader.items(id, "flow", verify=True) == flow
        assert reader.videos[id].id == id
        assert reader.videos[id].reason == ""
        assert reader.videos[id].frames("flow") == len(flow) // 2
        for index, item in enumerate(rgb):
            assert reader.item(id, "rgb", index).tobytes() == item


def fill(writer, ids):
    for id in ids:
        writer.add(id, {"rgb": [id.encode() * 3, b"x"]})


def test_an_interrupted_write_is_resumed_and_gives_the_same_file(tmp_path):
    whole, resumed = tmp_path / "whole.h5", tmp_path / "resumed.h5"
    with Writer(whole, ["rgb"], {}) as writer:
        fill(writer, "abc")
        writer.close("abc")
    with Writer(resumed, ["rgb"], {}) as writer:
        fill(writer, "ab")
    assert not resumed.exists()
    # What a kill in the middle of a video leaves: bytes without a line, and half a line.
    with open(tmp_path / ".resumed.h5.rgb.part", "ab") as part:
        part.write(b"half a video")
    with open(tmp_path / ".resumed.h5.journal", "a") as journal:
        journal.write('{"id": "c", "si')
    with Writer(resumed, ["rgb"], {}) as writer:
        assert writer.done == {"a", "b"}
        fill(writer, "c")
        writer.close("abc")
    assert Reader(resumed).digest == Reader(whole).digest
    assert Reader(resumed).items("c", "rgb", verify=True) == [b"ccc", b"x"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["resumed.h5", "whole.h5"]


@pytest.mark.parametrize("change", [{"spec": {"b": 2}}, {"source": "other"}])
def test_an_attempt_with_other_settings_or_source_is_not_resumed(tmp_path, change):
    before = {"spec": {"b": 1}, "source": "one"}
    with Writer(tmp_path / "a.h5", ["rgb"], **before) as writer:
        fill(writer, "a")
    with Writer(tmp_path / "a.h5", ["rgb"], **{**before, **change}) as writer:
        assert writer.done == frozenset()


@pytest.mark.parametrize("name", ["close", "_resume"])
def test_the_journal_never_outlives_the_parts_it_vouches_for(tmp_path, monkeypatch, name):
    """However far a kill lets the removal of the side files come."""
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {"spec": 1}) as writer:
        fill(writer, "ab")
        if name == "close":
            removed = []
            unlink = type(path).unlink

            def recording(self, missing_ok=False):
                removed.append(self.name)
                unlink(self, missing_ok)

            monkeypatch.setattr(type(path), "unlink", recording)
            writer.close("ab")
            sides = [n for n in removed if n.endswith((".journal", ".part"))]
            assert sides == [".a.h5.journal", ".a.h5.rgb.part"]
            return

    def killed(self, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        Writer(path, ["rgb"], {"spec": 2})
    assert not (tmp_path / ".a.h5.journal").exists()


def test_an_error_within_a_video_leaves_the_others(tmp_path):
    def failing():
        yield b"first"
        raise RuntimeError("no more")

    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        fill(writer, "a")
        with pytest.raises(RuntimeError, match="no more"):
            writer.add("b", {"rgb": failing()})
        fill(writer, "c")
        writer.close("ac")
    reader = Reader(tmp_path / "a.h5")
    assert reader.items("c", "rgb", verify=True) == [b"ccc", b"x"]


def test_close_names_videos_that_were_not_added(tmp_path):
    with (
        Writer(tmp_path / "a.h5", ["rgb"], {}) as writer,
        pytest.raises(ValueError, match="not added: z"),
    ):
        writer.close(["z"])


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
            writer.add(id, {"rgb": [bytes(1500)]})
        writer.close("ab")
    clock = iter([0.0, seconds, *(2 * seconds + i for i in range(20))])
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    monkeypatch.setattr("sys.stderr", stream())
    caplog.set_level("INFO")
    Reader(path).verify("ab", ["rgb"])
    shown = sys.stderr.getvalue()
    if stream is Terminal and seconds > 5:
        assert re.search(r"\rchecking: 1\.50kB \[.*B/s\].*\rchecking: 3\.00kB \[", shown, re.S)
    else:
        assert "1.50k" not in shown
    assert (shown == "") == (stream is not Terminal)
    (line,) = caplog.messages
    assert re.fullmatch(re.escape(str(path)) + r": 3e-06 GB have their checksums \(0\.\d s\)", line)


@pytest.mark.parametrize("content", [b"", b"not hdf5", None])
def test_a_foreign_or_cut_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "a.h5"
    if content is None:
        with Writer(path, ["rgb"], {}) as writer:
            fill(writer, "a")
            writer.close("a")
        content = path.read_bytes()[:-40]
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
    with h5py.File(path, "a") as file:
        for name, value in changes.items():
            del file.attrs[name]
            if value is not None:
                file.attrs[name] = value
    with pytest.raises(StoreError, match=message) as caught:
        Reader(path)
    assert type(caught.value) is error


def test_a_video_that_could_not_be_used_has_its_reason(tmp_path):
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        writer.add("a", {}, "no frames: ü")
        fill(writer, "b")
        with pytest.raises(ValueError, match=r"a\.h5: video b is there already$"):
            fill(writer, "b")
        writer.close("ba")
    reader = Reader(tmp_path / "a.h5")
    assert [video.reason for video in reader.videos.values()] == ["", "no frames: ü"]
    assert reader.items("a", "rgb", verify=True) == []


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


def test_a_long_table_does_not_fit_an_attribute_and_is_kept(tmp_path):
    extra = {"ids": [f"video {i}" for i in range(20_000)]}
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        writer.close([], extra)
    assert Reader(tmp_path / "a.h5").extra == extra
