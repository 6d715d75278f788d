"""Backend ``opencv``: ``cv2.optflow.DualTVL1OpticalFlow`` on one CPU core, the reference."""

from __future__ import annotations

import cv2
import numpy as np

from dsnet.flow.params import TVL1
from dsnet.flow.threads import single_threaded


def why_not() -> str | None:
    """Return why this backend cannot run here, or ``None``."""
    if not hasattr(cv2, "optflow"):
        return "this cv2 lacks the module optflow; install opencv-contrib-python(-headless)"
    return None


def device() -> str:
    """Return where the backend runs."""
    return "cpu"


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    # For small frames the object lowers its number of scales for good: a new one per call.
    method = cv2.optflow.DualTVL1OpticalFlow_create(  # type: ignore[attr-defined]
        tau=params.tau,
        lambda_=params.lambda_,
        theta=params.theta,
        nscales=params.nscales,
        warps=params.warps,
        epsilon=params.epsilon,
        innnerIterations=params.inner_iterations,  # OpenCV's spelling
        outerIterations=params.outer_iterations,
        scaleStep=params.scale_step,
        gamma=0.0,
        medianFiltering=params.median_filtering,
        useInitialFlow=False,
    )
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    with single_threaded(cv2.getNumThreads, cv2.setNumThreads):
        for i in range(len(flow)):
            flow[i] = method.calc(gray[i], gray[i + 1], None)
    return flow
