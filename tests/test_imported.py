"""Frames and flow that are there as images, from their folders to clips.h5."""

import functools
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from layouts import write

from dsnet import images, imported, shards, video
from dsnet.clips import open_clips
from dsnet.datasets.manifest import make_manifest, write_manifest
from dsnet.experiment.data import LAYOUTS, TVL1, Imported
from dsnet.experiment.specs import FlowSpec, FramesSpec
from dsnet.flow import of_spec
from dsnet.flow.backends import BackendError
from dsnet.flow.planes import encode, resize
from dsnet.models import CheckpointError, check_flow
from dsnet.store import Reader

FRAMES = FramesSpec(fps=25, size=32)
SMALL = TVL1(nscales=2, warps=1, inner_iterations=3, outer_iterations=1)
COUNT = 5  # frames of a video


def computing(rounding):
    return FlowSpec(bound=5, rounding=rounding, tvl1=SMALL)


def importing(layout, **more):
    own, settings = Imported(layout=layout, bound=5), {"bound": 5, **more}
    return FlowSpec(algorithm="imported", imported=own, rounding=LAYOUTS[layout], **settings)


@pytest.fixture(scope="module")
def schema(request):
    return request.config.rootpath / "workflow/schemas/manifest.schema.yaml"


@pytest.fixture(scope="module")
def make(schema, tmp_path_factory):
    """A maker of clips.h5 from the videos or the images in a folder; its broken.csv is beside."""

    def made(videos, flow, frames=FRAMES, max_broken=0.0, **entry):
        folder = tmp_path_factory.mktemp("made")
        listed = {"kind": "folder", "videos": str(videos), "csv": None, "test_share": 0.3, **entry}
        manifest, rgb, planes = (folder / name for name in ("manifest.csv", "rgb.h5", "flow.h5"))
        write_manifest(make_manifest(listed, "mine", 1, max_broken, schema), manifest)
        shards.frames(manifest, 0, frames, rgb)
        if flow.algorithm == "imported":
            imported.flow_shard(manifest, rgb, flow, planes)
        else:
            shards.flow_shard(rgb, flow, planes)
        packed = (folder / "clips.h5", folder / "broken.csv")
        shards.pack(manifest, [rgb], [planes], "Mine", max_broken, *packed)
        return packed[0]

    return made


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two videos of each of two classes, 64 by 48 pixels."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for number in range(4):
        image = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8), (0, 0), 2)
        path = folder / f"{'ab'[number % 2]}/{number}.avi"
        path.parent.mkdir(exist_ok=True)
        video.encode(path, [np.roll(image, shift, axis=1) for shift in range(COUNT)])
    return folder


@pytest.fixture(scope="module")
def computed(videos, make):
    """A maker of clips.h5 with the flow of a layout's rounding, and lossless frames."""
    raw = FRAMES.model_copy(update={"quality": "raw"})
    return functools.cache(lambda rounding: make(videos, computing(rounding), raw))


def as_images(clips, folder, layout, **more):
    """Write what a clips.h5 holds into folders, a video each."""
    reader = Reader(clips)
    for id in reader.videos:
        frames = [images.decode(np.frombuffer(i, np.uint8), False) for i in reader.items(id, "rgb")]
        write(folder / id, frames, reader.items(id, "flow"), layout, **more)
    return folder


@pytest.fixture
def written(computed, tmp_path):
    """A maker of a folder of images of a layout."""
    return lambda layout: as_images(computed(LAYOUTS[layout]), tmp_path / "images", layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_imported_is_what_was_computed(layout, computed, written, make):
    expected, folder = Reader(computed(LAYOUTS[layout])), written(layout)
    raw = FRAMES.model_copy(update={"quality": "raw"})
    found = open_clips(make(folder, importing(layout), raw, images_fps=25))
    assert list(found.videos) == list(expected.videos) == ["a/0", "a/2", "b/1", "b/3"]
    for id in found.videos:
        assert found.items(id, "rgb") == expected.items(id, "rgb")
        assert found.items(id, "flow") == expected.items(id, "flow")  # byte by byte
    assert found.extra["flow_backends"] == [f"imported from images of layout {layout}"]
    origin = found.extra["imported"]["a/0"]
    digest = video.source_digest(folder / "a/0")
    assert origin == {"path": str(folder / "a/0"), "digest": digest}
    own = {"layout": layout, "bound": 5}
    assert found.spec["flow"]["algorithm"] == "imported"
    assert found.spec["flow"]["imported"] == own
    assert not {"tvl1", "backend", "semantics"} & found.spec["flow"].keys()
    assert "imported" not in expected.extra | expected.spec["flow"]


def test_flow_of_another_size_or_bound_is_resized_with_its_vectors(videos, make, tmp_path):
    large = make(videos, computing("truncate"), FRAMES.model_copy(update={"size": 64}))
    folder = as_images(large, tmp_path / "large", "mars", suffix="jpg")
    found = Reader(make(folder, importing("mars", bound=2), images_fps=25))
    before, after = (
        np.stack([images.decode(np.frombuffer(i, np.uint8), True) for i in r.items("a/0", "flow")])
        for r in (Reader(large), found)
    )
    assert after.shape == (2 * COUNT - 2, 32, 32)
    # Twice as small and of a bound 2.5 times as small: 1.25 times as far from the middle.
    means = [planes.mean(axis=(1, 2)) - 127 for planes in (before, after)]
    assert np.abs(means[0]).max() > 10
    assert means[1] == pytest.approx(1.25 * means[0], abs=1.5)


def test_vectors_are_scaled_by_width_and_height():
    constant = np.zeros((40, 60, 2), np.float32) + np.array([8, -4], np.float32)
    for rounding in ("nearest", "truncate"):
        planes = encode(constant, 20, rounding)
        found = resize(planes, (20, 90), (20, 16), rounding)
        expected = encode(np.array([[[8 * 90 / 60, -4 * 20 / 40]]]), 16, rounding)
        assert found.shape == (20, 90, 2)
        assert np.abs(found.astype(int) - expected).max() <= 1
        for bound in (1, 20, 32):
            assert (resize(planes, (40, 60), (bound, bound), rounding) == planes).all()


def test_flow_of_the_frames_size_and_another_bound_is_mapped_to_8_bits_again(
    computed, written, make
):
    found = make(written("denseflow"), importing("denseflow", bound=2), images_fps=25)
    stored, read = (
        np.stack([images.decode(np.frombuffer(i, np.uint8), True) for i in r.items("a/0", "flow")])
        for r in (Reader(computed("nearest")), Reader(found))
    )
    pixels = (stored.astype(float) - 127.5) * 10 / 255
    difference = np.abs(read - (pixels.clip(-2, 2) * 255 / 4 + 127.5))
    assert difference.mean() < 1  # JPEG
    assert np.abs(stored.astype(float) - read).mean() > 3


def test_smaller_flow_is_the_mean_of_the_pixels_that_it_replaces():
    field = np.zeros((8, 8, 2), np.float32)
    field[:, ::2] = [4, -8]
    found = resize(encode(field, 20), (4, 4), (20, 20), "nearest")
    assert np.abs(found.astype(int) - encode(np.array([1.0, -2.0]), 20)).max() <= 1


def test_flow_that_grows_linearly_still_does_when_it_is_resized():
    x = np.arange(64) + 0.5
    field = np.stack(np.broadcast_arrays((x - 32) / 8, np.zeros((48, 1))), axis=-1)
    found = resize(encode(field, 20), (24, 32), (20, 20), "nearest")[..., 0]
    expected = encode(np.broadcast_to((np.arange(32) + 0.5 - 16) / 8, (24, 32)), 20)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_flow_is_stored_raw_if_the_spec_says_so(computed, written, make):
    flow = importing("denseflow", quality="raw")
    imported_raw = make(written("denseflow"), flow, images_fps=25)
    pairs = [Reader(path).items("b/1", "flow") for path in (computed("nearest"), imported_raw)]
    jpeg, raw = ([images.decode(np.frombuffer(i, np.uint8), True) for i in each] for each in pairs)
    assert pairs[1][0].startswith(b"P5\n")
    assert np.array_equal(jpeg, raw)


def damaged(name):
    return lambda folder: (folder / name).write_bytes(b"")


def renamed(old, new):
    return lambda folder: [
        path.rename(folder / path.name.replace(old, new)) for path in folder.glob(f"{old}*")
    ]


def resized(name):
    def change(folder):
        (folder / name).write_bytes(images.encode(np.zeros((9, 9), np.uint8), 95))

    return change


@pytest.mark.parametrize(
    ("change", "stage", "reason"),
    [
        (damaged("img_00002.png"), "manifest", "img_00002.png cannot be read as an image"),
        (resized("img_00002.png"), "manifest", "img_00002.png is 9x9, and img_00000.png is 32x32"),
        (lambda f: (f / "img_00002.png").unlink(), "manifest", "img_00002.png is missing"),
        (lambda f: (f / "flow_y_00001.jpg").unlink(), "flow", "flow_y_00001.jpg is missing"),
        (lambda f: (f / "flow_y_00003.jpg").unlink(), "flow", "3 images flow_y_NUMBER"),
        (lambda f: (f / "img_00004.png").unlink(), "flow", "expected 3 from 0 on, for 4 frames"),
        (lambda f: (f / "flow_x_00000.jpg").unlink(), "flow", "3 images flow_x_NUMBER"),
        (renamed("img_", "img_1"), "flow", "from 0 on; expected 4 from 100000 on"),
        (renamed("flow_x_", "flow_x_p2_"), "flow", "no images flow_x_NUMBER"),
        (damaged("flow_x_00001.jpg"), "flow", "flow_x_00001.jpg cannot be read as an image"),
        (resized("flow_y_00003.jpg"), "flow", "flow_y_00003.jpg has another size"),
    ],
)
def test_a_folder_that_cannot_be_used_is_listed_with_the_reason(
    change, stage, reason, written, make
):
    folder = written("denseflow")
    change(folder / "a/0")
    found = make(folder, importing("denseflow"), images_fps=25, max_broken=0.5)
    assert list(Reader(found).videos) == ["a/2", "b/1", "b/3"]
    (row,) = pd.read_csv(found.with_name("broken.csv")).to_dict("records")
    assert (row["id"], row["stage"]) == ("a/0", stage)
    assert reason in row["reason"]


def test_images_that_changed_after_the_manifest_are_refused(written, make, tmp_path):
    folder = written("mars")
    clips = make(folder, importing("mars"), images_fps=25)
    shutil.copy(folder / "a/0/TVL1jpg_x_00001.jpg", folder / "a/0/TVL1jpg_x_00002.jpg")
    parts = [clips.with_name(name) for name in ("manifest.csv", "rgb.h5")]
    with pytest.raises(shards.ReplacedError, match="a/0 was replaced or changed after"):
        imported.flow_shard(*parts, importing("mars"), tmp_path / "flow.h5")
    (tmp_path / "images/a/0").rename(tmp_path / "elsewhere")
    with pytest.raises(shards.ReplacedError, match="a/0 is gone"):
        imported.flow_shard(*parts, importing("mars"), tmp_path / "flow.h5")


def test_an_interrupted_import_goes_on_unless_the_images_changed(
    written, make, tmp_path, schema, monkeypatch
):
    folder = written("mars")
    clips = make(folder, importing("mars"), images_fps=25)
    manifest, rgb, whole = (clips.with_name(n) for n in ("manifest.csv", "rgb.h5", "flow.h5"))
    planes, calls = imported.planes, []

    def failing(path, *more):
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return planes(path, *more)

    monkeypatch.setattr(imported, "planes", failing)
    output = tmp_path / "again.h5"
    with pytest.raises(KeyboardInterrupt):
        imported.flow_shard(manifest, rgb, importing("mars"), output)
    imported.flow_shard(manifest, rgb, importing("mars"), output)
    assert len(calls) == 5  # two, the failure, two
    assert Reader(output).digest == Reader(whole).digest
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        imported.flow_shard(manifest, rgb, importing("mars"), output)
    shutil.copy(folder / "a/0/TVL1jpg_x_00001.jpg", folder / "a/0/TVL1jpg_x_00002.jpg")
    entry = {"kind": "folder", "videos": str(folder), "test_share": 0.3, "images_fps": 25}
    write_manifest(make_manifest(entry, "mine", 1, 0, schema), manifest)
    imported.flow_shard(manifest, rgb, importing("mars"), output)
    first, second = Reader(output).items("a/0", "flow")[:4:2]
    assert first == second


def test_more_of_imported_flow_is_not_computed():
    with pytest.raises(BackendError, match=r"it was imported.*use an RGB stream"):
        of_spec(importing("mars"))


def test_a_model_takes_flow_of_the_origin_that_it_was_trained_on_alone():
    specs = [computing("truncate"), importing("mars"), importing("denseflow")]
    data = [{"flow": spec.values()} for spec in specs]
    for number, known in enumerate(data):
        content = {"input": "flow", "data": known}
        for other, found in enumerate(data):
            if other == number:
                check_flow(content, found, "model.pt")
            else:
                with pytest.raises(CheckpointError, match="trained on flow by"):
                    check_flow(content, found, "model.pt")
    with pytest.raises(CheckpointError, match=r"by imported \(mars\), and .* by tvl1;"):
        check_flow({"input": "flow", "data": data[1]}, data[0], "model.pt")
