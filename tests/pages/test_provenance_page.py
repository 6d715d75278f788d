"""The page of a run's provenance says what its artifacts and Snakemake's measurements say."""

import json
import shutil

import h5py
import pandas as pd
import pytest
import torch
from parsed import Page
from project import RUN, SHARDS, STREAMS, Project

from dsnet.pages import provenance_page
from dsnet.pages.provenance import duration, flat, number

MADE, COSTS, TRAININGS, DIFFER, SHARED = 1, 2, 3, 6, 7  # numbers of tables


@pytest.fixture(scope="module")
def page(finished: Project) -> Page:
    return Page.read(finished / "results/provenance.html")


def test_the_page_needs_no_other_file(page: Page):
    page.assert_whole_in_itself()
    assert page.source.startswith("<!DOCTYPE html>")
    assert len(page.source) < 100_000


def test_versions_are_those_that_the_artifacts_recorded(page: Page, finished: Project):
    with h5py.File(finished / f"{RUN}/ds/scores.h5") as file:
        recorded = json.loads(file.attrs["provenance"])
    (row,) = page.cells(MADE)[1:]
    assert row[:3] == [recorded["commit"], recorded["python"], recorded["machine"]]
    assert row[3] == ", ".join(f"{k} {v}" for k, v in recorded["versions"].items())
    assert row[4] == "1 clips, 4 models, 4 scores, 14 fusions"


def test_costs_are_the_sums_of_snakemakes_files(page: Page, finished: Project):
    rows = {row[0]: row for row in page.cells(COSTS)[1:]}
    files = list((finished / "results/benchmarks/motions/flow").glob("*.tsv"))
    measured = pd.concat([pd.read_csv(file, sep="\t") for file in files])
    assert len(files) == len(SHARDS)
    assert rows["flow"][1] == str(len(files))
    assert rows["flow"][2] == duration(measured["s"].sum())
    assert rows["flow"][5] == duration(measured["s"].max())
    jobs = sum(int(row[1]) for name, row in rows.items() if name != "all")
    assert jobs == int(rows["all"][1])
    everything = set((finished / "results/benchmarks").rglob("*.tsv"))
    # But for its own, which is written after it.
    assert jobs == len(everything - {finished / "results/benchmarks/provenance.tsv"})


def test_trainings_and_settings_are_those_of_the_models(page: Page, finished: Project):
    rows = {row[0]: row for row in page.cells(TRAININGS)[1:]}
    model = torch.load(finished / f"{RUN}/ds/model.pt", weights_only=True)
    measured = pd.read_csv(finished / f"results/benchmarks/{RUN[8:]}/ds/train.tsv", sep="\t")
    assert len(rows) == len(STREAMS)
    assert rows["Dual-action Stream"][1:6] == [
        "motions, split 1, 4 frames, seed 0",
        model["provenance"]["device"],
        "1",
        f"{model['epoch']} of 2",
        duration(measured["s"][0]),
    ]
    assert f'<td class="short">{duration(measured["s"][0])}</td>' in page.source  # on one line
    heads, *settings = page.cells(DIFFER)
    assert sorted(heads[1:]) == sorted(STREAMS)
    values = {row[0]: dict(zip(heads[1:], row[1:], strict=True)) for row in settings}
    assert values["stream.teacher"] == {"flow": "none", "rgb": "none", "mars": "flow", "ds": "flow"}
    assert values["stream.losses.mse.weight"]["mars"] == "50"
    assert values["stream.losses.mse.weight"]["ds"] == "—"
    assert ["clips.crop", str(model["spec"]["clips"]["crop"])] in page.cells(SHARED)


def write(project: Project, output, titles):
    """The page of a part of a run."""
    run, results = project / RUN, project / "results"
    fusions = [run / "fusion/ds+flow.attention.json"]
    models = [run / f"{name}/model.pt" for name in ("flow", "ds")]
    scores = [path.with_name("scores.h5") for path in models]
    clips = [results / "motions/clips.h5"]
    provenance_page(clips, models, scores, fusions, results / "benchmarks", titles, output)
    return Page.read(output)


def test_versions_that_differ_are_told_apart_and_titles_escaped(finished: Project, tmp_path):
    project = Project(tmp_path / "project")
    for name in ("motions/clips.h5", "benchmarks", *(f"{RUN[8:]}/{n}" for n in ("flow", "ds"))):
        source, target = finished / f"results/{name}", project / f"results/{name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    fusion = project / f"{RUN}/fusion/ds+flow.attention.json"
    fusion.parent.mkdir()
    content = json.loads((finished / f"{RUN}/fusion/{fusion.name}").read_text())
    content["provenance"]["commit"] = "0123abc"
    fusion.write_text(json.dumps(content))
    page = write(project, tmp_path / "p.html", {"flow": "Flow", "ds": "<b>DS</b> & more"})
    page.assert_whole_in_itself()
    assert [row[4] for row in page.cells(MADE)[1:]] == ["1 clips, 2 models, 2 scores", "1 fusions"]
    assert page.cells(MADE)[2][0] == "0123abc"
    assert page.cells(TRAININGS)[2][0] == "<b>DS</b> & more"
    # Trainings of streams that are not given are left out of the costs.
    assert {row[0]: row[1] for row in page.cells(COSTS)}["train"] == "2"


def test_settings_are_flattened_in_words():
    spec = {"a": {"b": [1, "x"], "c": None}, "d": True, "e": {}}
    assert flat(spec) == {"a.b": "1, x", "a.c": "none", "d": "yes"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.25, "4.2 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (3599.6, "1 h 00 min"),
     (93784, "26 h 03 min"), (float("nan"), "—")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_numbers():
    assert [number(1234.56), number(float("nan"))] == ["1,235", "—"]
