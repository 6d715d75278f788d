"""Settings of the algorithms of optical flow beside TV-L1."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dsnet.experiment.settings import Number, Settings, Share


class DIS(Settings):
    """Parameters of dense inverse search; the defaults are OpenCV's preset `medium`."""

    finest_scale: int = Field(
        1,
        ge=0,
        le=4,
        description="Level that flow is computed at, enlarged to the frame after: 0 is the frame "
        "itself, 1 half of it. OpenCV's preset `fast` has 2.",
    )
    patch_stride: int = Field(
        3,
        ge=1,
        le=8,
        description="Pixels from a patch of 8 x 8 to the next; `fast` has 4.",
    )
    gradient_descent_iterations: int = Field(
        25, ge=1, description="Iterations of the search for a patch; `fast` has 16."
    )
    variational_refinement_iterations: int = Field(
        5, ge=0, description="Iterations that smooth the flow of a level; `ultrafast` has 0."
    )


class Farneback(Settings):
    """Parameters of Farnebäck's polynomial expansion; the defaults are OpenCV's."""

    levels: int = Field(
        5,
        ge=0,
        description="Levels of the pyramid beside the frame; none has a side below 32 pixels.",
    )
    scale_step: Share = Field(0.5, description="Ratio of consecutive levels.")
    window: int = Field(
        13, ge=1, description="Side of the square that flow is averaged over; larger is smoother."
    )
    iterations: int = Field(10, ge=1, description="Iterations per level.")
    neighbourhood: Literal[5, 7] = Field(
        5, description="Side of the square that a polynomial is fitted to."
    )
    sigma: Number = Field(
        1.1,
        gt=0,
        description="Width in pixels of the Gaussian that weighs it; 1.5 goes with a "
        "neighbourhood of 7.",
    )
    gaussian: bool = Field(
        False, description="Average with a Gaussian instead of a box, better and slower."
    )


class RAFT(Settings):
    """Parameters of RAFT, a network of torchvision (docs/method.md)."""

    model: Literal["raft_small", "raft_large"] = Field(
        "raft_small", description="Network of torchvision."
    )
    weights: str | None = Field(
        None,
        description="File of its weights; null is what `dsnet fetch raft_small` (or raft_large) "
        "gets. Other weights are other flow.",
    )
    iterations: int = Field(12, ge=1, description="Updates of the flow.")
