"""docs/own-data.md and docs/advice.md, done by somebody who types what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import forked
import h5py
import onnxruntime
import pandas as pd
import pytest
import torch
import yaml
from project import ROOT, Project

from dsnet import load_model, video
from dsnet.datasets import motions

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLASSES = ("left", "rotate_cw", "shake_vertical")
TRAIN, FRESH = 9, 20  # videos of a class for the page, and others that it never sees
MODEL = "results/my-actions/mine/split1/16f/seed0/ds/model.pt"
USEFUL = 0.6  # accuracy; chance is a third, and 60 guesses reach this once in 20,000 times


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's code, and a few videos of three classes."""
    project = Project.create(tmp_path / "project")
    entry = {"train_per_class": TRAIN, "test_per_class": FRESH}
    motions.generate({**entry, "size": 64, "length": 20, "seed": 3}, tmp_path / "made", jobs=2)
    for name in CLASSES:
        for role, folder in (("train", "videos"), ("test", "fresh")):
            (project / folder / name).mkdir(parents=True)
            for path in (tmp_path / "made" / name).glob(f"{role}_*"):
                path.rename(project / folder / name / path.name)
    return project.folder


def written(page: Path, folder: Path) -> None:
    """Write the page's YAML blocks under the names in their first lines."""
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "yaml":
            (folder / text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")


def accuracy(model: Path, videos: Path) -> float:
    """The share of the videos whose class is recognised."""
    paths = sorted(videos.glob("*/*"))
    found = load_model(model).predict(paths)
    right = [each.top(1)[0][0] == path.parent.name for each, path in zip(found, paths, strict=True)]
    return sum(right) / len(right)


def follow(page: Path, folder: Path) -> str:
    """Run the page's commands and Python, in order; what they printed."""
    found = [str(forked.programs()), os.path.dirname(sys.executable), os.environ["PATH"]]
    environment = {**Project(folder).environment, "PATH": os.pathsep.join(found)}
    said = []
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "yaml":
            continue
        command = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable, "-"]}[kind]
        done = subprocess.run(
            command, cwd=folder, env=environment, input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, text + done.stdout + done.stderr + Project(folder).logs()
        said.append(done.stdout)
    return "".join(said)


def test_the_page_leads_from_a_folder_of_videos_to_predictions(folder: Path):
    written(ROOT / "docs/own-data.md", folder)
    said = follow(ROOT / "docs/own-data.md", folder)
    assert "ds test on cpu: video top-1" in said  # the last line of the evaluation's log
    assert said.count("whole video: ") == TRAIN * len(CLASSES) + 1
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert {Path(line["video"]).parent.name for line in lines} == set(CLASSES)
    assert all(set(line["scores"]) == set(CLASSES) for line in lines)
    assert set(pd.read_csv(folder / "segments.csv")["class"]) <= {*CLASSES, "none"}
    assert " --> " in (folder / "subtitles.srt").read_text()
    with h5py.File(folder / "features.h5") as file:
        assert file["features"].shape == (TRAIN * len(CLASSES), 2 * 48)
    assert len(list(video.decode(folder / "annotated.mp4", resize=None))) == 20
    session = onnxruntime.InferenceSession(folder / "student.onnx")
    (logits,) = session.run(None, {"clips": torch.zeros(1, 16, 48, 48, 3).byte().numpy()})
    assert logits.shape == (1, len(CLASSES))
    assert torch.export.load(folder / "student.pt2").module() is not None
    trained = {path.parent.name for path in folder.glob("results/**/model.pt")}
    assert trained == {"flow", "ds"}, "the page's target needs the teacher and the student alone"
    assert accuracy(folder / MODEL, folder / "fresh") >= USEFUL


def test_the_page_of_advice_asks_its_questions_of_own_videos(folder: Path):
    """Its command, with one seed and trainings of three steps."""
    written(ROOT / "docs/own-data.md", folder)
    training = {"epochs": 1, "least_steps": 3, "warmup_epochs": 0}
    for name, short in (("mine", {"training": training}), ("experiments/advice", {"seeds": [0]})):
        path = folder / f"{name}.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(settings | short), encoding="utf-8")
    said = follow(ROOT / "docs/advice.md", folder)
    rows = settings["tables"]["ablation"]
    assert [row["method"] for row in rows if f"| {row['method']} |" not in said] == []
    claims = settings["tables"]["claims"]
    assert [row["claim"] for row in claims if f"| {row['claim']} |" not in said] == []
    assert said.count("| one training each: no answer |") == len(claims)
