"""docs/own-data.md, done by somebody who types what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import forked
import h5py
import onnxruntime
import pandas as pd
import pytest
import torch
from project import ROOT, Project

from dsnet import video
from dsnet.datasets import motions

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLASSES = ("left", "rotate_cw", "shake_vertical")
SCORES = "results/mine/split1/16f/seed0/ds/scores.h5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's code, and a few videos of three classes."""
    project = Project.create(tmp_path / "project")
    entry = {"train_per_class": 8, "test_per_class": 0, "size": 64, "length": 20, "seed": 3}
    motions.generate(entry, tmp_path / "made", jobs=2)
    for name in CLASSES:
        shutil.copytree(tmp_path / "made" / name, project / f"videos/{name}")
    return project.folder


def follow(page: Path, folder: Path) -> str:
    """Write the YAML blocks, run the commands and the Python, in order; what they printed."""
    found = [str(forked.programs()), os.path.dirname(sys.executable), os.environ["PATH"]]
    environment = {**Project(folder).environment, "PATH": os.pathsep.join(found)}
    said = []
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "yaml":
            name = text.splitlines()[0].removeprefix("# ")
            (folder / name).write_text(text, encoding="utf-8")
            continue
        command = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable, "-"]}[kind]
        done = subprocess.run(
            command, cwd=folder, env=environment, input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, text + done.stdout + done.stderr + Project(folder).logs()
        said.append(done.stdout)
    return "".join(said)


def test_the_page_leads_from_a_folder_of_videos_to_predictions(folder: Path):
    said = follow(ROOT / "docs/own-data.md", folder)
    assert "ds test on cpu: video top-1" in said  # the last line of the evaluation's log
    assert said.count("whole video: ") == 8 * len(CLASSES) + 1
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert {Path(line["video"]).parent.name for line in lines} == set(CLASSES)
    assert all(set(line["scores"]) == set(CLASSES) for line in lines)
    assert set(pd.read_csv(folder / "segments.csv")["class"]) <= {*CLASSES, "none"}
    assert " --> " in (folder / "subtitles.srt").read_text()
    with h5py.File(folder / "features.h5") as file:
        assert file["features"].shape == (8 * len(CLASSES), 2 * 48)
    assert len(list(video.decode(folder / "annotated.mp4", resize=None))) == 20
    session = onnxruntime.InferenceSession(folder / "student.onnx")
    (logits,) = session.run(None, {"clips": torch.zeros(1, 16, 48, 48, 3).byte().numpy()})
    assert logits.shape == (1, len(CLASSES))
    assert torch.export.load(folder / "student.pt2").module() is not None
    trained = {path.parent.name for path in folder.glob("results/mine/**/model.pt")}
    assert trained == {"flow", "ds"}, "the page's target needs the teacher and the student alone"
