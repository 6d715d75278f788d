"""Dense inverse search (Kroeger et al. 2016), by OpenCV's ``DISOpticalFlow`` on one CPU core."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from dsnet.flow.sizes import check, padded
from dsnet.flow.threads import single_threaded

PATCH = 8  # pixels; OpenCV's presets have no other


class DIS:
    """DIS with its parameters; see :class:`dsnet.experiment.flows.DIS`."""

    where = "dis on cpu"
    threads = math.inf

    def __init__(
        self,
        finest_scale: int,
        patch_stride: int,
        gradient_descent_iterations: int,
        variational_refinement_iterations: int,
    ) -> None:
        self.finest_scale = finest_scale
        self.settings = {
            "FinestScale": finest_scale,
            "PatchStride": patch_stride,
            "GradientDescentIterations": gradient_descent_iterations,
            "VariationalRefinementIterations": variational_refinement_iterations,
        }

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute (T-1, H, W, 2) float32 flow of (T, H, W) uint8 frames."""
        check(gray)
        # A level smaller than a patch ends in a crash of OpenCV.
        frames, place = padded(gray, least=PATCH * 2 ** max(self.finest_scale, 1))
        # It keeps images between calls: a new one per call, so that threads share none.
        method: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        for name, value in self.settings.items():
            getattr(method, f"set{name}")(value)
        flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
        with single_threaded(cv2.getNumThreads, cv2.setNumThreads):
            for i in range(len(flow)):
                flow[i] = method.calc(frames[i], frames[i + 1], None)[place]
        return flow
