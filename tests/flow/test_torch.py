"""The backend torch is the backend numba, many pairs at a time; here on the CPU.

torch rounds differently, and OpenCV's CPU version rounds positions to 1/32 pixel: last digits can
become hundredths of a pixel, warp after warp. Few iterations are therefore compared closely, the
defaults by how much of the stored flow is equal.
"""

import warnings

import cv2
import numpy as np
import pytest
import torch
from scenes import LIGHT, moving, texture

from dsnet import flow
from dsnet.flow import numba, sweeps
from dsnet.flow import torch as batched
from dsnet.flow.params import SEMANTICS, TVL1

both = pytest.mark.parametrize("semantics", SEMANTICS)
ONE_WARP = {"nscales": 1, "warps": 1}


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(batched, "device", lambda: "cpu")


def moving_and_still(still):
    """Frames of one moving pair followed by ``still`` pairs without motion."""
    frames = moving(1)
    return np.concatenate([frames, frames[1:].repeat(still, 0)])


def unlike(height=32, width=32):
    """Frames whose pairs converge at different times: small, large and no motion."""
    clips = [moving(seed, 2, height, width) for seed in range(3)]
    return np.concatenate([*clips, clips[-1][1:].repeat(2, 0)])


def compare(found, expected):
    """The share of equal 8-bit values as stored, and the mean difference in pixels."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    same = flow.encode(found, 20) == flow.encode(expected, 20)
    return same.mean(), np.abs(found - expected).mean()


# --- the same flow as the peer ---------------------------------------------------------------

# Measured by pair: cpu 0.905 to 1, on average 0.975, and at most 0.0185 px; cuda over 0.9999 and
# at most 3e-6 px. Noise in the last digit of numba's own warped images does as much with cpu.
CLOSE = pytest.mark.parametrize(
    ("semantics", "share", "pixels"), [("cpu", 0.95, 0.02), ("cuda", 0.999, 1e-4)]
)


@CLOSE
def test_flow_with_default_parameters(semantics, share, pixels):
    params = TVL1(semantics=semantics)
    clips = [moving(0, 4), moving(1, 3, 33, 47), moving(2, 3, 64, 64), moving(3, 3)]
    pairs = [compare(batched.compute(c, params), numba.compute(c, params)) for c in clips]
    same, difference = np.mean(pairs, axis=0)
    assert same >= share
    assert difference <= pixels


PARAMETERS = [
    {"tau": 0.2, "lambda_": 0.3, "theta": 0.25},
    {"epsilon": 0.05, "inner_iterations": 7, "outer_iterations": 4},
    {"epsilon": 0.0, "inner_iterations": 3, "outer_iterations": 2},
    {"epsilon": 0.001, "inner_iterations": 11, "outer_iterations": 3},
    {"inner_iterations": 0},
    {"outer_iterations": 0},
    {"median_filtering": 1},
    {"median_filtering": 3},
    {"median_filtering": 5},
    {"warps": 2, "lambda_": 0.05},
]


@both
@pytest.mark.parametrize("params", PARAMETERS, ids=str)
def test_every_parameter(semantics, params):
    frames, params = moving(5, 3, 33, 47), TVL1(semantics=semantics, **{**ONE_WARP, **params})
    found, expected = batched.compute(frames, params), numba.compute(frames, params)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@both
@pytest.mark.parametrize(("scale_step", "levels"), [(0.5, 2), (0.97, 4)])
def test_pyramids(semantics, scale_step, levels):
    # With a step of 0.97 the height stays at 16 from level to level.
    params = TVL1(semantics=semantics, scale_step=scale_step, **{**LIGHT, "nscales": levels})
    frames = moving(5, 2, 32 if scale_step == 0.5 else 16, 33)
    assert len(params.shapes(*frames.shape[1:])) == levels
    assert compare(batched.compute(frames, params), numba.compute(frames, params))[1] <= 0.01


SHAPES = [(33, 47), (64, 16), (16, 16), (20, 21), (5, 70), (1, 1)]


@both
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_frames_of_any_size_have_as_many_levels_as_fit(semantics, shape):
    params = TVL1(semantics=semantics, **{**LIGHT, "nscales": 9})
    frames = moving(6, 2, *shape)
    found = batched.compute(frames, params)
    assert np.isfinite(found).all()
    assert compare(found, numba.compute(frames, params))[1] <= 0.01


def test_levels_of_one_size():
    """Between them, too, flow is scaled."""
    params = TVL1(semantics="cuda", **{**LIGHT, "scale_step": 0.99})
    frames = moving(7, 2, 20, 20)
    assert params.shapes(20, 20) == [(20, 20)] * 3
    assert compare(batched.compute(frames, params), numba.compute(frames, params))[1] <= 1e-3


@both
@pytest.mark.parametrize("after", [100, 140])
def test_constant_frames_have_no_flow(semantics, after):
    gray = np.stack([np.full((33, 47), value, np.uint8) for value in (100, after)])
    assert not batched.compute(gray, TVL1(semantics=semantics)).any()


# --- its parts -------------------------------------------------------------------------------


def level(semantics, height, width):
    return batched.LEVELS[semantics](height, width, TVL1(), "cpu")


@pytest.mark.parametrize("size", [3, 5])
def test_the_median_is_opencvs(size):
    u = np.random.default_rng(0).normal(0, 3, (2, 2, 17, 23)).astype(np.float32)
    found = sweeps.median(torch.from_numpy(u), size).numpy()
    for i in np.ndindex(2, 2):
        np.testing.assert_array_equal(found[i], cv2.medianBlur(u[i], size))


@both
@pytest.mark.parametrize(("height", "width", "scale"), [(26, 38, 0.8), (41, 59, None)])
def test_resizing(semantics, height, width, scale):
    image = texture(7, 33, 47).astype(np.float32)
    peer = numba.LEVELS[semantics](height, width, TVL1())
    found = level(semantics, height, width).resize(torch.from_numpy(image), scale)
    np.testing.assert_allclose(found, peer.resize(image, scale), rtol=0, atol=1e-3)


@both
def test_warping_within_and_far_outside(semantics):
    rng = np.random.default_rng(8)
    image = rng.uniform(0, 255, (33, 47)).astype(np.float32)
    u = rng.normal(0, 4, (2, 33, 47)).astype(np.float32)
    u[:, :3] *= 1000
    ours, peer = level(semantics, 33, 47), numba.LEVELS[semantics](33, 47, TVL1())
    peer.set_target(image)
    for plane, values in zip(peer.u, u, strict=True):
        plane[:] = values
    peer.linearise(peer.padded(np.zeros_like(image)))
    gx, gy, square, rho = (peer.inside(plane) for plane in peer.data[:4])
    found = ours.warp(ours.texture(torch.from_numpy(image)[None]), torch.from_numpy(u)[None])[0]
    for plane, expected in zip(found[1:], (gx, gy), strict=True):
        np.testing.assert_allclose(plane, expected, rtol=0, atol=2e-3)
    expected = np.float64(gx) ** 2 + np.float64(gy) ** 2
    if semantics == "cuda":
        expected = 1 / np.maximum(expected, np.finfo(np.float32).tiny)
    np.testing.assert_allclose(square, expected, rtol=1e-5)
    expected = found[0].numpy() - (np.float64(gx) * u[0] + np.float64(gy) * u[1])
    np.testing.assert_allclose(rho, expected, rtol=1e-6, atol=2e-3)


# --- batches ---------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("shape", [(32, 32), (33, 47)], ids=str)
def test_a_batch_gives_what_each_pair_gives_alone(semantics, shape):
    frames, params = unlike(*shape), TVL1(semantics=semantics, **LIGHT)
    found = batched.compute(frames, params)
    for i, field in enumerate(found):
        np.testing.assert_array_equal(field, batched.compute(frames[i : i + 2], params)[0])


# A pair that has converged waits among the others for a while, or to the end, or leaves at once.
@both
@pytest.mark.parametrize(
    ("name", "value"),
    [("CPU_PATIENCE", 1), ("CPU_PATIENCE", 8), ("WORTH_COPYING", 0.0), ("WORTH_COPYING", 2.0)],
)
def test_a_converged_pair_stays_as_it_is(monkeypatch, semantics, name, value):
    frames, params = unlike(), TVL1(semantics=semantics, **LIGHT)
    expected = batched.compute(frames, params)
    monkeypatch.setattr(sweeps, name, value)
    np.testing.assert_array_equal(batched.compute(frames, params), expected)


@both
@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_chunks_change_nothing(monkeypatch, semantics, pairs):
    frames, params = unlike(33, 47), TVL1(semantics=semantics, **LIGHT)
    expected = batched.compute(frames, params)
    monkeypatch.setattr(batched, "CPU_MEMORY", pairs * batched.BYTES_PER_PIXEL * 33 * 47)
    np.testing.assert_array_equal(batched.compute(frames, params), expected)


@both
def test_still_pairs_stay_zero_beside_a_moving_one(semantics):
    found = batched.compute(moving_and_still(3), TVL1(semantics=semantics))
    assert np.abs(found[0]).mean() > 0.5
    assert not found[1:].any()


@both
def test_converged_pairs_stop_costing(monkeypatch, semantics):
    params, frames = TVL1(semantics=semantics), moving_and_still(7)
    pixels, sweep = [], sweeps.Sweeps.sweep

    def counting(self):
        pixels.append(self.u[:, 0].numel())
        sweep(self)

    monkeypatch.setattr(sweeps.Sweeps, "sweep", counting)
    batched.compute(frames, params)
    # What the pairs need one by one, and a few sweeps more until it is seen that they converged.
    _, needed = numba.compute_counting(frames, params)
    assert sum(pixels) < 1.5 * needed
    # If all went on until the last has converged, it would be 8 times what the moving one needs.
    _, longest = numba.compute_counting(frames[:2], params)
    assert sum(pixels) < 0.3 * 8 * longest


# --- the interface ---------------------------------------------------------------------------


def test_frames_are_only_read():
    frames = moving(0)
    frames.flags.writeable = False
    before = frames.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batched.compute(frames, TVL1(**ONE_WARP))
    np.testing.assert_array_equal(frames, before)


def test_the_number_of_threads_is_given_back():
    threads = torch.get_num_threads()
    batched.compute(moving(0), TVL1(**ONE_WARP))
    assert torch.get_num_threads() == threads


class TestDevice:
    @pytest.fixture(autouse=True)
    def on_the_cpu(self):
        """Not here: the real ``device``."""

    def test_it_can_always_run(self):
        assert batched.why_not() is None

    def test_a_gpu_of_cuda_or_rocm_is_taken_first(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
        assert batched.device() == "cuda:1"

    @pytest.mark.parametrize(("available", "expected"), [(True, "mps"), (False, "cpu")])
    def test_then_another_accelerator_then_the_cpu(self, monkeypatch, available, expected):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: available)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
        assert batched.device() == expected

    @CLOSE
    @pytest.mark.gpu
    def test_flow_on_a_gpu(self, semantics, share, pixels):
        params, frames = TVL1(semantics=semantics), moving(0, 6, 64, 64)
        found = batched.compute(frames, params)
        same, difference = compare(found, numba.compute(frames, params))
        assert same >= share
        assert difference <= pixels
        np.testing.assert_array_equal(batched.compute(frames, params), found)
