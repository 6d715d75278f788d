"""Settings of the data: data sets, frames, flow and clips."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from dsnet import gpus
from dsnet.experiment.flows import DIS, RAFT, Farneback
from dsnet.experiment.settings import NO_OPTIONS, Number, Options, Settings, Share, Text

# Kinds of data sets that the workflow can fetch.
FETCHED = ("ucf101", "hmdb51", "weizmann")
TVL1_NAME = "tvl1"
IMPORTED = "imported"
# Layouts of flow images, and how their authors made 8 bits of flow.
LAYOUTS = {"mars": "truncate", "denseflow": "nearest", "tsn": "nearest"}
# Backends of TV-L1, and which of OpenCV's two versions of it each follows.
FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "cuda": ("cuda",),
    "opencv-cuda": ("cuda",),
    "torch": ("cpu", "cuda"),
    "numba": ("cpu", "cuda"),
    "opencv": ("cpu",),
}
ON_CPU = (
    "numba",
    "opencv",
    "dis",
    "farneback",
    IMPORTED,
)  # backends and algorithms that use no GPU
GPU_THREADS = 8  # that decode and encode images for a GPU: 1 ms per pair of frames
Quality = Annotated[int, Field(ge=1, le=100)] | Literal["raw"]


def following(semantics: str) -> list[str]:
    """Return the backends that follow ``cpu`` or ``cuda``."""
    return [name for name, followed in FOLLOWED.items() if semantics in followed]


class Listed(Settings):
    """Which videos a data set has, and how they are divided."""

    kind: str = Field(
        description="How the videos are listed: motions, which makes them, folder, weizmann, "
        "ucf101, hmdb51, or one of `plugins`."
    )
    options: Options = NO_OPTIONS
    videos: str | None = Field(
        None, description="Folder of the videos, one folder per class; null only for `motions`."
    )
    lists: str | None = Field(
        None, description="Folder of the official split lists (`ucf101`, `hmdb51`)."
    )
    csv: str | None = Field(
        None,
        description="CSV with path, class, group and split columns (`folder`); null makes a split.",
    )
    allow_missing: bool = Field(
        False,
        description="Go on without videos that the lists name and the folder lacks; tables say so.",
    )
    allow_duplicates: bool = Field(
        False,
        exclude_if=operator.not_,
        description="Go on although videos with the same bytes are in train and test; official "
        "splits (`ucf101`, `hmdb51`, `weizmann`) are taken as they are.",
    )
    images_fps: Number | None = Field(
        None,
        ge=1,
        exclude_if=lambda value: value is None,
        description="Frames per second of numbered images, if each video is a folder of them, as "
        "`CLASS/VIDEO/img_00001.jpg` (docs/data.md#frames-and-flow-that-you-have); null if it is a "
        "file.",
    )
    shards: int = Field(
        1, ge=1, description="Number of groups that the videos are divided into, one job each."
    )
    test_share: Share = Field(
        0.3, description="Share of test videos in the split made for a `folder` without a CSV."
    )
    train_per_class: int = Field(24, ge=1, description="Training videos per class (`motions`).")
    test_per_class: int = Field(20, ge=1, description="Test videos per class (`motions`).")
    size: int = Field(64, ge=32, le=512, description="Height and width in pixels (`motions`).")
    length: int = Field(20, ge=2, description="Frames per video (`motions`).")
    seed: int = Field(0, ge=0, description="Seed of the generator (`motions`).")
    # Left out of specs if it is the default, so that older videos stay valid.
    camera: Number = Field(
        1,
        ge=0,
        exclude_if=lambda value: value == 1,
        description="How many times as fast as by default the camera drifts and shakes "
        "(`motions`).",
    )


class Entry(Listed):
    """One data set."""

    title: str | None = Field(
        None, description="Name in tables, such as UCF-101; null takes the entry's name."
    )
    fetch: bool = Field(
        False,
        description="Get the videos and the lists from where they are published, unless they are "
        "there (`ucf101`, `hmdb51`, `weizmann`).",
    )
    flip: bool = Field(
        True, description="Whether a clip may be mirrored in training without changing its class."
    )

    def folders(self) -> dict[str, str]:
        """Return the folders of videos and lists by key, as far as they are set."""
        return {key: getattr(self, key) for key in ("videos", "lists") if getattr(self, key)}


class Fetch(Settings):
    """Fetching of data sets whose `fetch` is true."""

    downloads: Text = Field(
        "data/downloads",
        description="Folder that keeps the archives, one folder per kind of data set.",
    )
    mirror: Annotated[str, Field(pattern="^https?://")] | None = Field(
        None,
        description="Address of a copy of that folder, asked instead of the official addresses.",
    )


class Frames(Settings):
    """Decoding of the videos."""

    fps: Number = Field(25, gt=0, description="Frames per second that videos are resampled to.")
    resize: Literal["square", "short_side"] = Field(
        "square",
        description="`square` to size x size as the paper says, `short_side` keeps the aspect as "
        "MARS does; its weights know flow of that kind. Of 320x240 squashed to a square, x-flow is "
        "0.75 of it.",
    )
    size: int = Field(
        256, ge=16, le=2048, description="Side of the square, or the shorter side, in pixels."
    )
    # Left out of specs if it is the default, so that older shards stay valid.
    sampling: Literal["fps_filter", "output_rate"] = Field(
        "fps_filter",
        exclude_if=lambda value: value == "fps_filter",
        description="How frames are chosen for the rate. `fps_filter` takes the nearest to each "
        "time; `output_rate` is ffmpeg's -r as in MARS's extraction, mostly one frame more at the "
        "start.",
    )
    quality: Quality = Field(
        95,
        description="JPEG quality of the frames; `raw` stores them uncompressed (docs/scale.md).",
    )


class TVL1(Settings):
    """Parameters of TV-L1; the defaults are OpenCV's."""

    tau: Number = Field(0.25, gt=0, le=0.25, description="Time step of the dual update.")
    lambda_: Number = Field(0.15, gt=0, description="Weight of the data term.")
    theta: Number = Field(
        0.3, gt=0, description="Tightness of the link between flow and auxiliary flow."
    )
    nscales: int = Field(5, ge=1, description="Levels of the pyramid.")
    warps: int = Field(5, ge=1, description="Warpings per level.")
    epsilon: Number = Field(0.01, gt=0, description="Stopping threshold on the change of the flow.")
    inner_iterations: int = Field(30, ge=1, description="Iterations between two median filters.")
    outer_iterations: int = Field(
        10,
        ge=1,
        description="Median filters per warp; semantics cuda runs inner times outer iterations.",
    )
    scale_step: Share = Field(0.8, description="Ratio of consecutive levels.")
    median_filtering: Literal[1, 3, 5] = Field(
        5,
        description="Side of the median filter under semantics cpu; 1 is none. Cuda has none.",
    )


class Imported(Settings):
    """Images of flow, which are taken instead of computing it."""

    layout: Literal["mars", "denseflow", "tsn"] = Field(
        "mars",
        description="How they are named and counted. `mars`: TVL1jpg_x_00001.jpg, one fewer than "
        "frames; `denseflow` (open-mmlab): flow_x_00000.jpg, one fewer; `tsn` (dense_flow): "
        "flow_x_00001.jpg, as many as frames, and the first is left out.",
    )
    bound: Number = Field(
        20,
        gt=0,
        description="Pixels per frame that 0 and 255 mean in them. MARS's is 20; denseflow's is "
        "its -b, 32 without one.",
    )


class FlowMethod(Settings):
    """How flow is computed and written."""

    algorithm: str = Field(
        TVL1_NAME,
        exclude_if=lambda value: value == TVL1_NAME,
        description="tvl1, dis, farneback, raft; `imported`, which takes images of flow; or one of "
        "`plugins`. Only its own parameters count, and `backend` and `semantics` for tvl1 alone. "
        "docs/method.md compares them.",
    )
    options: Options = NO_OPTIONS
    backend: Literal["auto", "cuda", "opencv-cuda", "torch", "numba", "opencv"] = Field(
        "auto",
        description="What computes the flow. `auto` takes the first that can run and follows "
        "`semantics`: cuda, opencv-cuda, torch on a GPU, numba; with enough cores numba comes "
        "before opencv-cuda and torch. Naming one that cannot run is an error.",
    )
    semantics: Literal["cpu", "cuda"] = Field(
        "cuda",
        description="Which of OpenCV's two versions of TV-L1 is followed; they differ, see "
        "docs/method.md. cuda and opencv-cuda know only cuda, opencv only cpu, the others both. "
        "MARS's flow is cuda.",
    )
    bound: Number = Field(
        20, gt=0, description="Flow is clipped to this many pixels and mapped to 0..255."
    )
    # Left out of specs if it is the default, so that older shards stay valid.
    rounding: Literal["nearest", "truncate"] = Field(
        "nearest",
        exclude_if=lambda value: value == "nearest",
        description="How that becomes 8 bits. `truncate` is MARS's, with zero flow at 127; "
        "`nearest` has it at 128, and mirrored flow is exactly the negated one.",
    )
    quality: Quality = Field(95, description="JPEG quality of the flow planes; or `raw`.")
    tvl1: TVL1 = Field(TVL1(), description="Parameters of TV-L1; the defaults are OpenCV's.")
    dis: DIS = Field(
        DIS(), description="Parameters of dense inverse search, OpenCV's; by default `medium`."
    )
    farneback: Farneback = Field(
        Farneback(), description="Parameters of Farnebäck's flow; the defaults are OpenCV's."
    )
    raft: RAFT = Field(RAFT(), description="Parameters of RAFT, a network of torchvision.")
    imported: Imported = Field(
        Imported(), description="Images of flow beside the frames, for algorithm `imported`."
    )


class Flow(FlowMethod):
    """Optical flow between consecutive frames."""

    gpus: int | None = Field(
        None,
        ge=0,
        description="GPUs that a job gets for itself; null is one if the backend may use it and "
        "this machine has an NVIDIA or AMD GPU.",
    )

    def n_gpus(self) -> int:
        """Return the number of GPUs that a job asks for."""
        if self.gpus is not None:
            return self.gpus
        backend = self.backend if self.algorithm == TVL1_NAME else self.algorithm
        return int(backend not in ON_CPU and bool(gpus.count()))

    def n_threads(self) -> int:
        """Return the number of CPU threads of a job: a GPU is fed by several."""
        return GPU_THREADS if self.n_gpus() else 1


class Clips(Settings):
    """Sampling and transforms."""

    # Left out of specs if it is the default, so that older results stay valid.
    stride: int = Field(
        1,
        ge=1,
        exclude_if=lambda value: value == 1,
        description="A clip has every n-th frame, so 16 frames span more time. Frames are stored "
        "once. Flow is that over n frames (docs/method.md), and is computed again for another n.",
    )
    crop: int = Field(112, ge=8, description="Height and width of the network's input in pixels.")
    scales: list[Annotated[Number, Field(gt=0, le=1)]] = Field(
        [1.0, 0.8408964152537145, 0.7071067811865476, 0.5946035575013605, 0.5],
        min_length=1,
        description="Sides of the training crops as shares of the shorter side; 2^(-k/4), "
        "k = 0..4.",
    )
    rgb_mean: list[Number] = Field(
        [114.7748, 107.7354, 99.4750],
        min_length=3,
        max_length=3,
        description="Subtracted from red, green and blue (0..255).",
    )
    flow_mean: Number = Field(127.5, description="Subtracted from both flow planes (0..255).")
    # Left out of specs if they are the default, so that older networks stay valid.
    rgb_std: list[Annotated[Number, Field(gt=0)]] = Field(
        [1, 1, 1],
        min_length=3,
        max_length=3,
        exclude_if=lambda value: set(value) == {1},
        description="What red, green and blue are divided by then; torchvision's networks "
        "and slowonly_r50 have means and divisors of their own, which count instead of these four "
        "keys.",
    )
    flow_std: Number = Field(
        1,
        gt=0,
        exclude_if=lambda value: value == 1,
        description="What both flow planes are divided by then.",
    )
