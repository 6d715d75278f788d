"""Backend ``opencv-cuda``: ``cv2.cuda.OpticalFlowDual_TVL1`` on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from dsnet.flow.params import TVL1

# One pair uses a small part of a GPU: kernels are short, and the host waits at every test of
# convergence. So several pairs run at once, each with its own host thread, stream and algorithm
# object, which live across calls.
LANES = 8


def why_not() -> str | None:
    """Return why this backend cannot run here, or ``None``.

    The device count comes first: in a CUDA build without a driver, other calls abort the process.
    """
    if not hasattr(cv2, "cuda") or not hasattr(cv2.cuda, "OpticalFlowDual_TVL1_create"):
        return "this cv2 was built without CUDA, as published wheels are; see envs/opencv-cuda"
    count = cv2.cuda.getCudaEnabledDeviceCount()
    if count <= 0:
        return f"cv2 has CUDA, but finds no usable GPU (device count {count}); see nvidia-smi"
    if not cv2.cuda.DeviceInfo().isCompatible():
        return "cv2 was built for other GPUs than this one; see --arch of envs/opencv-cuda/build.py"
    return None


def device() -> str:
    """Return where the backend runs."""
    return f"cuda:{cv2.cuda.getDevice()}"


def bind() -> Callable[[], None]:
    """Return a function that makes this thread's current GPU that of another thread."""
    return partial(cv2.cuda.setDevice, cv2.cuda.getDevice())


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    # Each lane gets consecutive pairs, so that it uploads every frame once.
    bounds = np.linspace(0, len(flow), min(LANES, len(flow)) + 1).astype(int)
    runs = [(gray[a : b + 1], flow[a:b]) for a, b in pairwise(bounds)]
    current = cv2.cuda.getDevice()
    for done in [_pool().submit(_run, current, *run, params) for run in runs]:
        done.result()
    return flow


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LANES, "opencv-cuda")


class Lane:
    """What a thread keeps for frames of one size and one set of parameters, on one GPU."""

    def __init__(self, height: int, width: int, params: TVL1):
        self.stream = cv2.cuda.Stream()
        # For small frames the object lowers its number of scales for good: each size has its own.
        self.method = _create(params)
        self.frames = [cv2.cuda.GpuMat(height, width, cv2.CV_8UC1) for _ in range(2)]
        self.field = cv2.cuda.GpuMat(height, width, cv2.CV_32FC2)


_lanes = threading.local()


def _run(gpu: int, gray: np.ndarray, flow: np.ndarray, params: TVL1) -> None:
    """Compute the flow of consecutive frames into ``flow``, on this thread's lane."""
    cv2.cuda.setDevice(gpu)  # every thread has its own current device
    key = gpu, gray.shape[1:], params
    if getattr(_lanes, "key", None) != key:
        _lanes.key, _lanes.lane = key, Lane(gray.shape[1], gray.shape[2], params)
    lane: Lane = _lanes.lane
    lane.frames[0].upload(gray[0], lane.stream)
    for i in range(len(flow)):
        # While a lane waits for an upload or a download, the other lanes compute.
        before, after = lane.frames[i % 2], lane.frames[(i + 1) % 2]
        after.upload(gray[i + 1], lane.stream)
        lane.field = lane.method.calc(before, after, lane.field, lane.stream)
        fetched = lane.field.download(lane.stream, flow[i])
        lane.stream.waitForCompletion()
        flow[i] = fetched  # the same memory, unless OpenCV allocated its own


def _create(params: TVL1) -> Any:
    return cv2.cuda.OpticalFlowDual_TVL1_create(  # type: ignore[attr-defined]
        params.tau,
        params.lambda_,
        params.theta,
        params.nscales,
        params.warps,
        params.epsilon,
        params.inner_iterations * params.outer_iterations,
        params.scale_step,
        0.0,
        False,  # an initial flow would be read from uninitialised memory
    )
