"""docs/plugins.md, done as it says."""

import json
import re
import shutil
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from project import OVERLAY, ROOT, RUN, TINY, Project, merge

import dsnet
from dsnet import models
from dsnet.cli import main
from dsnet.store import Reader

PAGE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
NEW = {("train", "soft"), ("evaluate", "soft")}
FILES = dict(re.findall(r"Save this as `(my_\w+\.py)`.*?^```python\n(.*?)^```", PAGE, re.M | re.S))
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
SETTINGS = [yaml.safe_load(block) for block in BLOCKS]
# The first of these stages that an edit makes again tells what the edit concerns.
ORDER = ("manifest", "frames", "flow_shard", "pack", "train", "evaluate", "fuse")


def write(project: Project, changes: Mapping[str, Any]) -> None:
    """Save the files of the page and the overlay: the tiny experiment with ``changes``."""
    for name, text in FILES.items():
        (project / name).write_text(text, encoding="utf-8")
    overlay = yaml.safe_dump(merge(TINY, changes), sort_keys=False)
    (project / OVERLAY).write_text(overlay, encoding="utf-8")


def test_a_loss_of_ones_own_is_trained_and_is_in_the_digest_of_its_stream(project: Project):
    write(project, SETTINGS[0])
    outcome = project.finish("students")
    assert outcome.jobs == NEW | {("students", "")}
    history = (project / "results/motions/split1/4f/seed0/soft/history.csv").read_text()
    assert "loss_soft" in history.splitlines()[0]

    project.edit("my_losses.py", '"""The Kullback', '"""Kullback')
    assert project.finish("-n", "students").jobs == set()
    project.edit("my_losses.py", "temperature**2", "temperature")
    assert project.finish("-n", "students").jobs - {("students", "")} == NEW

    project.edit(OVERLAY, "soft:\n        weight", "sift:\n        weight")
    plan = project.snakemake("-n", "students")
    assert plan.code != 0
    assert "streams.soft.losses.sift: unknown key; did you mean soft?" in plan.text


def test_all_else_of_ones_own_goes_through_the_workflow(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    settings = reduce(merge, SETTINGS[1:])
    plugins = [name for block in SETTINGS[1:] for name in block["plugins"]]
    write(project, {**settings, "plugins": plugins})
    (project / "data/mine").mkdir(parents=True)
    for path in (project / "results/motions/videos").glob("*/*.mp4"):
        shutil.copy(path, project / f"data/mine/{path.parent.name}-{path.name}")
    project.finish()
    run = project / RUN.replace("motions", "mine")

    monkeypatch.chdir(project.folder)
    clips = Reader(Path("results/mine/clips.h5"))
    assert clips.spec["flow"]["algorithm"] == "my_flow.py:NormalFlow"
    assert clips.spec["flow"]["options"] == {"damping": 50}
    content = models.read(run / "ds/model.pt")
    assert content["arch"] == {"backbone": "my_backbone.py:Plain", "width": 16}
    fused = run / "fusion/ds+flow.accuracy.json"
    assert json.loads(fused.read_text())["fitted_on"]["n_videos"] > 0
    assert "my_flow.py:NormalFlow" in (project / "results/tables/latency.csv").read_text()
    with np.load(run / "maps.npz") as maps:
        assert maps["layer4"].ndim == 5

    videos = json.loads(fused.read_text())["right"]
    model = dsnet.load_model(fused)
    names = [path for path in sorted(Path("data/mine").glob("*.mp4")) if "test_000" in path.name]
    found = [model.predict(path).top(1)[0][0] == path.name.split("-")[0] for path in names]
    assert found == videos
    assert main(["checkpoint", "inspect", str(run / "flow/model.pt")]) == 0

    other = ["--clips", "results/motions/clips.h5", "--output", "scores.h5"]
    assert main(["evaluate", "--model", str(run / "flow/model.pt"), *other]) == 1
    message = "trained on flow by my_flow.py:NormalFlow, and the flow of these clips is by tvl1"
    assert message in caplog.text

    for file, old, new, stage in (
        ("my_fusion.py", "** self.power", "** (self.power + 1)", "fuse"),
        ("my_backbone.py", "x.mean(", "2 * x.mean(", "train"),
        ("my_flow.py", "scale * y", "scale + y", "flow_shard"),
        ("my_data.py", "self.every == 0", "self.every == 1", "manifest"),
    ):
        text = (project / file).read_text(encoding="utf-8")
        project.edit(file, text, f"# A comment.\n{text}")
        assert project.plan().nothing_to_do
        project.edit(file, old, new)
        counts = project.plan().counts
        assert next(rule for rule in ORDER if rule in counts) == stage
        (project / file).write_text(text, encoding="utf-8")
