"""Backend ``opencv-cuda``: ``cv2.cuda.OpticalFlowDual_TVL1`` on a GPU."""

from __future__ import annotations

import cv2
import numpy as np

from dsnet.flow.params import TVL1


def why_not() -> str | None:
    """Why this backend cannot run here; ``None`` when it can.

    Nothing else of ``cv2.cuda`` is touched before the device count is known to be positive: in a
    CUDA build without a driver other calls abort the process.
    """
    if not hasattr(cv2, "cuda") or not hasattr(cv2.cuda, "OpticalFlowDual_TVL1_create"):
        return "this cv2 was built without CUDA, as all wheels; build opencv-contrib WITH_CUDA=ON"
    count = cv2.cuda.getCudaEnabledDeviceCount()
    if count <= 0:
        return f"cv2 has CUDA, but finds no usable GPU (device count {count}); see nvidia-smi"
    return None


def device() -> str:
    """Where it runs."""
    return f"cuda:{cv2.cuda.getDevice()}"


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """(T, H, W) uint8 to (T-1, H, W, 2) float32; see :func:`dsnet.flow.compute`."""
    # As on the CPU, the object keeps a lowered number of scales: a new one per video.
    method = cv2.cuda.OpticalFlowDual_TVL1_create(  # type: ignore[attr-defined]
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
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    before, after = cv2.cuda.GpuMat(), cv2.cuda.GpuMat()
    before.upload(gray[0])
    for i in range(len(flow)):
        after.upload(gray[i + 1])
        flow[i] = method.calc(before, after, None).download()
        before, after = after, before
    return flow
