"""Backend ``opencv``: ``cv2.optflow.DualTVL1OpticalFlow`` on one CPU core, the reference."""

from __future__ import annotations

import cv2
import numpy as np

from dsnet.flow.params import TVL1
from dsnet.flow.threads import single_threaded


def why_not() -> str | None:
    """Why this backend cannot run here; ``None`` when it can."""
    if not hasattr(cv2, "optflow"):
        return "this cv2 lacks the module optflow; install opencv-contrib-python(-headless)"
    return None


def device() -> str:
    """Where it runs."""
    return "cpu"


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """(T, H, W) uint8 to (T-1, H, W, 2) float32; see :func:`dsnet.flow.compute`."""
    # The object lowers its own number of scales for small frames and keeps that: a new one per
    # video, whose frames all have one size.
    method = cv2.optflow.DualTVL1OpticalFlow_create(  # type: ignore[attr-defined]
        tau=params.tau,
        lambda_=params.lambda_,
        theta=params.theta,
        nscales=params.nscales,
        warps=params.warps,
        epsilon=params.epsilon,
        innnerIterations=params.inner_iterations,  # OpenCV spells it so
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
