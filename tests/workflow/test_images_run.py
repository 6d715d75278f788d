"""Frames and flow that are there as images, through the workflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from layouts import write
from project import TINY, Project

from dsnet import images, shards
from dsnet.clips import open_clips
from dsnet.datasets import motions
from dsnet.experiment.data import TVL1
from dsnet.experiment.specs import FlowSpec, FramesSpec
from dsnet.flow import of_spec

CLASSES = ("left", "rotate_cw")
SMALL = TVL1(**TINY["flow"]["tvl1"])
FLOW = {"algorithm": "imported", "bound": 20, "imported": {"layout": "denseflow", "bound": 20}}


def in_images(path: Path, folder: Path, layout: str, frames: FramesSpec, flow: FlowSpec) -> None:
    """Write the frames of a video and their flow, as dsnet computes it, into a folder."""
    stored = list(shards.encoded_frames(path, frames))
    planes = list(shards.encoded_planes([stored], of_spec(flow), flow))
    decoded = [images.decode(np.frombuffer(frame, np.uint8), False) for frame in stored]
    write(folder, decoded, planes, layout, "jpg" if layout == "mars" else "png")


@pytest.fixture
def mine(fresh: Project, tmp_path: Path) -> Project:
    """The project with videos of two classes, as images with flow."""
    entry = {"train_per_class": 4, "test_per_class": 0, "size": 32, "length": 9, "seed": 3}
    motions.generate(entry, tmp_path / "made", jobs=2)
    for path in sorted((tmp_path / "made").glob("*/*.mp4")):
        if path.parent.name in CLASSES:
            folder = fresh / f"images/{path.parent.name}/{path.stem}"
            in_images(path, folder, "denseflow", FramesSpec(size=32), FlowSpec(tvl1=SMALL))
    catalogue = {"mine": {"kind": "folder", "videos": "images", "images_fps": 25, "shards": 2}}
    fresh.configure(datasets=["mine"], catalogue=catalogue, flow=FLOW)
    return fresh


def test_a_run_on_imported_flow_is_cached_and_follows_a_changed_image(mine: Project) -> None:
    fused = "results/mine/split1/4f/seed0/fusion/ds+flow.average.json"
    pages = ("results/summary.html", "results/figures/cost.svg")  # of costs that are not known
    wanted = ("results/tables/latency.csv", fused, "results/mine/broken.csv", *pages)
    mine.finish(*wanted)
    clips = open_clips(mine / "results/mine/clips.h5")
    assert len(clips.videos) == 4 * len(CLASSES)
    assert clips.extra["flow_backends"] == ["imported from images of layout denseflow"]
    plane = (mine / "images/left/train_001/flow_y_00003.jpg").read_bytes()
    assert clips.items("left/train_001", "flow")[7] == plane
    timed = (mine / "results/tables/latency.csv").read_text(encoding="utf-8")
    assert "Dual-action Stream" in timed
    assert "flow" not in timed.split("\n", 1)[1].lower()  # its cost is not known
    assert "Nothing to be done" in mine.finish(*wanted).text
    image = mine / "images/left/train_001/flow_x_00000.jpg"
    image.write_bytes(images.encode(np.full((32, 32), 200, np.uint8), 95))
    mine.finish("results/mine/clips.h5")
    found = open_clips(mine / "results/mine/clips.h5").items("left/train_001", "flow")
    assert found[0] == image.read_bytes()
    assert found[7] == plane


def test_a_rate_that_is_not_that_of_the_flow_is_refused_before_the_first_job(mine: Project) -> None:
    overlay = {"datasets": ["mine"], "flow": FLOW, "frames": {"fps": 12}}
    catalogue = {"mine": {"kind": "folder", "videos": "images", "images_fps": 25}}
    mine.configure(**overlay, catalogue=catalogue)
    outcome = mine.snakemake("-n")
    assert outcome.code != 0
    assert "frames.fps: expected 25, the images_fps of mine" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.parametrize(
    ("name", "layout", "pattern"),
    [
        ("weizmann", "denseflow", "*/daria_w*.avi"),
        ("ucf101", "mars", "videos/*/*.avi"),
    ],
)
def test_real_videos_as_images_give_the_same_clips(
    name: str, layout: str, pattern: str, fresh: Project, shared_data: Path
) -> None:
    *first, last = sorted((shared_data / name).glob(pattern))
    found = [*first[:2], last]  # of two classes at least
    assert len(found) == 3
    flow = {"bound": 20, "rounding": "truncate" if layout == "mars" else "nearest"}
    size = {"size": 64, "resize": "short_side"}
    for path in found:
        (fresh / f"videos/{path.parent.name}").mkdir(parents=True, exist_ok=True)
        (fresh / f"videos/{path.parent.name}/{path.name}").symlink_to(path)
        folder = fresh / f"images/{path.parent.name}/{path.stem}"
        in_images(path, folder, layout, FramesSpec(**size), FlowSpec(**flow, tvl1=SMALL))
    own = {"kind": "folder", "csv": "table.csv"}
    given = {"algorithm": "imported", "imported": {"layout": layout, "bound": 20}}
    for results, entry, more in (
        ("computed", {"videos": "videos"}, {}),
        ("imported", {"videos": "images", "images_fps": 25}, given),
    ):
        paths = [f"{path.parent.name}/{path.stem if more else path.name}" for path in found]
        rows = [
            f"{path},{role}" for path, role in zip(paths, ("train", "train", "test"), strict=True)
        ]
        (fresh / "table.csv").write_text("\n".join(["path,split1", *rows]) + "\n")
        fresh.configure(
            protocol="paper",
            fusion={"fit": "train"},
            results=results,
            datasets=["mine"],
            catalogue={"mine": {**own, **entry}},
            frames=size,
            flow={**flow, **more},
        )
        fresh.finish(f"{results}/mine/clips.h5")
    computed, imported = (
        open_clips(fresh / f"{r}/mine/clips.h5") for r in ("computed", "imported")
    )
    assert list(imported.videos) == list(computed.videos)
    for id in computed.videos:
        assert imported.items(id, "flow") == computed.items(id, "flow")
        pairs = zip(imported.items(id, "rgb"), computed.items(id, "rgb"), strict=True)
        for ours, theirs in pairs:
            ours, theirs = (
                images.decode(np.frombuffer(i, np.uint8), False) for i in (ours, theirs)
            )
            assert np.abs(ours.astype(int) - theirs).mean() < 1.5
