"""Settings for the use of the streams' scores: fusions, tables and the cost of inference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dsnet.experiment.settings import Choice, Distinct, Names, Number, Settings


class Fusion(Settings):
    """Fusion of streams' scores; all but `fit` and `options` is of the attention."""

    options: dict[str, dict[str, Any]] = Field(
        {}, description="The arguments of the fusions of `plugins`, by name."
    )
    fit: Literal["train", "held-out"] = Field(
        "train",
        description="The videos whose scores the attention module is fitted on. `train` is the "
        "paper's way, the videos that the streams were trained on; `held-out` is those that select "
        "the epoch under protocol held-out.",
    )
    hidden: int = Field(
        64, ge=1, description="Width between the two linear layers of the attention module."
    )
    epochs: int = Field(100, ge=1, description="Passes over the scores that it is fitted on.")
    batch_size: int = Field(64, ge=1, description="Videos per step.")
    lr: Number = Field(0.001, gt=0, description="Learning rate (Adam).")
    weight_decay: Number = Field(0.0005, ge=0, description="Weight decay.")


class _Fused(Settings):
    fuse: Names = Field(
        [], description="Stream that it is fused with, or a list of several; null is none."
    )
    by: str = Field(
        "average", description="How they are fused: average, attention, or one of `plugins`."
    )


class Result(_Fused):
    """A stream or a fusion."""

    stream: Choice = Field(
        description="A stream, or of a list the one that is best on the selection part."
    )

    def names(self) -> list[str]:
        """Return the streams to choose from."""
        return [self.stream] if isinstance(self.stream, str) else self.stream


class Row(_Fused):
    """One row."""

    method: str = Field(description="Name of the row.")
    stream: str = Field(description="Stream evaluated.")

    def names(self) -> list[str]:
        """Return the stream, as a list."""
        return [self.stream]


class Claim(Settings):
    """One claim, that a method is better than another or about as good."""

    claim: str = Field(description="What is claimed.")
    method: Result = Field(description="What is claimed to be better.")
    against: Result = Field(description="Than what.")
    within: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        description="Percentage points. With them the claim is that the two differ by less; null "
        "claims that the method is better.",
    )


class Group(Settings):
    """One group."""

    group: str = Field(description="Name of the group.")
    rows: list[Result] = Field(min_length=1, description="Its results.")


Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
ABLATION = [
    {"method": "Baseline (MARS)", "stream": "mars"},
    {"method": "Dual-action Stream (multi-level MAE)", "stream": "ds-mae"},
    {"method": "Dual-action Stream (Gram)", "stream": "ds-gram"},
    {"method": "Dual-action Stream (multi-level MAE + Gram)", "stream": "ds"},
    {"method": "Dual-action Stream + Flow", "stream": "ds", "fuse": "flow"},
    {
        "method": "Dual-action Stream + Flow + attention fusion",
        "stream": "ds",
        "fuse": "flow",
        "by": "attention",
    },
]


class Tables(Settings):
    """What the tables compare."""

    two_stream: Pair = Field(
        ["rgb", "flow"],
        description="The RGB and the flow stream of the classic two-stream method.",
    )
    compare: Pair = Field(
        ["ds", "mars"],
        description="The two streams whose per-class difference is plotted, first minus second.",
    )
    students: Annotated[list[str], Distinct] | None = Field(
        None,
        description='The RGB streams that Table 1 lists under "Mimic" and fuses, and that figures '
        "and the pairs of methods show; null is all but the two-stream one.",
    )
    claims: list[Claim] = Field(
        [], description="What is to be answered, over all splits and seeds of a data set."
    )
    study: list[Group] = Field(
        [], description="Results in groups, over all splits and seeds of a data set."
    )
    ablation: list[Row] = Field(
        [Row.model_validate(row) for row in ABLATION],
        description="Rows of Table 2, on the first data set, split and clip length; without rows "
        "there is no Table 2.",
    )


class Latency(Settings):
    """Measurement of the cost of inference."""

    repeats: int = Field(20, ge=1, description="Clips timed per network; the median is reported.")
    warmup: int = Field(3, ge=0, description="Clips run before the timing.")
