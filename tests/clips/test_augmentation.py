"""Random changes of training clips: colours of RGB, and geometry of RGB and flow alike."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dsnet import clips
from dsnet.clips import ClipSource, TrainingClips
from dsnet.clips.augmentation import Augmentation, Change
from dsnet.experiment.augmentation import Augment
from dsnet.experiment.data import Clips

MEAN = [114.7748, 107.7354, 99.475]
STAY = np.zeros(2)
QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])  # x to y: clockwise, since y points down


def drawn(seed=0, **bounds):
    return Augmentation(Augment(**bounds), MEAN).draw(np.random.default_rng(seed))


def noise(seed, side, frames=2):
    rng = np.random.default_rng(seed)
    return {
        name: torch.from_numpy(rng.integers(0, 256, (frames, side, side, channels), np.uint8))
        for name, channels in (("rgb", 3), ("flow", 2))
    }


def textured(positions):
    """Grey values of a scene at positions (H, W, 2) in pixels, x and y; smooth, and never alike."""
    x, y = positions[..., 0], positions[..., 1]
    waves = np.sin(0.31 * x + 0.1 * y) + np.sin(0.27 * y - 0.13 * x) + np.sin(0.17 * (x + y) + 1)
    return 127.5 + 35 * waves


@pytest.mark.parametrize(
    "linear",
    [
        [[0.8, -0.6], [0.6, 0.8]],  # about 37 degrees
        [[0.8, 0.6], [-0.6, 0.8]],
        [[1.4, 0], [0, 1.4]],
        [[0.75, 0], [0, 0.75]],
        [[1, 0.4], [0, 1]],
    ],
)
def test_flow_of_a_changed_pair_is_the_changed_flow(linear):
    """A scene with a known motion, c + B p; OpenCV's Farneback sees how the changed frames move."""
    side, bound = 96, 8.0
    positions = np.stack(np.meshgrid(*[np.arange(side) - (side - 1) / 2] * 2), -1)
    steady, growing = np.array([2.0, -1.0]), np.array([[0.02, -0.03], [0.03, 0.02]])
    flow = steady + positions @ growing.T
    # The second frame at q shows what the first shows at p, q = p + c + B p.
    before = (positions - steady) @ np.linalg.inv(np.eye(2) + growing).T
    grey = np.stack([textured(positions), textured(before)]).round().astype(np.uint8)
    planes = np.rint((flow / bound + 1) * 127.5).astype(np.uint8)
    clip = {
        "rgb": torch.from_numpy(np.repeat(grey[..., None], 3, -1)),
        "flow": torch.from_numpy(np.stack([planes, planes])),
    }
    change = Change(None, np.array(linear), np.array([0.1, -0.05]), MEAN)
    changed = change(clip)
    first, second = (np.ascontiguousarray(frame[..., 0]) for frame in changed["rgb"].numpy())
    seen = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 5, 7, 1.5, 0)
    told = (changed["flow"][0].numpy() / 127.5 - 1) * bound
    # Where the frames show the scene, away from its border and theirs.
    whole = {"rgb": torch.full((1, side, side, 3), 255, dtype=torch.uint8)}
    scene = dataclasses.replace(change, fill=[0, 0, 0])(whole)["rgb"].numpy()[0, ..., 0]
    scene = cv2.copyMakeBorder(scene, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    valid = cv2.erode(scene, np.ones((25, 25)))[1:-1, 1:-1] == 255
    assert valid.mean() > 0.2
    error = np.abs(seen - told)[valid].mean()
    only_moved = np.abs(seen - told @ np.linalg.inv(linear).T)[valid].mean()
    assert error < 0.12
    assert only_moved > 0.2


@given(st.integers(4, 33), st.integers(0, 3), st.integers(0, 2**32))
def test_quarter_turns_are_exact(side, quarters, seed):
    clip = noise(seed, side)
    changed = Change(None, np.linalg.matrix_power(QUARTER, quarters), STAY, MEAN)(clip)
    turned = {
        name: np.rot90(frames.numpy(), -quarters, (1, 2)).astype(int)
        for name, frames in clip.items()
    }
    for _ in range(quarters):  # x-flow becomes y-flow, and y-flow becomes negated x-flow
        turned["flow"] = np.stack([255 - turned["flow"][..., 1], turned["flow"][..., 0]], -1)
    for name, frames in changed.items():
        assert frames.dtype == torch.uint8
        np.testing.assert_array_equal(frames.numpy(), turned[name])


@given(st.integers(4, 33), st.integers(0, 2**32))
def test_a_reflection_is_the_mirroring_of_the_crops(side, seed):
    rng = np.random.default_rng(seed)
    loaded = {
        "rgb": list(rng.integers(0, 256, (2, side, side, 3), np.uint8)),
        "flow": list(rng.integers(0, 256, (4, side, side), np.uint8)),
    }
    plain, mirrored = (
        {m: clips.to_square(loaded[m], m, clips.Crop(0, 0, side, flip), side) for m in loaded}
        for flip in (False, True)
    )
    reflected = Change(None, np.diag([-1.0, 1.0]), STAY, MEAN)(plain)
    assert all(torch.equal(reflected[name], mirrored[name]) for name in mirrored)


def test_zoom_multiplies_flow_and_clips_it_at_the_bound():
    values = torch.tensor([[255, 200], [0, 100]], dtype=torch.uint8)
    flow = values[:, None, None].expand(2, 9, 9, 2)
    found = Change(None, 1.2 * np.eye(2), STAY, MEAN)({"flow": flow})["flow"][:, 4, 4]
    expected = 127.5 + 1.2 * (values.double() - 127.5)
    assert (found - expected.clamp(0, 255)).abs().max() <= 0.5
    assert (found[0, 0], found[1, 0]) == (255, 0)


def test_a_shift_moves_both_alike_and_shows_the_mean_and_no_motion_beyond_the_border():
    clip = noise(1, 8)
    found = Change(None, np.eye(2), np.array([0.25, -0.125]), MEAN)(clip)
    for name, fill in (("rgb", [115, 108, 99]), ("flow", [128, 128])):
        assert torch.equal(found[name][:, :7, 2:], clip[name][:, 1:, :6])
        beyond = torch.cat([found[name][:, 7:].flatten(0, 2), found[name][:, :, :2].flatten(0, 2)])
        assert (beyond == torch.tensor(fill)).all()


def test_colours_change_alike_in_all_frames_and_flow_has_none():
    clip = noise(2, 8)
    clip["rgb"] = clip["rgb"][:1].expand(3, -1, -1, -1).contiguous()
    found = drawn(3, brightness=0.2, contrast=0.3, saturation=0.5, hue=30)(clip)
    assert torch.equal(found["flow"], clip["flow"])
    assert not torch.equal(found["rgb"], clip["rgb"])
    assert torch.equal(found["rgb"], found["rgb"][:1].expand_as(found["rgb"]))


def colour(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0):
    """The change by these values at the bounds of what may be drawn."""
    own = Augmentation(Augment(brightness=1, contrast=1, saturation=1, hue=180), MEAN)
    return Change(own._colour(brightness, contrast, saturation, hue), None, STAY, MEAN)


def test_colours_against_pillow_and_by_hand():
    pixels = noise(4, 16)["rgb"]
    grey = colour(saturation=-1)({"rgb": pixels})["rgb"]
    luma = np.stack([np.asarray(Image.fromarray(frame.numpy()).convert("L")) for frame in pixels])
    assert np.abs(grey.numpy().astype(int) - luma[..., None]).max() <= 1
    third = colour(hue=2 / 3)({"rgb": pixels})["rgb"].int()  # 120 degrees: red to green to blue
    assert (third - pixels[..., [2, 0, 1]].int()).abs().max() <= 1
    brighter = colour(brightness=0.2)({"rgb": pixels})["rgb"].int()
    assert (brighter - (pixels.int() + 51).clamp(max=255)).abs().max() <= 1
    flat = colour(contrast=-1)({"rgb": pixels})["rgb"].double()
    assert (flat - np.dot([0.299, 0.587, 0.114], MEAN)).abs().max() <= 1
    greys = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    kept = colour(saturation=0.7, hue=0.3)({"rgb": greys.contiguous()})["rgb"]
    assert (kept.int() - greys.int()).abs().max() <= 1  # grey has neither


def test_draws_keep_to_their_bounds_and_reach_them():
    augmentation = Augmentation(Augment(rotation=20, zoom=0.25, shift=0.1), MEAN)
    changes = [augmentation.draw(np.random.default_rng(seed)) for seed in range(300)]
    angles = np.degrees([np.arctan2(c.linear[1, 0], c.linear[0, 0]) for c in changes])
    zooms = np.sqrt([np.linalg.det(change.linear) for change in changes])
    shifts = np.array([change.shift for change in changes])
    for found, low, high in ((angles, -20, 20), (zooms, 0.8, 1.25), (shifts, -0.1, 0.1)):
        span = high - low
        assert low <= found.min() < low + 0.05 * span
        assert high - 0.05 * span < found.max() <= high
    assert all(change.colour is None for change in changes)
    sheared = drawn(shear=20).linear
    assert sheared[1].tolist() == [0, 1]
    assert 0 < abs(sheared[0, 1]) <= np.tan(np.radians(20))


def test_a_key_does_not_change_what_others_draw():
    alone, both = drawn(5, rotation=10), drawn(5, rotation=10, hue=20, shift=0.1)
    np.testing.assert_array_equal(alone.linear, both.linear)
    assert alone.shift.tolist() == [0, 0]


@pytest.fixture
def videos(tmp_path, make_clips):
    reader = clips.open_clips(make_clips(tmp_path / "clips.h5"))
    ids = [f"train/{index}" for index in range(6)]
    settings = Clips(crop=16, scales=[1.0, 0.5])
    return ClipSource(reader, ids, [0, 1] * 3, ("rgb", "flow"), 4, settings)


def test_items_are_those_without_augmentation_changed_by_a_draw_of_their_own(videos):
    augmentation = Augmentation(Augment(rotation=30, brightness=0.3), MEAN)
    plain, changed = TrainingClips(videos, 3, True), TrainingClips(videos, 3, True, augmentation)
    linears = set()
    for key in [(epoch, index) for epoch in range(2) for index in range(6)]:
        rng = np.random.default_rng((3, *key))
        clips.training_positions(rng, videos.frames(key[1]), 4)
        clips.draw_crop(rng, *videos.size(key[1]), videos.settings.scales, True)
        change = augmentation.draw(rng)
        linears.add(change.linear.tobytes())
        (before, label), (after, same_label) = plain[key], changed[key]
        expected = change(before)
        assert label == same_label
        assert all(torch.equal(after[name], expected[name]) for name in expected)
        assert not torch.equal(after["rgb"], before["rgb"])
    assert len(linears) == 12
