"""docs/plugins.md, done as it says."""

import re

import yaml
from project import OVERLAY, ROOT, TINY, Project, merge

PAGE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
NEW = {("train", "soft"), ("evaluate", "soft")}


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return found


def test_a_loss_of_ones_own_is_trained_and_is_in_the_digest_of_its_stream(project: Project):
    (project / "my_losses.py").write_text(block("python"), encoding="utf-8")
    overlay = merge(TINY, yaml.safe_load(block("yaml")))
    (project / OVERLAY).write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
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
