"""The HDF5 format: round trips, resuming, and what is left of interrupted writing."""

import h5py
import numpy as np
import pytest
from filling import fill
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet.store import Reader, StoreError, Writer

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
    with Writer(path, ["rgb", "flow"], {"a": 1}, "these") as writer:
        for id, (rgb, flow) in content.items():
            writer.add(id, {"rgb": rgb, "flow": flow})
        writer.close(order, {"note": "ü"})
    reader = Reader(path)
    assert list(reader.videos) == order
    assert reader.spec == {"a": 1}
    assert reader.extra == {"note": "ü"}
    assert reader.source == "these"
    assert reader.provenance["versions"]["dsnet"]
    for id, (rgb, flow) in content.items():
        assert reader.items(id, "rgb", verify=True) == rgb
        assert reader.items(id, "flow", verify=True) == flow
        assert reader.videos[id].id == id
        assert reader.videos[id].reason == ""
        assert reader.videos[id].frames("flow") == len(flow) // 2
        for index, item in enumerate(rgb):
            assert reader.item(id, "rgb", index).tobytes() == item


def test_a_write_interrupted_twice_is_resumed_and_gives_the_same_file(tmp_path):
    whole, resumed = tmp_path / "whole.h5", tmp_path / "resumed.h5"
    with Writer(whole, ["rgb"], {}) as writer:
        fill(writer, "abc")
        writer.close("abc")
    for letters in ("a", "b"):
        with Writer(resumed, ["rgb"], {}) as writer:
            fill(writer, letters)
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
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == ["resumed.h5", "whole.h5"]
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob("*.journal")]


def test_after_damage_of_the_journal_videos_are_written_again(tmp_path):
    path, journal = tmp_path / "a.h5", tmp_path / ".a.h5.journal"
    with Writer(path, ["rgb"], {}) as writer:
        fill(writer, "abc")
    whole, part = journal.read_bytes(), (tmp_path / ".a.h5.rgb.part").read_bytes()
    found = set()
    for place in range(0, len(whole), len(whole) // 24):
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        (tmp_path / ".a.h5.rgb.part").write_bytes(part)
        with Writer(path, ["rgb"], {}) as writer:
            found.add(len(writer.done))
            fill(writer, sorted({*"abc"} - writer.done))
            writer.close("abc")
        reader = Reader(path)
        assert [reader.items(id, "rgb", verify=True)[0] for id in "abc"] == [b"aaa", b"bbb", b"ccc"]
        assert {video.reason for video in reader.videos.values()} == {""}
    assert found >= {0, 1, 2}


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


def test_close_names_five_of_the_videos_that_were_not_added(tmp_path):
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        fill(writer, "a")
        with pytest.raises(ValueError, match=r"a\.h5: not added: t, u, v, w, x$"):
            writer.close("atuvwxyz")


@pytest.mark.parametrize(("more", "size"), [(b"more", 12), (None, 5)])
def test_a_side_file_that_is_not_what_the_journal_says_is_never_taken_over(tmp_path, more, size):
    path = tmp_path / "made" / "on the way" / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        fill(writer, "ab")  # eight bytes
        part = path.with_name(".a.h5.rgb.part")
        part.write_bytes(part.read_bytes() + more if more else part.read_bytes()[:size])
        message = rf"\.a\.h5\.rgb\.part has {size} bytes, its journal says 8$"
        with pytest.raises(StoreError, match=message):
            writer.close("ab")
    assert not path.exists()


@pytest.mark.parametrize("ids", ["", "ab"])
def test_the_file_is_laid_out_as_its_description_says(tmp_path, ids):
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        fill(writer, ids)
        writer.close(ids)
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["rgb/data"]
        assert (data.dtype, data.chunks, data.compression) == (np.uint8, None, None)
        assert file["rgb/offsets"].dtype == np.int64
        types = {name: file[f"videos/rgb/{name}"].dtype for name in file["videos/rgb"]}
    assert types == {"start": np.int64, "items": np.int64, "crc32": np.uint32}


def test_more_bytes_than_are_copied_at_a_time_arrive(tmp_path):
    items = [np.random.default_rng(i).bytes(9_000_000) for i in range(4)]
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        writer.add("a", {"rgb": items})
        writer.close("a")
    assert Reader(tmp_path / "a.h5").items("a", "rgb", verify=True) == items


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


def test_a_long_table_does_not_fit_an_attribute_and_is_kept(tmp_path):
    extra = {"ids": [f"video {i}" for i in range(20_000)]}
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        writer.close([], extra)
    assert Reader(tmp_path / "a.h5").extra == extra
