"""What is the same in two results folders, and what is not."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd
import pytest
import torch
from contents import contents
from project import RUN, Project

from dsnet.models import checkpoints
from dsnet.provenance import seal_of


def nudge_weight(path: Path) -> None:
    content = checkpoints.read(path)
    weight = content["state_dict"]["fc.bias"]
    weight[0] = torch.nextafter(weight[0], torch.tensor(torch.inf))
    checkpoints.save(path, content)


def nudge_score(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["test/clips"][0, 0] += 1e-3
    seal_of(path).unlink()  # or it would count as damaged


def raise_accuracy(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "top1": content["top1"] + 0.1}), encoding="utf-8")


def later(path: Path) -> None:
    frame = pd.read_csv(path)
    frame["seconds"] += 1
    frame.to_csv(path, index=False)


def other_commit(path: Path) -> None:
    content = checkpoints.read(path)
    checkpoints.save(path, {**content, "provenance": {"commit": "another"}})


def other_record(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count('{"commit":"') == 1
    path.write_text(text.replace('{"commit":"', '{"commit":"0'), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "change", "noticed"),
    [
        (f"{RUN}/ds/model.pt", nudge_weight, True),
        (f"{RUN}/ds/model.pt", other_commit, False),
        (f"{RUN}/ds/scores.h5", nudge_score, True),
        (f"{RUN}/ds/history.csv", later, False),
        (f"{RUN}/fusion/ds+flow.average.json", raise_accuracy, True),
        ("results/tables/table1.md", other_record, False),
        ("results/tables/table1.md", lambda path: path.write_text("| 100 |"), True),
        ("results/tables/latency.md", lambda path: path.write_text("faster"), False),
    ],
)
def test_what_changes_a_result_changes_its_digest_and_times_do_not(
    project: Project, name: str, change: Callable[[Path], object], noticed: bool
):
    before = contents(project / "results")
    change(project / name)
    after = contents(project / "results")
    differing = [path for path in before if before[path] != after[path]]
    assert differing == ([name.removeprefix("results/")] if noticed else [])


def test_files_that_were_added_or_are_gone_are_noticed(project: Project):
    before = contents(project / "results")
    (project / "results/tables/table1.md").rename(project / "results/tables/table9.md")
    after = contents(project / "results")
    assert set(before) ^ set(after) == {"tables/table1.md", "tables/table9.md"}
