"""Parameters of TV-L1, with OpenCV's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TVL1:
    """Parameters of TV-L1; the defaults are those of OpenCV's ``DualTVL1OpticalFlow``.

    On the GPU OpenCV runs ``inner_iterations * outer_iterations`` iterations per warp and has no
    median filter.
    """

    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    nscales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    scale_step: float = 0.8
    median_filtering: int = 5
