"""How a backend is chosen, and that the GPU one is called as the module wants it."""

import json
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import LIGHT, known

from dsnet import flow
from dsnet.flow import cuda, numba, opencv, opencv_cuda
from dsnet.flow import torch as torch_backend
from dsnet.flow.params import TVL1

RECORD = json.loads((Path(__file__).parent / "cuda_signatures.json").read_text())
BUILT = hasattr(getattr(cv2, "cuda", None), "OpticalFlowDual_TVL1_create")
with_cuda_build = pytest.mark.skipif(not BUILT, reason="needs an OpenCV built with CUDA")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch, request):
    """Without a GPU unless the test says otherwise."""
    if "real" not in request.keywords:
        monkeypatch.setattr(opencv_cuda.cv2, "cuda", types.SimpleNamespace())
    monkeypatch.setattr(torch_backend, "device", lambda: "cpu")


def test_an_unknown_backend_or_parameter_is_refused():
    with pytest.raises(ValueError, match="there are auto, cuda, opencv-cuda, torch, numba, opencv"):
        flow.resolve("gpu")
    with pytest.raises(TypeError, match="colour"):
        flow.compute(np.zeros((2, 32, 32), np.uint8), "opencv", colour=1)


@pytest.mark.parametrize("semantics", [None, "cpu", "cuda"])
def test_without_a_gpu_auto_is_numba(semantics):
    assert flow.resolve("auto", semantics) == "numba"


def test_torch_comes_before_numba_on_a_gpu_only_but_may_be_named(monkeypatch):
    assert flow.resolve("torch") == "torch"
    monkeypatch.setattr(torch_backend, "device", lambda: "cuda:0")
    monkeypatch.setattr(torch_backend, "compute", lambda gray, params: None)
    assert flow.resolve("auto", "cpu") == "torch"
    assert "torch on cuda:0, semantics cpu" in flow.describe("torch", "cpu")


def test_a_gpu_that_torch_cannot_use_is_passed_over(monkeypatch, caplog):
    caplog.set_level("INFO")

    def fail(gray, params):
        raise RuntimeError("no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch_backend, "device", lambda: "cuda:0")
    monkeypatch.setattr(torch_backend, "compute", fail)
    assert flow.resolve("auto", "cuda") == "numba"
    assert "not torch: PyTorch sees a GPU that it cannot use (no kernel image" in caplog.text
    assert "more" not in caplog.text


def test_a_backend_that_follows_other_semantics_is_refused_with_advice():
    with pytest.raises(
        flow.BackendError, match=r"follows the semantics cpu, not cuda.* torch or numba"
    ):
        flow.resolve("opencv", "cuda")
    with pytest.raises(flow.BackendError, match="semantics cuda, not cpu"):
        flow.compute(np.zeros((2, 32, 32), np.uint8), "opencv-cuda", semantics="cpu")


def test_without_cuda_the_backend_says_so():
    with pytest.raises(flow.BackendError, match=r"opencv-cuda: this cv2 was built without CUDA"):
        flow.resolve("opencv-cuda")


def test_no_backend_at_all_is_an_error(monkeypatch):
    monkeypatch.setattr(numba, "why_not", lambda: "no compiler")
    with pytest.raises(flow.BackendError, match="torch: no GPU; numba: no compiler"):
        flow.resolve("auto")
    monkeypatch.setattr(opencv, "why_not", lambda: "no optflow")
    with pytest.raises(flow.BackendError, match="opencv: no optflow"):
        flow.resolve("opencv")


def test_a_backend_that_cannot_be_imported_says_what_to_do():
    code = """
import sys
sys.modules["numba"] = None
from dsnet import flow
try:
    flow.resolve("numba")
except flow.BackendError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "numba: import of numba halted" in done.stderr
    assert "install it" in done.stderr


# --- OpenCV with CUDA: a stand-in that holds every call to the recorded signatures -------------


def arities(line):
    """The numbers of arguments that ``name(a, b[, c]) -> …`` admits."""
    inside = re.match(r"\w+\((.*)\) -> ", line).group(1)
    required, _, optional = inside.partition("[")
    needed = len(re.findall(r"\w+", required))
    return range(needed, needed + len(re.findall(r"\w+", optional)) + 1)


def check(name, *arguments):
    lines = RECORD["signatures"][name]
    assert any(len(arguments) in arities(line) for line in lines), (name, arguments, lines)


class Recorded(types.SimpleNamespace):
    """A stand-in for cv2.cuda that fails the test when more than it has is touched."""

    def __getattr__(self, name):
        pytest.fail(f"cv2.cuda.{name} was touched, which may abort the process")


class Stream:
    def waitForCompletion(self, *arguments):
        check("Stream.waitForCompletion", *arguments)


class Mat:
    made = 0

    def __init__(self, rows, columns, kind):
        Mat.made += 1
        self.shape, self.kind = (rows, columns), kind

    def upload(self, *arguments):
        check("GpuMat.upload", *arguments)
        assert arguments[0].shape == self.shape
        assert isinstance(arguments[1], Stream)
        self.array = arguments[0].copy()

    def download(self, *arguments):
        check("GpuMat.download", *arguments)
        assert isinstance(arguments[0], Stream)
        arguments[1][...] = self.array
        return arguments[1]


class Method:
    """Writes (I0, I1) as the flow, so that the pairing shows."""

    threads: set
    together: threading.Barrier

    def calc(self, *arguments):
        check("OpticalFlowDual_TVL1.calc", *arguments)
        before, after, field, stream = arguments
        assert isinstance(stream, Stream)
        assert field.kind == cv2.CV_32FC2
        if threading.get_ident() not in Method.threads:
            Method.threads.add(threading.get_ident())
            Method.together.wait(timeout=20)  # until as many pairs are under way as there are lanes
        field.array = np.stack([before.array, after.array], axis=-1).astype(np.float32)
        return field


@pytest.fixture
def gpu(monkeypatch):
    """A stand-in with one GPU; the arguments of every algorithm object made, and devices set."""
    made, devices = [], []
    Mat.made, Method.threads = 0, set()
    opencv_cuda._pool.cache_clear()  # lanes live across calls, but not across tests

    def create(*arguments):
        check("OpticalFlowDual_TVL1_create", *arguments)
        made.append(arguments)
        return Method()

    def set_device(*arguments):
        check("setDevice", *arguments)
        devices.append(arguments)

    stand_in = Recorded(
        OpticalFlowDual_TVL1_create=create,
        getCudaEnabledDeviceCount=lambda: 1,
        getDevice=lambda: 3,
        DeviceInfo=lambda: types.SimpleNamespace(isCompatible=lambda: True),
        setDevice=set_device,
        GpuMat=Mat,
        Stream=Stream,
    )
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", stand_in)
    return types.SimpleNamespace(made=made, devices=devices)


@pytest.mark.parametrize("count", [-1, 0])
def test_a_cuda_build_without_a_gpu_is_never_called_further(monkeypatch, count):
    stand_in = Recorded(OpticalFlowDual_TVL1_create=None, getCudaEnabledDeviceCount=lambda: count)
    monkeypatch.setattr(opencv_cuda.cv2, "cuda", stand_in)
    with pytest.raises(flow.BackendError, match=rf"no usable GPU \(device count {count}\)"):
        flow.resolve("opencv-cuda")
    assert flow.resolve("auto") == "numba"


def test_a_gpu_is_the_first_choice_unless_it_follows_other_semantics(gpu):
    assert flow.resolve("auto") == flow.resolve("auto", "cuda") == "opencv-cuda"
    assert flow.resolve("auto", "cpu") == "numba"
    assert flow.describe("opencv-cuda", "cuda") == "opencv-cuda on cuda:3, semantics cuda"


@pytest.mark.parametrize("frames", [2, 3, 8, 9, 30])
def test_every_pair_is_computed_in_its_place_with_every_parameter(gpu, frames):
    lanes = min(opencv_cuda.LANES, frames - 1)
    Method.together = threading.Barrier(lanes)
    gray = np.arange(frames, dtype=np.uint8)[:, None, None] * np.ones((frames, 4, 5), np.uint8)
    found = flow.compute(gray, tau=0.2, inner_iterations=7, outer_iterations=3)
    assert found.shape == (frames - 1, 4, 5, 2)
    assert found[:, 2, 3].tolist() == [[i, i + 1] for i in range(frames - 1)]
    # In the order of cv2.cuda.OpticalFlowDual_TVL1_create: tau, lambda, theta, scales, warps,
    # epsilon, iterations, scale step, gamma, no initial flow.
    assert len(Method.threads) == lanes
    assert gpu.made == [(0.2, 0.15, 0.3, 5, 5, 0.01, 21, 0.8, 0.0, False)] * lanes
    assert gpu.devices == [(3,)] * lanes  # the caller's GPU, in every thread
    assert Mat.made == 3 * lanes  # and none per frame
    # The lanes live on for the next call, but not for other parameters.
    np.testing.assert_array_equal(
        flow.compute(gray, tau=0.2, inner_iterations=7, outer_iterations=3), found
    )
    assert len(gpu.made) == lanes
    flow.compute(gray)
    assert len(gpu.made) > lanes
    assert Mat.made == 3 * len(gpu.made)


def test_auto_prefers_numba_with_enough_cores(gpu, monkeypatch, caplog):
    caplog.set_level("INFO")
    Method.together = threading.Barrier(1)
    assert flow.resolve("auto", "cuda", cores=5) == "opencv-cuda"
    assert flow.resolve("auto", "cuda", cores=6) == "numba"
    assert "not opencv-cuda: numba is faster on 6 cores" in caplog.text
    with monkeypatch.context() as without:
        without.setattr(numba, "why_not", lambda: "no compiler")
        assert flow.resolve("auto", "cuda", cores=6) == "opencv-cuda"
    assert flow.resolve("opencv-cuda", "cuda", cores=64) == "opencv-cuda"
    monkeypatch.setattr(torch_backend, "device", lambda: "cuda:0")
    monkeypatch.setattr(torch_backend, "compute", lambda gray, params: None)
    assert flow.resolve("auto", "cpu", cores=4) == "torch"
    assert flow.resolve("auto", "cpu", cores=5) == "numba"


def test_auto_prefers_our_kernels_to_all_others(gpu, monkeypatch):
    monkeypatch.setattr(cuda, "why_not", lambda: None)
    assert flow.resolve("auto", "cuda", cores=64) == "cuda"
    assert flow.resolve("auto", "cpu") == "numba"


def test_a_gpu_that_cv2_was_not_built_for_is_passed_over(gpu, monkeypatch):
    unfit = types.SimpleNamespace(isCompatible=lambda: False)
    monkeypatch.setattr(opencv_cuda.cv2.cuda, "DeviceInfo", lambda: unfit)
    with pytest.raises(flow.BackendError, match="built for other GPUs than this one"):
        flow.resolve("opencv-cuda")
    assert flow.resolve("auto", "cuda") == "numba"


def test_an_error_on_the_gpu_is_not_swallowed(gpu, monkeypatch):
    def fail(*arguments):
        raise cv2.error("out of memory")

    monkeypatch.setattr(Method, "calc", fail)
    with pytest.raises(cv2.error, match="out of memory"):
        flow.compute(np.zeros((5, 8, 8), np.uint8))


# --- the real module ----------------------------------------------------------------------------


@pytest.mark.real
@with_cuda_build
@pytest.mark.parametrize("name", RECORD["signatures"])
def test_the_record_is_that_of_the_installed_module(name):
    owner = cv2.cuda
    for part in name.split("."):
        owner = getattr(owner, part)
    last = name.split(".")[-1]
    lines = [x for x in owner.__doc__.splitlines() if re.match(rf"{last}\(.*\) -> ", x)]
    assert lines == RECORD["signatures"][name]


@pytest.mark.real
@with_cuda_build
def test_the_algorithm_has_our_defaults():
    method, ours = opencv_cuda._create(TVL1()), TVL1()
    assert method.getTau() == ours.tau
    assert method.getLambda() == ours.lambda_
    assert method.getTheta() == ours.theta
    assert method.getNumScales() == ours.nscales
    assert method.getNumWarps() == ours.warps
    assert method.getEpsilon() == ours.epsilon
    assert method.getNumIterations() == ours.inner_iterations * ours.outer_iterations
    assert method.getScaleStep() == ours.scale_step
    assert method.getGamma() == 0
    assert not method.getUseInitialFlow()


@pytest.mark.real
@with_cuda_build
def test_the_process_is_never_aborted():
    code = (
        "import numpy as np; from dsnet import flow; "
        "flow.compute(np.zeros((2, 9, 9), np.uint8), 'opencv-cuda')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    # It ran, or said that there is no GPU.
    assert done.returncode in (0, 1), done.stderr
    assert done.returncode == 0 or "BackendError" in done.stderr


@pytest.mark.real
@pytest.mark.gpu
@with_cuda_build
def test_the_gpu_computes_the_cuda_semantics():
    frames = np.concatenate([known(name)[0] for name in ("rotation", "zoom")])
    found = flow.compute(frames, "opencv-cuda", **LIGHT)
    expected = flow.compute(frames, "numba", semantics="cuda", **LIGHT)
    assert np.abs(found - expected).mean() < 0.02
    assert (flow.encode(found, 20) == flow.encode(expected, 20)).mean() > 0.95
