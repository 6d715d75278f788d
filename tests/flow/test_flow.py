"""TV-L1 behind one function, how a backend is chosen, and 8-bit planes."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scenes import LIGHT, about_centre, texture, warped

from dsnet import flow, images
from dsnet.flow.params import TVL1


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, -3), (1.5, 1.5), (-2, 1)])
def test_a_translation_is_found_in_pixels_x_then_y(dx, dy):
    image = texture()
    moved = warped(image, about_centre(64, dx=dx, dy=dy))
    found = flow.compute(np.stack([image, moved]), "opencv", **LIGHT)
    assert found.shape == (1, 64, 64, 2)
    assert found.dtype == np.float32
    inner = found[0, 12:-12, 12:-12]
    assert np.abs(inner - [dx, dy]).mean() < 0.1


def test_each_field_is_what_opencv_gives_for_its_pair():
    frames = np.stack([texture(seed) for seed in (1, 2, 3)])
    found = flow.compute(frames, "opencv")
    for i in range(2):
        own = cv2.optflow.DualTVL1OpticalFlow_create().calc(frames[i], frames[i + 1], None)
        np.testing.assert_array_equal(found[i], own)


def test_defaults_are_opencvs():
    theirs, ours = cv2.optflow.DualTVL1OpticalFlow_create(), TVL1()
    assert ours.tau == theirs.getTau()
    assert ours.lambda_ == theirs.getLambda()
    assert ours.theta == theirs.getTheta()
    assert ours.nscales == theirs.getScalesNumber()
    assert ours.warps == theirs.getWarpingsNumber()
    assert ours.epsilon == theirs.getEpsilon()
    assert ours.inner_iterations == theirs.getInnerIterations()
    assert ours.outer_iterations == theirs.getOuterIterations()
    assert ours.scale_step == theirs.getScaleStep()
    assert ours.median_filtering == theirs.getMedianFiltering()


def test_identical_frames_have_no_flow():
    image = texture()
    assert not flow.compute(np.stack([image, image]), "opencv", **LIGHT).any()


@pytest.mark.parametrize(
    "gray",
    [
        np.zeros((1, 8, 8), np.uint8),
        np.zeros((2, 8, 8), np.float32),
        np.zeros((2, 8), np.uint8),
        np.zeros((2, 2, 8), np.uint8),
    ],
)
def test_other_arrays_are_refused(gray):
    with pytest.raises(ValueError, match="expected"):
        flow.compute(gray, "opencv")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tau", 0),
        ("nscales", 0),
        ("scale_step", 1),
        ("epsilon", -1),
        ("median_filtering", 4),
        ("semantics", "gpu"),
        ("lambda_", float("nan")),
    ],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        TVL1(**{name: value})


def test_the_pyramid_ends_before_16_pixels():
    assert TVL1().shapes(64, 80) == [(64, 80), (51, 64), (41, 51), (33, 41), (26, 33)]
    assert TVL1().shapes(24, 99) == [(24, 99), (19, 79)]
    assert TVL1().shapes(16, 16) == [(16, 16)]
    # Halves go to the even neighbour, as OpenCV rounds.
    assert TVL1(scale_step=0.5, nscales=2).shapes(33, 35) == [(33, 35), (16, 18)]


def test_importing_flow_imports_neither_torch_nor_numba():
    heavy = "bool({'torch', 'numba'} & {*sys.modules})"
    code = f"import sys, dsnet.flow, dsnet.experiment; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


values = arrays(np.float32, (3, 4, 2), elements=st.floats(-30, 30, width=32))


@given(values)
def test_planes_round_trip_within_half_a_step(field):
    back = flow.decode(flow.encode(field, 20), 20)
    assert np.abs(back - np.clip(field, -20, 20)).max() <= 20 / 255 + 1e-5


@given(arrays(np.uint8, (2, 3)))
def test_every_plane_value_is_kept(planes):
    np.testing.assert_array_equal(flow.encode(flow.decode(planes, 7.5), 7.5), planes)


def test_the_ends_and_the_middle_of_the_range():
    assert flow.encode(np.array([-25.0, -20, 0, 20, 99]), 20).tolist() == [0, 0, 128, 255, 255]


def test_truncated_planes_are_those_of_mars():
    field = np.random.default_rng(0).normal(0, 9, (64, 64, 2)).astype(np.float32)
    # The expressions of its extraction.
    clipped = np.minimum(20, np.maximum(-20, field))
    expected = ((clipped + 20) / 40.0 * 255.0).astype(np.uint8)
    np.testing.assert_array_equal(flow.encode(field, 20, "truncate"), expected)
    ends = np.float32([-25, -20, 0, 19.99, 20, 99])
    assert flow.encode(ends, 20, "truncate").tolist() == [0, 0, 127, 254, 255, 255]
    assert flow.decode(np.uint8([127]), 20, "truncate") == 0
    back = flow.decode(expected, 20, "truncate")
    assert np.abs(back - clipped).max() <= 20 / 255 + 1e-5
    assert abs((back - clipped).mean()) < 1e-3
    values = np.arange(256, dtype=np.uint8)
    same = flow.encode(flow.decode(values, 20, "truncate"), 20, "truncate")
    np.testing.assert_array_equal(same, values)


def test_mirroring_truncated_flow_is_a_step_more_than_its_negation():
    field = np.random.default_rng(1).uniform(-19, 19, 1000).astype(np.float32)
    mirrored = 255 - flow.encode(field, 20, "truncate").astype(int)
    assert set(mirrored - flow.encode(-field, 20, "truncate")) == {1}


def test_jpeg_planes_keep_smooth_flow():
    y, x = np.mgrid[0:48, 0:64]
    field = np.stack([np.sin(x / 20), np.cos(y / 20)], axis=-1)[None].astype(np.float32) * 4
    items = list(flow.to_bytes(field, 5, 95))
    assert len(items) == 2
    planes = [images.decode(np.frombuffer(item, np.uint8), True) for item in items]
    assert np.abs(flow.decode(np.stack(planes, axis=-1), 5) - field[0]).max() < 0.1
