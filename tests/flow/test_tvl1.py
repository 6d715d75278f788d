"""What the flow of the CPU backends is: OpenCV's, right, and lawful."""

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import (
    LIGHT,
    MOTIONS,
    about_centre,
    affine_flow,
    end_point_error,
    known,
    real_frames,
    texture,
    warped,
)

from dsnet import flow
from dsnet.datasets import motions
from dsnet.flow.params import TVL1

SEMANTICS = ("cpu", "cuda")
both = pytest.mark.parametrize("semantics", SEMANTICS)


def numba(frames, semantics="cpu", **params):
    return flow.compute(np.ascontiguousarray(frames), "numba", semantics=semantics, **params)


# --- OpenCV's CPU version --------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MOTIONS, "sprite"])
def test_cpu_is_opencv_to_the_last_bit_and_so_its_error(name):
    frames, truth, where = known(name)
    found = numba(frames)
    np.testing.assert_array_equal(found, flow.compute(frames, "opencv"))
    assert end_point_error(found[0], truth, where) < (0.2 if name == "sprite" else 0.05)


PARAMETERS = [
    {"tau": 0.2, "lambda_": 0.3, "theta": 0.25},
    {"nscales": 2, "scale_step": 0.5, "warps": 2},
    {"epsilon": 0.05, "inner_iterations": 7, "outer_iterations": 4},
    {"epsilon": 0.0, "inner_iterations": 3, "outer_iterations": 2},
    {"median_filtering": 3},
    {"median_filtering": 1},
]


@pytest.mark.parametrize("params", PARAMETERS, ids=str)
def test_every_parameter_is_opencvs(params):
    frames = np.stack([texture(seed, 41, 55) for seed in (1, 1, 2)])
    frames[1] = warped(frames[1], about_centre(48, angle=2, dx=1))
    params = {**LIGHT, **params}
    np.testing.assert_array_equal(numba(frames, **params), flow.compute(frames, "opencv", **params))


@pytest.mark.parametrize("name", motions.CLASSES[:2])
def test_cpu_is_opencv_on_rendered_motions(name):
    frames = motions.render(name, "train", 0, length=6)
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    np.testing.assert_array_equal(numba(gray), flow.compute(gray, "opencv"))


SAMPLES = [
    "ucf101/videos/Biking/v_Biking_g06_c03.avi",
    "ucf101/videos/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    "hmdb51/videos/wave/RATRACE_wave_f_nm_np1_fr_goo_37.avi",
    "weizmann/walk/denis_walk.avi",
]


@pytest.mark.parametrize("path", SAMPLES)
def test_cpu_is_opencv_on_real_frames(shared_data, path):
    frames = real_frames(shared_data / path, count=2)
    np.testing.assert_array_equal(numba(frames), flow.compute(frames, "opencv"))


# --- OpenCV's CUDA version -------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("name", [*MOTIONS, "sprite"])
def test_cuda_is_its_formulas_in_float64(name, backend):
    frames, truth, where = known(name, size=72)
    found = flow.compute(frames, backend, semantics="cuda")[0]
    expected = reference.flow(*frames, TVL1(semantics="cuda"))
    assert np.abs(found - expected).mean() < 1e-3
    assert (flow.encode(found, 20) == flow.encode(expected, 20)).mean() > 0.99
    assert end_point_error(found, truth, where) < (0.25 if name == "sprite" else 0.1)


@pytest.mark.parametrize(
    ("path", "bound"), [(path, 2e-2 if "Biking" in path else 1e-3) for path in SAMPLES]
)
def test_cuda_is_near_its_formulas_on_real_frames(shared_data, path, bound):
    """Rounding is amplified from warp to warp, by how much depends on the frames."""
    frames = real_frames(shared_data / path, size=128)
    expected = reference.flow(*frames, TVL1(semantics="cuda"))
    distance = np.abs(numba(frames, "cuda")[0] - expected)
    assert distance.mean() < bound
    assert np.median(distance) < 1e-2


@pytest.mark.parametrize("params", [p for p in PARAMETERS if "median_filtering" not in p], ids=str)
def test_every_parameter_counts_in_cuda(params):
    frames = np.stack([texture(1, 41, 55), warped(texture(1, 41, 55), about_centre(48, 2, dx=1))])
    params = {**LIGHT, **params}
    expected = reference.flow(*frames, TVL1(**params, semantics="cuda"))
    assert np.abs(numba(frames, "cuda", **params)[0] - expected).mean() < 1e-3


def test_the_two_versions_differ_and_most_at_the_border(shared_data):
    frames = real_frames(shared_data / "ucf101/videos/Diving/v_Diving_g01_c04.avi", count=2)
    ours, theirs = (numba(frames, semantics)[0] for semantics in SEMANTICS)
    assert 0.7 < (flow.encode(ours, 20) == flow.encode(theirs, 20)).mean() < 0.95
    distance = np.linalg.norm(ours - theirs, axis=-1)
    inner = np.zeros(distance.shape, bool)
    inner[3:-3, 3:-3] = True
    assert distance[~inner].mean() > 2 * distance[inner].mean()


# --- laws ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("image", [texture(1), np.zeros((64, 64), np.uint8)])
def test_identical_frames_have_no_flow(semantics, image):
    assert not numba(np.stack([image, image]), semantics).any()


def moving(size=96):
    image = texture(3, size, size)
    return np.stack([image, warped(image, about_centre(size, angle=2, dx=1, dy=-0.5))])


@both
def test_a_transposed_pair_has_the_transposed_flow(semantics):
    frames = moving()
    found = numba(frames.transpose(0, 2, 1), semantics)[0]
    back = found.transpose(1, 0, 2)[..., ::-1]
    assert np.abs(back - numba(frames, semantics)[0]).mean() < 2e-3


@both
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_pair_has_the_mirrored_flow(semantics, axis):
    # Not to the last digit: gradients look ahead and divergences back.
    frames = moving()
    found = np.flip(numba(np.flip(frames, axis + 1), semantics)[0], axis)
    found[..., 1 - axis] *= -1
    difference = np.abs(found - numba(frames, semantics)[0])
    assert difference[10:-10, 10:-10].mean() < 0.01
    assert difference.mean() < 0.03


@both
@pytest.mark.parametrize(("dy", "dx"), [(0, 7), (11, 0), (5, 10)])
def test_the_flow_of_a_shifted_view_is_shifted(semantics, dy, dx):
    frames = moving(140)
    first = numba(frames[:, :120, :120], semantics)[0]
    second = numba(frames[:, dy : dy + 120, dx : dx + 120], semantics)[0]
    difference = np.abs(first[dy:, dx:] - second[: 120 - dy, : 120 - dx])[25:-25, 25:-25]
    assert difference.mean() < 0.02


@both
@settings(max_examples=12, deadline=None)
@given(dx=st.floats(-3, 3), dy=st.floats(-3, 3), seed=st.integers(0, 99))
def test_any_translation_is_found(semantics, dx, dy, seed):
    image, matrix = texture(seed), about_centre(64, dx=dx, dy=dy)
    found = numba(np.stack([image, warped(image, matrix)]), semantics)[0]
    where = np.zeros(image.shape, bool)
    where[12:-12, 12:-12] = True
    assert end_point_error(found, affine_flow(image.shape, matrix), where) < 0.35


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (2, height, width)).astype(np.uint8)


ODD = {
    "constant": np.full((2, 33, 47), 128, np.uint8),
    "black to white": np.stack([np.zeros((33, 47), np.uint8), np.full((33, 47), 255, np.uint8)]),
    "noise": noise(50, 70),
    "saturated noise": (noise(50, 70) > 127).astype(np.uint8) * 255,
    "16 wide": noise(64, 16),
    "17 high": noise(17, 61),
    "smallest": noise(3, 3),
    "a line of 3": noise(3, 200),
    "prime": noise(37, 101),
}


@both
@pytest.mark.parametrize("frames", ODD.values(), ids=ODD)
def test_any_frames_have_finite_flow(semantics, frames):
    found = numba(frames, semantics)
    assert found.shape == (1, *frames.shape[1:], 2)
    assert np.isfinite(found).all()
    if semantics == "cpu":
        np.testing.assert_array_equal(found, flow.compute(frames, "opencv"))


@both
def test_a_video_is_its_pairs(semantics):
    frames = np.stack([texture(seed, 40, 52) for seed in range(4)])
    pairs = [numba(frames[i : i + 2], semantics, **LIGHT)[0] for i in range(3)]
    np.testing.assert_array_equal(numba(frames, semantics, **LIGHT), pairs)


@both
def test_frames_may_lie_anywhere_in_memory_and_are_left_alone(semantics):
    wide = np.stack([texture(seed, 40, 80) for seed in (1, 2)])
    kept = wide.copy()
    found = flow.compute(wide[:, :, ::2], "numba", semantics=semantics, **LIGHT)
    np.testing.assert_array_equal(found, numba(kept[:, :, ::2], semantics, **LIGHT))
    np.testing.assert_array_equal(wide, kept)


def test_convergence_is_judged_as_opencv_adds():
    """Where the sum of changes is all but at the bound, the order of float32 additions decides."""
    frames = known("rotation")[0]
    shapes = {"nscales": 1, "warps": 1, "outer_iterations": 1, "inner_iterations": 12}
    for n in range(4, 12):
        longer, shorter = (
            flow.compute(frames, "opencv", **{**shapes, "inner_iterations": n + i}, epsilon=1e-9)
            for i in (0, -1)
        )
        change = ((longer - shorter) ** 2).sum() / longer[..., 0].size
        for nudge in (-1e-6, 0, 1e-6):
            params = {**shapes, "epsilon": float(np.sqrt(change)) * (1 + nudge)}
            expected = flow.compute(frames, "opencv", **params)
            np.testing.assert_array_equal(numba(frames, **params), expected)
