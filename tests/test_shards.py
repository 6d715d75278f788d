"""Frames, flow and pack, from video files to clips.h5."""

import math
import re
import threading
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from dsnet import flow as tvl1
from dsnet import shards, video, vision
from dsnet.clips import load, open_clips, table
from dsnet.datasets import DataSetError
from dsnet.datasets.manifest import BrokenVideosError, make_manifest, read_manifest, write_manifest
from dsnet.experiment.data import TVL1
from dsnet.experiment.specs import FlowSpec, FramesSpec
from dsnet.flow.algorithms import Method
from dsnet.flow.paths import along
from dsnet.store import Reader, StoreError, Writer

FRAMES = FramesSpec(fps=25, resize="square", size=32, quality=95)
FLOW = FlowSpec(
    backend="auto",
    semantics="cuda",
    bound=5,
    quality=95,
    tvl1=TVL1(nscales=2, warps=1, inner_iterations=3, outer_iterations=1),
)


SCHEMA = Path(__file__).parents[1] / "workflow/schemas/manifest.schema.yaml"


@pytest.fixture
def manifest(tmp_path):
    """Six videos of two classes in two shards; one of them has two frames at 50 fps."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for index in range(3):
            image = cv2.GaussianBlur(rng.integers(0, 256, (40, 48, 3)).astype(np.uint8), (0, 0), 2)
            moved = [np.roll(image, shift, axis=1) for shift in range(5)]
            (tmp_path / "videos" / name).mkdir(parents=True, exist_ok=True)
            video.encode(tmp_path / f"videos/{name}/{index}.avi", moved, fps=25)
    entry = {"kind": "folder", "videos": str(tmp_path / "videos"), "csv": None, "test_share": 0.34}
    found = make_manifest(entry, "mine", 2, 0.0, SCHEMA)
    write_manifest(found, tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def make(manifest, folder, flow=FLOW, frames=FRAMES):
    paths = {"frames": [], "flow": []}
    for shard in (0, 1):
        paths["frames"].append(folder / f"frames/{shard}.h5")
        paths["flow"].append(folder / f"flow/{shard}.h5")
        shards.frames(manifest, shard, frames, paths["frames"][-1])
        shards.flow_shard(paths["frames"][-1], flow, paths["flow"][-1])
    return paths


def pack(manifest, paths, folder, max_broken=0.0):
    clips = folder / "clips.h5"
    shards.pack(
        manifest, paths["frames"], paths["flow"], "Mine", max_broken, clips, folder / "broken.csv"
    )
    return clips


def test_videos_become_clips_with_frames_flow_and_labels(manifest, tmp_path):
    reader = open_clips(pack(manifest, make(manifest, tmp_path), tmp_path))
    listed = table(reader)
    assert listed["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(listed["split1"].unique()) == ["test", "train"]
    assert reader.extra["classes"] == ["a", "b"]
    assert reader.extra["n_missing"] == 0
    for id in reader.videos:
        assert reader.videos[id].frames("rgb") == 5
        assert reader.videos[id].frames("flow") == 4
    assert pd.read_csv(tmp_path / "broken.csv").empty


def test_frames_are_the_decoded_video_and_flow_is_theirs(manifest, tmp_path):
    reader = open_clips(pack(manifest, make(manifest, tmp_path), tmp_path))
    decoded = np.stack(list(video.decode(tmp_path / "videos/a/0.avi", 25, "square", 32)))
    stored = np.stack(load(reader, "a/0", "rgb", np.arange(5)))
    assert np.abs(decoded.astype(int) - stored).mean() < 3
    images = [np.frombuffer(i, np.uint8) for i in reader.items("a/0", "rgb")]
    gray = np.stack([cv2.imdecode(i, cv2.IMREAD_GRAYSCALE) for i in images])
    expected = tvl1.encode(
        tvl1.compute(gray, "numba", semantics="cuda", **FLOW.tvl1.values()), FLOW.bound
    )
    planes = np.stack(load(reader, "a/0", "flow", np.arange(4))).reshape(4, 2, 32, 32)
    planes = planes.transpose(0, 2, 3, 1)
    assert np.abs(planes.astype(int) - expected).mean() < 2


def test_frames_and_flow_are_as_their_specs_say(manifest, tmp_path):
    frames = FRAMES.model_copy(update={"fps": 20, "sampling": "output_rate"})
    flow = FLOW.model_copy(update={"rounding": "truncate", "quality": 100})
    reader = open_clips(pack(manifest, make(manifest, tmp_path, flow, frames), tmp_path))
    path = tmp_path / "videos/a/0.avi"
    expected = list(video.decode(path, 20, "square", 32, "output_rate"))
    stored = load(reader, "a/0", "rgb", np.arange(reader.videos["a/0"].frames("rgb")))
    assert len(stored) == len(expected)
    assert np.abs(np.stack(stored).astype(int) - np.stack(expected)).mean() < 3
    images = [np.frombuffer(i, np.uint8) for i in reader.items("a/0", "rgb")]
    gray = np.stack([cv2.imdecode(i, cv2.IMREAD_GRAYSCALE) for i in images])
    field = tvl1.compute(gray, "numba", semantics="cuda", **FLOW.tvl1.values())
    planes = np.stack(load(reader, "a/0", "flow", np.arange(len(field))))
    planes = planes.reshape(len(field), 2, 32, 32).transpose(0, 2, 3, 1).astype(float)
    errors = [
        np.abs(planes - tvl1.encode(field, FLOW.bound, rounding)).mean()
        for rounding in ("truncate", "nearest")
    ]
    assert errors[0] < 0.3 < errors[1]


def test_the_backend_that_ran_is_recorded(manifest, tmp_path):
    reader = open_clips(pack(manifest, make(manifest, tmp_path), tmp_path))
    assert reader.spec["flow"] == FLOW.values()
    name = tvl1.resolve("auto", "cuda")
    assert reader.extra["flow_backends"] == [tvl1.describe(name, "cuda")]
    assert reader.spec["rgb"] == FRAMES.values()
    assert reader.provenance["versions"]["opencv-contrib-python-headless"].startswith("4.")


def test_machines_with_other_backends_may_work_on_one_data_set(manifest, tmp_path, monkeypatch):
    """Where `auto` is resolved differently, as with and without a GPU."""
    paths = make(manifest, tmp_path)
    monkeypatch.setattr(
        tvl1.backends, "BACKENDS", {"torch": tvl1.backends.Backend("torch", ("cuda",))}
    )
    paths["flow"][1].unlink()
    shards.flow_shard(paths["frames"][1], FLOW, paths["flow"][1])
    reader = open_clips(pack(manifest, paths, tmp_path))
    assert [name.split()[0] for name in reader.extra["flow_backends"]] == ["numba", "torch"]


def test_how_far_a_shard_is_is_logged_where_no_bar_is_shown(
    manifest, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setattr(shards, "TELL", 0)
    make(manifest, tmp_path)
    assert re.search(r"4 of 12 pairs, [\d.]+ per second, \d+ min left", caplog.text)
    assert re.search(r"flow of 12 pairs in [\d.]+ s", caplog.text)


def test_a_shard_goes_on_where_it_was_stopped(manifest, tmp_path, monkeypatch):
    whole = make(manifest, tmp_path / "whole")
    decode, calls = video.decode, []

    def failing(path, *more, **options):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return decode(path, *more, **options)

    monkeypatch.setattr(shards.video, "decode", failing)
    with pytest.raises(KeyboardInterrupt):
        shards.frames(manifest, 0, FRAMES, tmp_path / "cut.h5")
    assert not (tmp_path / "cut.h5").exists()
    shards.frames(manifest, 0, FRAMES, tmp_path / "cut.h5")
    assert len(calls) == len(set(calls)) + 1  # only the one that failed was decoded twice
    assert Reader(tmp_path / "cut.h5").digest == Reader(whole["frames"][0]).digest


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("pairs", "threads"), [(1, 1), (2, 3), (5, 2), (64, 4)])
def test_flow_is_the_same_however_the_work_is_divided(
    manifest, tmp_path, monkeypatch, pairs, threads, stride
):
    """In chunks without a seam, videos together or apart, one thread ahead of the other."""
    spec = FLOW.model_copy(update={"stride": stride})
    paths = make(manifest, tmp_path, spec)
    chosen = tvl1.backends.Backend("numba", pairs=pairs, threads=math.inf)
    monkeypatch.setitem(tvl1.BACKENDS, "numba", chosen)
    shards.flow_shard(paths["frames"][0], spec, tmp_path / "divided.h5", threads)
    found, source = Reader(tmp_path / "divided.h5"), Reader(paths["frames"][0])
    assert found.digest == Reader(paths["flow"][0]).digest
    for id in source.videos:
        stored = [np.frombuffer(item, np.uint8) for item in source.items(id, "rgb")]
        gray = np.stack([cv2.imdecode(item, cv2.IMREAD_GRAYSCALE) for item in stored])
        field = along(tvl1.compute(gray, "numba", semantics="cuda", **FLOW.tvl1.values()), stride)
        expected = list(tvl1.to_bytes(field, FLOW.bound, FLOW.quality, FLOW.rounding))
        assert len(expected) == 2 * (len(gray) - stride)
        assert list(found.items(id, "flow")) == expected


@pytest.mark.parametrize("algorithm", ["dis", "farneback", "raft"])
def test_flow_of_every_algorithm_becomes_clips(manifest, tmp_path, algorithm):
    weights = tmp_path / "raft.pth"
    torch.save(vision.module("models.optical_flow").raft_small().state_dict(), weights)
    raft = {"weights": str(weights), "iterations": 1}
    spec = FlowSpec.model_validate({"algorithm": algorithm, "bound": 5, "raft": raft})
    reader = open_clips(pack(manifest, make(manifest, tmp_path, spec), tmp_path))
    method = tvl1.of_spec(spec)
    assert reader.extra["flow_backends"] == [method.where]
    stored = [np.frombuffer(item, np.uint8) for item in reader.items("a/0", "rgb")]
    gray = np.stack([cv2.imdecode(item, cv2.IMREAD_GRAYSCALE) for item in stored])
    assert list(reader.items("a/0", "flow")) == list(tvl1.to_bytes(method(gray), 5, 95))


def test_a_video_too_short_for_the_stride_is_listed_with_its_reason(manifest, tmp_path):
    rng, folder = np.random.default_rng(1), tmp_path / "videos"
    video.encode(folder / "b/3.avi", rng.integers(0, 256, (7, 40, 48, 3), np.uint8), fps=25)
    entry = {"kind": "folder", "videos": str(folder), "csv": None, "test_share": 0.34}
    write_manifest(make_manifest(entry, "mine", 2, 0.0, SCHEMA), manifest)
    paths = make(manifest, tmp_path, FLOW.model_copy(update={"stride": 5}))
    reader = open_clips(pack(manifest, paths, tmp_path, max_broken=0.9))
    assert list(reader.videos) == ["b/3"]
    assert reader.videos["b/3"].frames("flow") == 2
    broken = pd.read_csv(tmp_path / "broken.csv")
    assert broken["stage"].tolist() == ["flow"] * 6
    assert set(broken["reason"]) == {"it has 5 frames, and clips.stride 5 needs one more than 5"}


class Slow:
    """A flow algorithm that waits for what is to be done meanwhile."""

    def __init__(self):
        self.read, self.encoded = threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self, gray):
        self.calls += 1
        if self.calls == 1:
            assert self.read.wait(20), "the next frames were not read meanwhile"
        if self.calls == 2:
            assert self.encoded.wait(20), "the last flow was not encoded meanwhile"
        return np.zeros((len(gray) - 1, *gray.shape[1:], 2), np.float32)


def test_frames_are_read_and_flow_is_encoded_while_flow_is_computed(
    manifest, tmp_path, monkeypatch
):
    source, slow = Reader(make(manifest, tmp_path)["frames"][0]), Slow()
    frames = list(source.items("a/0", "rgb"))[:2]
    stored = shards.stored

    def videos():
        yield frames
        slow.read.set()
        yield frames

    def told(field, quality):
        slow.encoded.set()
        return stored(field, quality)

    monkeypatch.setattr(shards, "stored", told)
    method = Method("slow", "cpu", slow, pairs=1, threads=1)
    assert len(list(shards.encoded_planes(videos(), method, FLOW))) == 4


def test_a_method_runs_in_threads_that_are_prepared_for_it_or_in_the_callers(manifest, tmp_path):
    frames = list(Reader(make(manifest, tmp_path)["frames"][0]).items("a/0", "rgb"))
    here, prepared, ran = threading.get_ident(), set(), set()

    def run(gray):
        ran.add(threading.get_ident())
        return np.zeros((len(gray) - 1, *gray.shape[1:], 2), np.float32)

    def bind():
        prepared.add(threading.get_ident())

    for threads, expected in ((0, {here}), (1, prepared), (math.inf, prepared)):
        ran.clear()
        method = Method("told", "cpu", run, pairs=1, threads=threads, bind=bind)
        assert len(list(shards.encoded_planes([frames, frames], method, FLOW, 2))) == 16
        assert ran
        assert ran <= expected
    assert here not in prepared


def test_flow_of_what_comes_before_damage_is_kept(manifest, tmp_path):
    paths = make(manifest, tmp_path)
    content = bytearray(paths["frames"][0].read_bytes())
    reader = Reader(paths["frames"][0])
    *before, last = reader.videos
    content[content.index(reader.items(last, "rgb")[0]) + 100] ^= 1
    paths["frames"][0].write_bytes(content)
    with pytest.raises(StoreError, match="are damaged"):
        shards.flow_shard(paths["frames"][0], FLOW, tmp_path / "new.h5")
    with Writer(
        tmp_path / "new.h5", ["flow"], FLOW.values(), source=Reader(paths["frames"][0]).digest
    ) as writer:
        assert writer.done == set(before)


def test_an_error_in_the_flow_ends_the_job(manifest, tmp_path):
    source = Reader(make(manifest, tmp_path)["frames"][0])
    videos = (source.items(id, "rgb") for id in source.videos)

    def fail(gray):
        raise ArithmeticError("no flow")

    with pytest.raises(ArithmeticError, match="no flow"):
        list(shards.encoded_planes(videos, Method("failing", "cpu", fail), FLOW, 2))


def test_raw_frames_and_flow_lose_nothing(manifest, tmp_path):
    raw = {"quality": "raw"}
    shards.frames(manifest, 0, FRAMES.model_copy(update=raw), tmp_path / "frames.h5")
    shards.flow_shard(tmp_path / "frames.h5", FLOW.model_copy(update=raw), tmp_path / "flow.h5")
    reader, fields = Reader(tmp_path / "frames.h5"), Reader(tmp_path / "flow.h5")
    expected = list(video.decode(tmp_path / "videos/a/0.avi", 25, "square", 32))
    frames = load(reader, "a/0", "rgb", np.arange(len(expected)))
    np.testing.assert_array_equal(frames, expected)
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in expected])
    field = tvl1.compute(gray, "numba", semantics="cuda", **FLOW.tvl1.values())
    planes = load(fields, "a/0", "flow", np.arange(len(field)))
    planes = np.stack(planes).reshape(len(field), 2, 32, 32)
    np.testing.assert_array_equal(planes.transpose(0, 2, 3, 1), tvl1.encode(field, FLOW.bound))


def test_shards_of_different_settings_are_refused(manifest, tmp_path):
    paths = make(manifest, tmp_path)
    shards.flow_shard(paths["frames"][1], FLOW.model_copy(update={"bound": 7}), paths["flow"][1])
    with pytest.raises(StoreError, match=r"different settings:\n.*flow/0\.h5.*\n.*flow/1\.h5"):
        pack(manifest, paths, tmp_path)
    assert not (tmp_path / "clips.h5").exists()


def test_flow_of_other_frames_is_refused(manifest, tmp_path):
    paths = make(manifest, tmp_path)
    shards.frames(manifest, 1, FRAMES.model_copy(update={"quality": 80}), paths["frames"][1])
    shards.frames(manifest, 0, FRAMES.model_copy(update={"quality": 80}), paths["frames"][0])
    with pytest.raises(
        StoreError, match=r"flow/0\.h5 was computed from other frames than those of"
    ):
        pack(manifest, paths, tmp_path)


def test_a_damaged_shard_is_named_and_not_packed(manifest, tmp_path):
    paths = make(manifest, tmp_path)
    content = bytearray(paths["frames"][0].read_bytes())
    place = content.index(Reader(paths["frames"][0]).items("a/0", "rgb")[0]) + 100
    content[place] ^= 1
    paths["frames"][0].write_bytes(content)
    with pytest.raises(StoreError, match=r"frames/0\.h5: the rgb bytes of a/0 are damaged"):
        pack(manifest, paths, tmp_path)
    with pytest.raises(StoreError, match=r"frames/0\.h5: the rgb bytes of a/0 are damaged"):
        shards.flow_shard(
            paths["frames"][0], FLOW.model_copy(update={"bound": 9}), tmp_path / "new.h5"
        )


class Counted(bytes):
    """Bytes that know how many of them there are at a time."""

    live = most = 0

    def __init__(self, *_):
        Counted.live += 1
        Counted.most = max(Counted.most, Counted.live)

    def __del__(self):
        Counted.live -= 1


def test_a_long_video_is_never_in_memory_as_a_whole(manifest, tmp_path, monkeypatch):
    frame = np.zeros((32, 32, 3), np.uint8)
    monkeypatch.setattr(shards.video, "decode", lambda *_, **__: iter([frame] * 100))
    monkeypatch.setattr(shards.images, "encode", lambda *_: Counted(b"image"))
    shards.frames(manifest, 0, FRAMES, tmp_path / "0.h5")
    assert Reader(tmp_path / "0.h5").videos["a/0"].frames("rgb") == 100
    assert 0 < Counted.most < 5


def test_a_video_that_breaks_off_leaves_no_frames(manifest, tmp_path, monkeypatch):
    def half(*_, **__):
        yield from np.zeros((9, 32, 32, 3), np.uint8)
        raise video.VideoError("gone")

    monkeypatch.setattr(shards.video, "decode", half)
    shards.frames(manifest, 0, FRAMES, tmp_path / "0.h5")
    found = Reader(tmp_path / "0.h5").videos["a/0"]
    assert (found.frames("rgb"), found.reason) == (0, "gone")


def test_a_video_whose_ffmpeg_is_killed_is_decoded_again(manifest, tmp_path, fake_ffmpeg):
    whole = make(manifest, tmp_path / "whole")["frames"][0]
    real = video.ffmpeg_executable()
    two = len(b"P6\n32 32\n255\n") * 2 + 32 * 32 * 3 * 2
    path = fake_ffmpeg(
        f'case "$*" in */a/1.avi*) "{real}" "$@" | head -c {two}; kill -9 $$; esac\n'
        f'exec "{real}" "$@"'
    )
    with pytest.raises(video.FfmpegError, match=r"a/1\.avi: signal 9 \(SIGKILL\).*run again"):
        shards.frames(manifest, 0, FRAMES, tmp_path / "0.h5")
    assert not (tmp_path / "0.h5").exists()
    path.unlink()
    video.ffmpeg_executable.cache_clear()
    shards.frames(manifest, 0, FRAMES, tmp_path / "0.h5")
    assert Reader(tmp_path / "0.h5").digest == Reader(whole).digest


def test_fewer_frames_than_the_manifests_are_no_whole_video(manifest, tmp_path):
    rows = read_manifest(manifest)
    rows.loc[rows["id"] == "a/0", "frames"] = 9  # rounding may cost two
    write_manifest(rows, manifest)
    shards.frames(manifest, 0, FRAMES, tmp_path / "0.h5")
    reasons = [found.reason for found in Reader(tmp_path / "0.h5").videos.values()]
    assert reasons == ["only 5 of at least 6 frames decode", "", ""]


def broken(path, *_, **__):
    raise video.VideoError("no decodable frame")


def test_a_video_whose_frames_cannot_be_decoded_is_listed_with_its_reason(
    manifest, tmp_path, monkeypatch
):
    decode = video.decode
    monkeypatch.setattr(
        shards.video,
        "decode",
        lambda path, *more, **options: (broken if path.endswith("b/1.avi") else decode)(
            path, *more, **options
        ),
    )
    paths = make(manifest, tmp_path)
    with pytest.raises(BrokenVideosError, match=r"1 of 6 videos \(16\.67%\) are broken"):
        pack(manifest, paths, tmp_path, max_broken=0.1)
    reader = open_clips(pack(manifest, paths, tmp_path, max_broken=0.2))
    assert "b/1" not in reader.videos
    assert len(reader.videos) == 5
    (row,) = pd.read_csv(tmp_path / "broken.csv").to_dict("records")
    assert (row["id"], row["stage"]) == ("b/1", "frames")
    assert row["reason"] == "no decodable frame"


@pytest.mark.parametrize("how", ["replaced", "gone"])
def test_a_video_that_is_not_the_manifests_is_named(manifest, tmp_path, how):
    path = tmp_path / "videos/b/1.avi"
    path.write_bytes(b"") if how == "replaced" else path.unlink()
    with pytest.raises(shards.ReplacedError, match=rf"videos/b/1\.avi (was|is) {how}.*manifest"):
        make(manifest, tmp_path)
    assert not (tmp_path / "frames/1.h5").exists()


def test_an_empty_shard_is_made_and_packed(manifest, tmp_path):
    paths = make(manifest, tmp_path)
    shards.frames(manifest, 7, FRAMES, tmp_path / "frames/7.h5")
    shards.flow_shard(tmp_path / "frames/7.h5", FLOW, tmp_path / "flow/7.h5")
    more = {kind: [*found, tmp_path / f"{kind}/7.h5"] for kind, found in paths.items()}
    assert len(open_clips(pack(manifest, more, tmp_path)).videos) == 6


def test_a_class_without_usable_videos_keeps_its_label(manifest, tmp_path, monkeypatch):
    decode = video.decode
    monkeypatch.setattr(
        shards.video,
        "decode",
        lambda path, *more, **options: (broken if "/a/" in path else decode)(
            path, *more, **options
        ),
    )
    reader = open_clips(pack(manifest, make(manifest, tmp_path), tmp_path, max_broken=0.9))
    assert reader.extra["classes"] == ["a", "b"]
    assert set(table(reader)["label"]) == {1}


def test_no_usable_video_is_an_error(tmp_path, request):
    for name in "ab":
        (tmp_path / f"videos/{name}").mkdir(parents=True)
        (tmp_path / f"videos/{name}/x.avi").write_text("text")
    entry = {"kind": "folder", "videos": str(tmp_path / "videos"), "csv": None, "test_share": 0.5}
    schema = request.config.rootpath / "workflow/schemas/manifest.schema.yaml"
    with pytest.raises(DataSetError, match="usable"):
        make_manifest(entry, "mine", 1, 1.0, schema)
