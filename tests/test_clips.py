"""Sampling in time, paired transforms, data sets and loaders."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dsnet import clips, flow
from dsnet.clips import Crop, EpochBatches, TestClips, TrainingClips, Videos
from dsnet.distributed import Processes

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "crop": 16,
    "scales": [1.0, 0.5],
    "rgb_mean": [114.7748, 107.7354, 99.4750],
    "flow_mean": 127.5,
}


def transform(frames, modality, crop, settings):
    """(C, T, side, side) of one clip, as a network sees it."""
    area = clips.WHOLE if crop is None else crop.area
    shown = [frame[area] for frame in frames]
    if modality == "flow":
        shown = [frame[..., plane] for frame in shown for plane in (0, 1)]
    clip = clips.cut(shown, modality, crop, settings["crop"])
    return clips.normalise(clip[None], modality, settings)[0]


def smooth(rng, height, width, channels, frames=2):
    """Frames without detail, which resizing hardly changes."""
    coarse = rng.integers(0, 256, (frames, 4, 4, channels)).astype(np.uint8)
    return [cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse]


def test_scoring_positions_by_hand():
    def listed(frames, length):
        return [p.tolist() for p in clips.scoring_positions(frames, length)]

    assert listed(8, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert listed(11, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]  # the tail is dropped
    assert listed(3, 7) == [[0, 1, 2, 0, 1, 2, 0]]  # a short video is looped
    assert listed(1, 2) == [[0, 0]]


def test_a_few_test_clips_are_spread_over_the_video():
    def starts(frames, most):
        return [int(p[0]) for p in clips.scoring_positions(frames, 4, most)]

    assert starts(20, 1) == [8]
    assert starts(16, 1) == [8]
    assert starts(24, 2) == [4, 16]
    assert starts(40, 3) == [4, 20, 32]
    assert starts(11, 3) == [0, 4]  # there are only two
    assert starts(3, 1) == [0]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 30))
def test_a_few_test_clips_are_some_of_all(frames, length, most):
    every = [p.tolist() for p in clips.scoring_positions(frames, length)]
    some = [p.tolist() for p in clips.scoring_positions(frames, length, most)]
    assert len(some) == min(most, len(every))
    assert some == [positions for positions in every if positions in some]
    # As many are left out before the first as after the last, but for one.
    before, after = every.index(some[0]), len(every) - 1 - every.index(some[-1])
    assert abs(before - after) <= 1 or len(some) > len(every) // 2


@pytest.mark.parametrize("length", [16, 64])
def test_test_clips_begin_at_multiples_of_their_length(length):
    starts = {length - 1: [0], length: [0], length + 1: [0], 2 * length - 1: [0]}
    starts |= {2 * length: [0, length], 2 * length + 1: [0, length], 5: [0]}
    for frames, expected in starts.items():
        found = clips.scoring_positions(frames, length)
        assert [p[0] for p in found] == expected
        for first, positions in zip(expected, found, strict=True):
            own = [(first + i) % frames for i in range(length)]  # looped only where too short
            assert positions.tolist() == own


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**32))
def test_training_positions_are_consecutive_and_inside(frames, length, seed):
    positions = clips.training_positions(np.random.default_rng(seed), frames, length)
    assert len(positions) == length
    assert (positions >= 0).all()
    assert (positions < frames).all()
    assert ((np.diff(positions) == 1) | (positions[1:] == 0)).all()
    if frames >= length:
        assert (np.diff(positions) == 1).all()


def test_training_positions_reach_every_start():
    rng = np.random.default_rng(0)
    starts = {int(clips.training_positions(rng, 10, 7)[0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}


def test_crops_are_the_corners_and_the_centre_at_each_scale():
    rng = np.random.default_rng(0)
    drawn = {clips.draw_crop(rng, 240, 320, [1.0, 0.84089], False) for _ in range(400)}
    whole = {Crop(x, 0, 240) for x in (0, 40, 80)}
    side = 201  # int(240 x 0.84089)
    places = [(59, 19), (0, 0), (119, 0), (0, 39), (119, 39)]
    assert drawn == whole | {Crop(x, y, side) for x, y in places}


# Side at each scale, 2^(-k/4) of 256, to the left and top corner of the right-hand bottom crop and
# of the central one, which MARS has a pixel further where the side is odd.
SQUARE = {
    256: (0, 0, 0, 0),
    215: (41, 41, 20, 20),
    181: (75, 75, 37, 37),
    152: (104, 104, 52, 52),
    128: (128, 128, 64, 64),
}
WIDE = {
    256: (84, 0, 42, 0),
    215: (125, 41, 62, 20),
    181: (159, 75, 79, 37),
    152: (188, 104, 94, 52),
    128: (212, 128, 106, 64),
}


@pytest.mark.parametrize(("width", "crops"), [(256, SQUARE), (340, WIDE)])
def test_the_papers_crops_worked_out_by_hand(width, crops):
    paper = yaml.safe_load((ROOT / "experiments/paper.yaml").read_text(encoding="utf-8"))
    scales = paper["clips"]["scales"]
    assert scales == pytest.approx([1, 0.84089641525, 0.70710678118, 0.59460355750, 0.5])
    rng = np.random.default_rng(0)
    drawn = Counter(clips.draw_crop(rng, 256, width, scales, False) for _ in range(5000))
    expected = Counter()
    for side, (right, bottom, x, y) in crops.items():
        for place in ((x, y), (0, 0), (right, 0), (0, bottom), (right, bottom)):
            expected[Crop(*place, side)] += 200  # scales and places are equally likely
    assert drawn.keys() == expected.keys()
    assert all(0.7 < drawn[crop] / count < 1.3 for crop, count in expected.items())


def test_half_of_the_crops_are_mirrored_where_that_is_allowed():
    rng = np.random.default_rng(1)
    share = np.mean([clips.draw_crop(rng, 8, 8, [1.0], True).flip for _ in range(2000)])
    assert 0.45 < share < 0.55
    assert not any(clips.draw_crop(rng, 8, 8, [1.0], False).flip for _ in range(100))


def test_an_unscaled_crop_shows_exactly_those_pixels_minus_the_mean():
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 256, (20, 30, 3)).astype(np.uint8) for _ in range(3)]
    clip = transform(frames, "rgb", Crop(5, 2, 16), SETTINGS)
    assert clip.shape == (3, 3, 16, 16)
    assert clip.dtype == torch.float32
    expected = np.stack(frames)[:, 2:18, 5:21].astype(np.float32) - np.float32(SETTINGS["rgb_mean"])
    np.testing.assert_array_equal(clip.numpy(), expected.transpose(3, 0, 1, 2))


def test_mirroring_reverses_the_columns_and_negates_x_flow_exactly():
    rng = np.random.default_rng(3)
    frames = [rng.integers(0, 256, (16, 16, 2)).astype(np.uint8) for _ in range(2)]
    plain = transform(frames, "flow", Crop(0, 0, 16), SETTINGS)
    mirrored = transform(frames, "flow", Crop(0, 0, 16, flip=True), SETTINGS)
    assert torch.equal(mirrored[0], -plain[0].flip(-1))
    assert torch.equal(mirrored[1], plain[1].flip(-1))


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 32), st.integers(0, 8), st.integers(0, 4), st.integers(0, 2**32))
def test_mirroring_stores_255_minus_v_whatever_the_crop(side, x, y, seed):
    frames = [np.random.default_rng(seed).integers(0, 256, (36, 40, 2), np.uint8)]
    plain, mirrored = (
        transform(frames, "flow", Crop(x, y, side, flip), {**SETTINGS, "flow_mean": 0})
        for flip in (False, True)
    )
    assert torch.equal(mirrored[0], 255 - plain[0].flip(-1))
    assert torch.equal(mirrored[1], plain[1].flip(-1))


def test_255_minus_v_is_the_stored_value_of_the_negated_flow():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(flow.encode(-flow.decode(values, 20), 20), 255 - values)


def test_mirroring_rgb_keeps_the_colours():
    rng = np.random.default_rng(4)
    frames = [rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)]
    plain = transform(frames, "rgb", Crop(0, 0, 16), SETTINGS)
    assert torch.equal(transform(frames, "rgb", Crop(0, 0, 16, True), SETTINGS), plain.flip(-1))


def test_rgb_and_flow_of_a_pair_show_the_same_pixels():
    rng = np.random.default_rng(5)
    plane = smooth(rng, 40, 60, 1, 1)[0]
    rgb, flow = [np.dstack([plane] * 3)], [np.dstack([plane] * 2)]
    mean = {**SETTINGS, "rgb_mean": [127.5] * 3}
    for crop in (None, Crop(10, 5, 20), Crop(0, 10, 30)):
        a, b = transform(rgb, "rgb", crop, mean), transform(flow, "flow", crop, mean)
        assert torch.equal(a[:2], b)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(32, 64, (slice(0, 16), slice(8, 24))), (64, 32, (slice(8, 24), slice(0, 16)))],
)
def test_the_test_transform_scales_the_short_side_and_takes_the_centre(height, width, expected):
    frame = smooth(np.random.default_rng(6), height, width, 3, 1)[0]
    size = (width // 2, height // 2)
    whole = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
    found = transform([frame], "rgb", None, {**SETTINGS, "rgb_mean": [0, 0, 0]})
    shown = found[:, 0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shown, whole[expected].astype(float), atol=1)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (112, 112, (0, 111, 0, 111)),
        (256, 256, (0.64, 254.36, 0.64, 254.36)),
        (224, 298, (36.5, 258.5, 0.5, 222.5)),  # 112 x 149, from column 18
        (256, 340, (41.71, 295.00, 0.64, 254.36)),
        (340, 256, (0.64, 254.36, 41.71, 295.00)),
        (240, 320, (39.23, 277.62, 0.57, 238.43)),
    ],
)
def test_the_centre_crop_worked_out_by_hand(height, width, expected):
    """The pixels that the first and last column and row show: (i + 0.5) x width / 149 - 0.5."""
    y, x = np.mgrid[:height, :width] // 2
    rgb, planes = np.dstack([x, y, x]).astype(np.uint8), np.dstack([x, y]).astype(np.uint8)
    means = {"crop": 112, "rgb_mean": [0, 0, 0], "flow_mean": 0}
    a, b = (transform([f], m, None, means)[:2, 0] for f, m in ((rgb, "rgb"), (planes, "flow")))
    for clip in (a, b):
        found = [clip[0, 60, 0], clip[0, 60, -1], clip[1, 0, 60], clip[1, -1, 60]]
        assert 2 * np.array(found) == pytest.approx(np.array(expected), abs=1.5)


@pytest.mark.parametrize("side", [15, 16, 20, 40, 64])
@pytest.mark.parametrize("channels", [2, 3])
def test_crops_are_resized_as_mars_does_with_pillow(side, channels):
    frame = np.random.default_rng(7).integers(0, 256, (64, 80, channels), np.uint8)
    settings = {**SETTINGS, "rgb_mean": [0, 0, 0], "flow_mean": 0}
    modality = "rgb" if channels == 3 else "flow"
    for frames in ([frame], [frame, frame[::-1]], [frame, frame[::-1], frame[:, ::-1]]):
        found = transform(frames, modality, Crop(9, 0, side), settings)
        for number, whole in enumerate(frames):
            part = whole[:side, 9 : 9 + side]
            for plane in range(channels):
                image = Image.fromarray(np.ascontiguousarray(part[..., plane]))
                expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
                np.testing.assert_allclose(found[plane, number].numpy(), expected, atol=1)


@pytest.fixture
def videos(tmp_path, make_clips):
    reader = clips.open_clips(make_clips(tmp_path / "clips.h5"))
    table = clips.table(reader)
    table = table[table["split1"] == "train"]
    return Videos(reader, list(table["id"]), list(table["label"]), ("rgb", "flow"), 4, SETTINGS)


def epoch(dataset, number, workers, context=None):
    batches = clips.training_loader(dataset, 4, workers)
    batches.batch_sampler.epoch = number
    if context:
        batches.multiprocessing_context = context
    return [(batch["rgb"], batch["flow"], labels) for batch, labels in batches]


@pytest.mark.parametrize(
    ("workers", "context"), [(1, "fork"), (1, "spawn"), (4, "fork"), (4, "spawn")]
)
def test_clips_do_not_depend_on_the_number_of_workers(videos, workers, context):
    dataset = TrainingClips(videos, 3, True)
    alone, helped = epoch(dataset, 1, 0), epoch(dataset, 1, workers, context)
    assert len(alone) == len(helped) == 3
    for a, b in zip(alone, helped, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_epochs_and_seeds_differ_and_repeat(videos):
    def first(seed, number):
        return TrainingClips(videos, seed, True)[(number, 0)][0]["rgb"]

    assert torch.equal(first(0, 0), first(0, 0))
    others = [first(0, 1), first(0, 2), first(1, 0), first(2, 0)]
    assert not all(torch.equal(first(0, 0), other) for other in others)
    orders = [[i for batch in EpochBatches(50, s, 8) for _, i in batch] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(50))


def test_training_draws_only_frames_that_rgb_and_flow_have(videos):
    assert videos.frames(0) == 8  # nine frames have eight flow fields
    clip, label = TrainingClips(videos, 0, False)[(0, 1)]
    assert clip["rgb"].shape == (4, 16, 16, 3)
    assert clip["flow"].shape == (4, 16, 16, 2)
    assert clip["rgb"].dtype == torch.uint8
    assert label == 1


def test_test_clips_cover_every_video_in_order(videos):
    dataset = TestClips(videos)
    assert dataset.owners.tolist() == [i for i in range(12) for _ in range(2)]
    assert dataset.owners.dtype == np.int64
    sizes = [len(labels) for _, labels in clips.scoring_loader(dataset, 5)]
    assert sizes == [5, 5, 5, 5, 4]
    assert len(dataset) == 24
    few = TestClips(videos, most=1)
    assert few.owners.tolist() == list(range(12))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_processes_score_every_clip_once_together(videos, count):
    dataset = TestClips(videos)
    together = [len(y) for _, y in clips.scoring_loader(dataset, len(dataset))]
    assert together == [24]
    ((whole, _),) = clips.scoring_loader(dataset, len(dataset))
    for rank in range(count):
        loader = clips.scoring_loader(dataset, len(dataset), 0, Processes(rank, count))
        ((own, _),) = loader
        assert torch.equal(own["rgb"], whole["rgb"][rank::count])


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_clips_that_are_no_squares_are_centred_too(modality):
    channels = {"rgb": 3, "flow": 2}[modality]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6, channels), np.uint8)
    found = clips.normalise(torch.from_numpy(pixels), modality, SETTINGS)
    mean = np.float64(SETTINGS["rgb_mean"] if modality == "rgb" else 127.5)
    assert found.dtype == torch.float32
    expected = np.moveaxis(pixels.astype(np.float64) - mean, -1, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_a_lonely_last_training_clip_is_dropped(videos):
    dataset = TrainingClips(videos, 0, False)
    sizes = [len(x[2]) for x in epoch_of_size(dataset, 11)]
    assert sizes == [11]
    assert [len(x[2]) for x in epoch_of_size(dataset, 10)] == [10, 2]


def epoch_of_size(dataset, size):
    return [(b["rgb"], b["flow"], y) for b, y in clips.training_loader(dataset, size)]


def test_an_epoch_leaves_no_memory_behind(tmp_path, make_clips):
    """Of its own; pages of the mapped file are the system's, which takes them back at need."""
    path = make_clips(tmp_path / "clips.h5")
    script = (
        "import sys, torch; from pathlib import Path; from dsnet import clips\n"
        "def own():\n"
        "    text = Path('/proc/self/status').read_text()\n"
        "    return int(text.split('RssAnon:')[1].split()[0])\n"
        "reader = clips.open_clips(sys.argv[1])\n"
        "settings = {'crop': 64, 'scales': [1.0, 0.5]}\n"
        "ids = [*reader.videos] * 40\n"
        "videos = clips.Videos(reader, ids, [0] * len(ids), ('rgb', 'flow'), 8, settings)\n"
        "batches = clips.training_loader(clips.TrainingClips(videos, 0, True), 8)\n"
        "for epoch in range(4):\n"
        "    batches.batch_sampler.epoch = epoch\n"
        "    moved = sum(x.numel() for batch, _ in batches for x in batch.values())\n"
        "    print(own(), moved // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert last[1] > 50_000  # what an epoch moves, in KiB
    assert last[0] - first[0] < 0.05 * 3 * last[1]
