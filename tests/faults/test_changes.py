"""Videos replaced behind the workflow's back, and clocks that go backwards."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project import OVERLAY, Project

from dsnet import video
from dsnet.datasets import fingerprint
from dsnet.store import Reader

CLIPS = "results/mine/clips.h5"
MANIFEST = "results/mine/manifest.csv"
DAY = 86_400
PADDED = 65_536  # bytes


def encode(path: Path, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 255, (6, 32, 32, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    video.encode(path, frames, codec="mpeg4")


def pad(path: Path, size: int) -> None:
    """Make a video file longer; readers do not mind."""
    os.truncate(path, size)


@pytest.fixture
def own(fresh: Project, tmp_path: Path) -> tuple[Project, Path]:
    """A project with a folder of four videos of the same size, and the folder."""
    folder = tmp_path / "videos"
    for number, name in enumerate(("run/a", "run/b", "walk/c", "walk/d")):
        encode(folder / f"{name}.avi", number)
        pad(folder / f"{name}.avi", PADDED)
    entry = {"kind": "folder", "videos": str(folder), "shards": 1}
    # Two videos of a class are too few to hold one out.
    few = {"protocol": "paper", "fusion": {"fit": "train"}}
    fresh.configure(datasets=["mine"], catalogue={"mine": entry}, **few)
    return fresh, folder


def test_replaced_videos_are_named_or_noticed_and_end_in_the_results_of_a_fresh_run(
    own: tuple[Project, Path], tmp_path: Path
):
    project, folder = own
    # Before the frames: even one of the same size with an older time stamp, which no plan notices.
    project.finish(MANIFEST)
    replaced = folder / "walk/c.avi"
    encode(replaced, 8)
    pad(replaced, PADDED)
    os.utime(replaced, (1, 1))
    outcome = project.snakemake(CLIPS)
    assert outcome.code != 0
    assert f"{replaced} was replaced or changed after {MANIFEST} was made" in outcome.text
    assert f"it was moved to {MANIFEST}.outdated; run again" in outcome.text
    assert not (project / CLIPS).exists()
    project.finish(CLIPS)
    before = Reader(project / CLIPS).digest
    # After everything: the next plan notices.
    encode(folder / "run/b.avi", 9)
    os.utime(folder / "run/b.avi", (1, 1))
    outcome = project.finish(CLIPS)
    assert outcome.counts["manifest"] == 1
    assert "Params have changed" in outcome.text

    fresh = Project.create(tmp_path / "fresh")
    shutil.copy(project / OVERLAY, fresh / OVERLAY)
    fresh.finish(CLIPS)
    assert before != Reader(project / CLIPS).digest == Reader(fresh / CLIPS).digest
    assert project.finish(CLIPS).nothing_to_do


def test_names_and_sizes_of_the_listed_videos_are_what_is_noticed(tmp_path: Path):
    entry = {"kind": "folder", "videos": str(tmp_path), "csv": None, "test_share": 0.5}
    assert fingerprint(entry) is None  # no video: the manifest tells
    for name in ("run/a.avi", "walk/b.avi"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"1234")
    first = fingerprint(entry)
    (tmp_path / "index.txt").write_text("no video")
    os.utime(tmp_path / "run/a.avi", (1, 1))
    assert fingerprint(entry) == first
    (tmp_path / "run/a.avi").write_bytes(b"12345")
    second = fingerprint(entry)
    (tmp_path / "run/a.avi").rename(tmp_path / "run/c.avi")
    assert len({first, second, fingerprint(entry)}) == 3


def set_times(project: Project, moment: Callable[[Path], float]) -> None:
    """Give every file and folder of a project the time stamp ``moment()``."""
    for path in [project.folder, *project.folder.rglob("*")]:
        if not path.is_symlink() and ".snakemake" not in path.parts:
            stamp = moment(path)
            os.utime(path, (stamp, stamp))


REVERSED = {
    "reversed": lambda path: 2 * time.time() - DAY - path.stat().st_mtime,
    "equal": lambda path: time.time() - DAY,
    "shuffled": lambda path: time.time() - random.Random(str(path)).uniform(0, DAY),
    "future": lambda path: time.time() + random.Random(str(path)).uniform(0, DAY),
}


@pytest.mark.parametrize("how", REVERSED)
def test_whatever_the_time_stamps_are_after_a_copy_nothing_runs_again(project: Project, how: str):
    set_times(project, REVERSED[how])
    assert project.plan().nothing_to_do


def test_results_from_the_future_are_refused_with_the_command_that_mends_them(project: Project):
    """What is made now would be older than what it is made from."""
    set_times(project, REVERSED["future"])
    clips = project / "results/motions/clips.h5"
    before = Reader(clips).digest
    clips.unlink()
    outcome = project.snakemake("results/motions/clips.h5")
    assert outcome.code != 0
    (command,) = re.findall(r"is dated in the future, .*\n +(find .*)\n", outcome.text)
    subprocess.run(command, shell=True, check=True, cwd=project.folder)
    project.finish("results/motions/clips.h5")
    assert Reader(clips).digest == before
    assert project.plan().nothing_to_do
