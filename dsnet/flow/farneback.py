"""Polynomial expansion (Farnebäck 2003), by OpenCV's ``FarnebackOpticalFlow`` on one CPU core."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from dsnet.flow.sizes import check, padded
from dsnet.flow.threads import single_threaded

LEAST = 32  # pixels; of narrower frames OpenCV's border is the most part


class Farneback:
    """Farnebäck's flow with its parameters; see :class:`dsnet.experiment.flows.Farneback`."""

    where = "farneback on cpu"
    threads = math.inf

    def __init__(
        self,
        levels: int,
        scale_step: float,
        window: int,
        iterations: int,
        neighbourhood: int,
        sigma: float,
        gaussian: bool,
    ) -> None:
        self.parameters: dict[str, Any] = {
            "numLevels": levels,
            "pyrScale": scale_step,
            "fastPyramids": False,
            "winSize": window,
            "numIters": iterations,
            "polyN": neighbourhood,
            "polySigma": sigma,
            "flags": cv2.OPTFLOW_FARNEBACK_GAUSSIAN if gaussian else 0,
        }

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute (T-1, H, W, 2) float32 flow of (T, H, W) uint8 frames."""
        check(gray)
        frames, place = padded(gray, LEAST)
        method: Any = cv2.FarnebackOpticalFlow.create(**self.parameters)
        flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
        with single_threaded(cv2.getNumThreads, cv2.setNumThreads):
            for i in range(len(flow)):
                flow[i] = method.calc(frames[i], frames[i + 1], None)[place]
        return flow
