"""Paired transforms of RGB and flow."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dsnet import clips, flow
from dsnet.clips import Crop
from dsnet.experiment.data import Clips

SETTINGS = Clips(crop=16, scales=[1.0, 0.5], rgb_mean=[114.7748, 107.7354, 99.475], flow_mean=127.5)


def transform(frames, modality, crop, settings):
    """(C, T, side, side) of one clip, as a network sees it."""
    area = clips.WHOLE if crop is None else crop.area
    shown = [frame[area] for frame in frames]
    if modality == "flow":
        shown = [frame[..., plane] for frame in shown for plane in (0, 1)]
    clip = clips.to_square(shown, modality, crop, settings.crop)
    return clips.normalise(clip[None], modality, settings)[0]


def smooth(rng, height, width, channels, frames=2):
    """Frames without detail, which resizing hardly changes."""
    coarse = rng.integers(0, 256, (frames, 4, 4, channels)).astype(np.uint8)
    return [cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse]


def test_an_unscaled_crop_shows_exactly_those_pixels_minus_the_mean():
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 256, (20, 30, 3)).astype(np.uint8) for _ in range(3)]
    clip = transform(frames, "rgb", Crop(5, 2, 16), SETTINGS)
    assert clip.shape == (3, 3, 16, 16)
    assert clip.dtype == torch.float32
    expected = np.stack(frames)[:, 2:18, 5:21].astype(np.float32) - np.float32(SETTINGS.rgb_mean)
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
        transform(
            frames, "flow", Crop(x, y, side, flip), SETTINGS.model_copy(update={"flow_mean": 0})
        )
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
    mean = SETTINGS.model_copy(update={"rgb_mean": [127.5] * 3})
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
    found = transform([frame], "rgb", None, SETTINGS.model_copy(update={"rgb_mean": [0, 0, 0]}))
    shown = found[:, 0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shown, whole[expected].astype(float), atol=1)


@pytest.mark.parametrize("width", [256, 258, 341, 342, 427, 454, 455, 461, 597])
@pytest.mark.parametrize("upright", [False, True])
def test_frames_of_any_aspect_are_scaled_and_cropped_as_by_mars_with_pillow(width, upright):
    shape = (width, 256) if upright else (256, width)
    frame = np.random.default_rng(8).integers(0, 256, (*shape, 3), np.uint8)
    size = (112, int(112 * width / 256))
    scaled = Image.fromarray(frame).resize(
        size if upright else size[::-1], Image.Resampling.BILINEAR
    )
    x, y = (round((side - 112) / 2) for side in scaled.size)
    expected = np.asarray(scaled.crop((x, y, x + 112, y + 112))).astype(float)
    found = transform(
        [frame], "rgb", None, SETTINGS.model_copy(update={"crop": 112, "rgb_mean": [0, 0, 0]})
    )
    np.testing.assert_allclose(found[:, 0].permute(1, 2, 0).numpy(), expected, atol=1)


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
    means = Clips(crop=112, rgb_mean=[0, 0, 0], flow_mean=0)
    a, b = (transform([f], m, None, means)[:2, 0] for f, m in ((rgb, "rgb"), (planes, "flow")))
    for clip in (a, b):
        found = [clip[0, 60, 0], clip[0, 60, -1], clip[1, 0, 60], clip[1, -1, 60]]
        assert 2 * np.array(found) == pytest.approx(np.array(expected), abs=1.5)


@pytest.mark.parametrize("side", [15, 16, 20, 40, 64])
@pytest.mark.parametrize("channels", [2, 3])
def test_crops_are_resized_as_mars_does_with_pillow(side, channels):
    frame = np.random.default_rng(7).integers(0, 256, (64, 80, channels), np.uint8)
    settings = SETTINGS.model_copy(update={"rgb_mean": [0, 0, 0], "flow_mean": 0})
    modality = "rgb" if channels == 3 else "flow"
    for frames in ([frame], [frame, frame[::-1]], [frame, frame[::-1], frame[:, ::-1]]):
        found = transform(frames, modality, Crop(9, 0, side), settings)
        for number, whole in enumerate(frames):
            part = whole[:side, 9 : 9 + side]
            for plane in range(channels):
                image = Image.fromarray(np.ascontiguousarray(part[..., plane]))
                expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
                np.testing.assert_allclose(found[plane, number].numpy(), expected, atol=1)


@settings(max_examples=100, deadline=None)
@given(st.integers(8, 400), st.sampled_from([16, 48, 112]), st.integers(0, 2**32))
def test_whatever_its_size_a_crop_is_within_two_of_pillows(side, size, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    found = clips.to_square([pixels], "rgb", Crop(0, 0, side), size)[0].numpy().astype(int)
    expected = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    distance = np.abs(found - expected)
    assert distance.max() <= 2  # once in a million pixels
    assert (distance > 0).mean() < 0.15


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_clips_that_are_no_squares_are_centred_too(modality):
    channels = {"rgb": 3, "flow": 2}[modality]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6, channels), np.uint8)
    found = clips.normalise(torch.from_numpy(pixels), modality, SETTINGS)
    mean = np.float64(SETTINGS.rgb_mean if modality == "rgb" else 127.5)
    assert found.dtype == torch.float32
    expected = np.moveaxis(pixels.astype(np.float64) - mean, -1, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_what_is_left_is_divided_by_a_deviation_of_each_channel(modality):
    channels = {"rgb": 3, "flow": 2}[modality]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6, channels), np.uint8)
    settings = Clips(rgb_mean=[110, 100, 96], rgb_std=[58, 2, 0.5], flow_std=57)
    found = clips.normalise(torch.from_numpy(pixels), modality, settings)
    mean, std = ([110, 100, 96], [58, 2, 0.5]) if modality == "rgb" else (127.5, 57)
    expected = np.moveaxis((pixels - np.float64(mean)) / std, -1, 1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_means_in_whole_numbers_centre_alike_on_any_device():
    """YAML reads 114 as an integer."""
    pixels = torch.arange(2 * 3 * 4 * 5 * 3, dtype=torch.uint8).reshape(2, 3, 4, 5, 3)
    settings = Clips(rgb_mean=[114, 108, 99], flow_mean=128)
    found = clips.normalise(pixels, "rgb", settings)
    assert found.dtype == torch.float32
    expected = pixels.float() - torch.tensor([114.0, 108.0, 99.0])
    assert torch.equal(found, expected.permute(0, 4, 1, 2, 3))
    elsewhere = clips.normalise(pixels, "rgb", settings, "meta")
    assert (elsewhere.device.type, elsewhere.shape) == ("meta", found.shape)
