"""TV-L1 behind one function, how a backend is chosen, and 8-bit planes."""

import sys
import types

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsnet import flow
from dsnet.flow import opencv, opencv_cuda
from dsnet.flow.params import TVL1

LIGHT = {"nscales": 3, "warps": 3, "inner_iterations": 10, "outer_iterations": 3}


def textured(seed=0, size=64):
    noise = np.random.default_rng(seed).integers(0, 256, (size, size)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.5)


def shifted(image, dx, dy):
    matrix = np.float32([[1, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(image, matrix, image.shape[::-1], borderMode=cv2.BORDER_REFLECT)


def stretched(image):
    """The full range of grey, on which the data term weighs as on real frames."""
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, -3), (1.5, 1.5), (-2, 1)])
def test_a_translation_is_found_in_pixels_x_then_y(dx, dy):
    image = stretched(textured())
    found = flow.compute(np.stack([image, shifted(image, dx, dy)]), "opencv", **LIGHT)
    assert found.shape == (1, 64, 64, 2)
    assert found.dtype == np.float32
    inner = found[0, 12:-12, 12:-12]
    assert np.abs(inner - [dx, dy]).mean() < 0.1


def test_each_field_is_what_opencv_gives_for_its_pair():
    frames = np.stack([stretched(textured(seed)) for seed in (1, 2, 3)])
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
    image = textured()
    assert not flow.compute(np.stack([image, image]), "opencv", **LIGHT).any()


@pytest.mark.parametrize(
    "gray",
    [np.zeros((1, 8, 8), np.uint8), np.zeros((2, 8, 8), np.float32), np.zeros((2, 8), np.uint8)],
)
def test_other_arrays_are_refused(gray):
    with pytest.raises(ValueError, match="expected"):
        flow.compute(gray, "opencv")


def test_an_unknown_backend_or_parameter_is_refused():
    with pytest.raises(ValueError, match="there are auto, opencv-cuda, opencv"):
        flow.resolve("gpu")
    with pytest.raises(TypeError, match="colour"):
        flow.compute(np.zeros((2, 32, 32), np.uint8), "opencv", colour=1)


class Cuda(types.SimpleNamespace):
    """A stand-in for cv2.cuda that fails the test when more than it allows is touched."""

    def __getattr__(self, name):
        pytest.fail(f"cv2.cuda.{name} was touched, which aborts the process without a driver")


def test_without_cuda_the_backend_says_so_and_auto_takes_the_cpu(monkeypatch):
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", types.SimpleNamespace())
    with pytest.raises(flow.BackendError, match=r"opencv-cuda: this cv2 was built without CUDA"):
        flow.resolve("opencv-cuda")
    assert flow.resolve("auto") == "opencv"


@pytest.mark.parametrize("count", [-1, 0])
def test_a_cuda_build_without_a_gpu_is_never_called_further(monkeypatch, count):
    fake = Cuda(OpticalFlowDual_TVL1_create=None, getCudaEnabledDeviceCount=lambda: count)
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", fake)
    with pytest.raises(flow.BackendError, match=rf"no usable GPU \(device count {count}\)"):
        flow.resolve("opencv-cuda")
    assert flow.resolve("auto") == "opencv"


def test_auto_takes_a_gpu_and_hands_over_every_parameter(monkeypatch):
    calls = []

    class Mat:
        def upload(self, array):
            self.array = array.copy()

        def download(self):
            return self.array

    class Method:
        def calc(self, before, after, flow):
            result = Mat()
            field = np.stack([before.array, after.array], axis=-1).astype(np.float32)
            result.upload(field)
            return result

    def create(*arguments):
        calls.append(arguments)
        return Method()

    fake = Cuda(
        OpticalFlowDual_TVL1_create=create,
        getCudaEnabledDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        GpuMat=Mat,
    )
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", fake)
    assert flow.resolve("auto") == "opencv-cuda"
    gray = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((3, 4, 5), np.uint8)
    found = flow.compute(gray, "auto", tau=0.2, inner_iterations=7, outer_iterations=3)
    # In the order of cv2.cuda.OpticalFlowDual_TVL1_create: tau, lambda, theta, scales, warps,
    # epsilon, iterations, scale step, gamma, no initial flow.
    assert calls == [(0.2, 0.15, 0.3, 5, 5, 0.01, 21, 0.8, 0.0, False)]
    assert found.shape == (2, 4, 5, 2)
    assert found[:, 0, 0].tolist() == [[0, 1], [1, 2]]


def test_no_backend_at_all_is_an_error(monkeypatch):
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", types.SimpleNamespace())
    monkeypatch.setattr(opencv, "why_not", lambda: "no optflow")
    with pytest.raises(flow.BackendError, match="opencv: no optflow"):
        flow.resolve("auto")


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


def test_jpeg_planes_keep_smooth_flow():
    y, x = np.mgrid[0:48, 0:64]
    field = np.stack([np.sin(x / 20), np.cos(y / 20)], axis=-1)[None].astype(np.float32) * 4
    items = list(flow.to_bytes(field, 5, 95))
    assert len(items) == 2
    assert np.abs(flow.from_bytes(items, 5) - field).max() < 0.1


def test_importing_flow_does_not_import_torch():
    assert "dsnet.flow" in sys.modules
    code = "import sys, dsnet.flow, dsnet.config; sys.exit('torch' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
