"""Backend ``opencv-cuda``: ``cv2.cuda.OpticalFlowDual_TVL1`` on a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from dsnet.flow.params import TVL1

# One pair uses a small part of a GPU: kernels are short, and the host waits at every test of
# convergence. So several pairs run at once, each with its own host thread, stream and algorithm
# object.
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


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    # Each lane gets consecutive pairs, so that it uploads every frame once.
    bounds = np.linspace(0, len(flow), min(LANES, len(flow)) + 1).astype(int)
    runs = [(gray[a : b + 1], flow[a:b]) for a, b in pairwise(bounds)]
    current = cv2.cuda.getDevice()
    with ThreadPoolExecutor(len(runs)) as pool:
        for done in [pool.submit(_lane, current, *run, params) for run in runs]:
            done.result()
    return flow


def _lane(gpu: int, gray: np.ndarray, flow: np.ndarray, params: TVL1) -> None:
    """Compute the flow of consecutive frames into ``flow``, on a new stream."""
    cv2.cuda.setDevice(gpu)  # every thread has its own current device
    stream = cv2.cuda.Stream()
    method = _create(params)
    height, width = gray.shape[1:]
    frames = [cv2.cuda.GpuMat(height, width, cv2.CV_8UC1) for _ in range(2)]
    field = cv2.cuda.GpuMat(height, width, cv2.CV_32FC2)
    frames[0].upload(gray[0], stream)
    for i in range(len(flow)):
        # While a lane waits for an upload or a download, the other lanes compute.
        before, after = frames[i % 2], frames[(i + 1) % 2]
        after.upload(gray[i + 1], stream)
        field = method.calc(before, after, field, stream)
        fetched = field.download(stream, flow[i])
        stream.waitForCompletion()
        flow[i] = fetched  # the same memory, unless OpenCV allocated its own


def _create(params: TVL1) -> Any:
    # A new object per lane and call: for small frames it lowers its number of scales for good.
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
