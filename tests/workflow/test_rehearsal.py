"""The paper's experiment from MARS's weights to the tables, with few videos and one epoch.

The network is the real 3D ResNeXt-101, TV-L1 has the paper's settings, and the videos are samples
of UCF-101 and HMDB-51 by the official lists; the weights are drawn. What is measured so says
nothing about the method, but every cell of the paper's own rows comes about as it would.

``make rehearsal`` runs all of one recipe, which DSNET_REHEARSAL names. Without, some files of each
recipe are made of three videos, with a tenth of the flow's work and one block in each of the
network's levels; 64 frames are not trained on.
"""

import json
import os
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from project import Project
from rehearsal import (
    CHECKPOINTS,
    CLASSES,
    RECIPES,
    link_samples,
    prepare,
    rehearse,
    remove,
    write_releases,
)

from dsnet.models import checkpoints
from dsnet.provenance import file_digest
from dsnet.scores import read_scores

ALL = os.environ.get("DSNET_REHEARSAL", "")
all_of_it = pytest.mark.skipif(not ALL, reason="takes long; `make rehearsal` runs it")
OTHER = ALL.endswith("-torchvision")
pytestmark = pytest.mark.skipif(OTHER, reason="test_torchvision_recipe.py rehearses it")
OVERLAYS, RESULTS = RECIPES["paper" if OTHER else ALL or "paper"]

LENGTHS = (16, 64)
BLOCKS = [3, 4, 23, 3] if ALL else [1, 1, 1, 1]  # of layer1 to layer4
TITLES = {"ucf101": "UCF-101", "hmdb51": "HMDB-51"}
# The releases that are taken as they are; the terms of each stream's loss that is trained.
TAKEN = {"flow": "Flow", "rgb": "RGB"}
TERMS = {
    "rgb-from-flow": {"ce"},
    "mars": {"ce", "mse"},
    "mars-mae": {"ce", "mse", "mae"},
    "mars-gram": {"ce", "mse", "gram"},
    "ds-mae": {"ce", "mae"},
    "ds-gram": {"ce", "gram"},
    "ds": {"ce", "mae", "gram"},
}
START = "MARS_Kinetics"
FINE_TUNED = ("layer4.", "fc.")  # all that is trained in the recipe paper-mars
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
# The paper's Table 1 (its own rows and MARS's) and Table 2.
COLUMNS = [(t, c) for t in TITLES.values() for c in ("Mimic", "Mimic+RGB", "Mimic+Flow")]
TABLE1 = {
    "MARS (16f)": (94.6, 95.6, 94.9, 72.3, 73.1, 74.5),
    "Dual-action Stream (16f)": (95.2, 95.6, 95.6, 73.7, 73.5, 76.8),
    "MARS (64f)": (97.1, 95.8, 97.5, 80.1, 80.6, 80.9),
    "Dual-action Stream (64f)": (97.2, 97.6, 97.7, 80.3, 80.8, 81.2),
}
TABLE2 = {
    "Baseline (MARS)": 94.6,
    "Dual-action Stream (multi-level MAE)": 94.7,
    "Dual-action Stream (Gram)": 94.8,
    "Dual-action Stream (multi-level MAE + Gram)": 95.2,
    "Dual-action Stream + Flow": 95.6,
    "Dual-action Stream + Flow + attention fusion": 95.7,
}
# A sample that the first list trains on, one of two, and two short ones that it tests on.
TRAINING = "SoccerJuggling/v_SoccerJuggling_g23_c01.avi"
TEST = (
    "BaseballPitch/v_BaseballPitch_g01_c01.avi",
    "BaseballPitch/v_BaseballPitch_g01_c03.avi",
)


@pytest.fixture(scope="module")
def releases(shared_fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of weights named and laid out as MARS's releases."""
    recorded = json.loads((shared_fixtures / "mars_resnext101_rgb_16f_101.json").read_text())
    folder = tmp_path_factory.mktemp("weights") / "checkpoints"
    deeper = re.compile(r"layer\d\.[1-9]")
    shapes = {key: tuple(shape) for key, shape in recorded["keys"] if ALL or not deeper.match(key)}
    write_releases(folder, shapes, TITLES if ALL else ["ucf101"])
    yield folder
    if not ALL:
        remove(folder)


@pytest.fixture(scope="module")
def rehearsed(
    releases: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The whole experiment on all samples; what it made is left."""
    videos = {name: shared_data / name / "videos" for name in TITLES}
    project = prepare(
        tmp_path_factory.getbasetemp() / "paper", releases, videos, shared_data, TERMS
    )
    started = time.monotonic()
    rehearse(project, hours=5, recipe=OVERLAYS)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.0f} minutes, at most {peak:.1f} GiB in a process: {project / RESULTS}")
    return project


def run_of(dataset: str, length: int, results: str = RESULTS) -> str:
    return f"{results}/{dataset}/split1/{length}f/seed0"


def release_of(project: Project, name: str, length: int) -> Path:
    return project / CHECKPOINTS / f"{name}_{length}f.pth"


def assert_taken(project: Project, run: str, dataset: str, length: int, stream: str) -> None:
    """A release as it is, without an epoch."""
    model = checkpoints.read(project / run / stream / "model.pt")
    release = release_of(project, f"{TAKEN[stream]}_{dataset.upper()}", length)
    assert model["sources"]["init"] == file_digest(release)
    assert len(pd.read_csv(project / run / stream / "history.csv")) == 0
    theirs = checkpoints.read(release)["state_dict"]
    own = model["state_dict"]
    assert len(own) > 10 * sum(BLOCKS)
    assert all(torch.equal(value, theirs[f"module.{key}"]) for key, value in own.items())


def assert_trained(project: Project, run: str, dataset: str, length: int, stream: str) -> None:
    """One epoch with finite losses, all terms of the stream's, from the weights it should."""
    folder = project / run / stream
    history = pd.read_csv(folder / "history.csv")
    terms = {name.removeprefix("loss_") for name in history if name.startswith("loss_")}
    assert list(history["epoch"]) == [1]
    assert terms == TERMS[stream]
    assert np.isfinite(history.to_numpy()).all(), history.to_dict("records")
    assert (history[[f"grad_{term}" for term in terms]] > 0).all(axis=None)
    assert history[[f"share_{term}" for term in terms]].sum(axis=1).tolist() == [pytest.approx(1)]
    model = checkpoints.read(folder / "model.pt")
    assert len(model["classes"]) == CLASSES[dataset]
    assert model["arch"]["layers"] == BLOCKS
    assert model["spec"]["clips"]["crop"] == 112
    teacher = file_digest(folder.parent / "flow/model.pt") if len(terms) > 1 else None
    assert model["sources"]["teacher"] == teacher
    start = release_of(project, START, length)
    assert model["sources"]["init"] == file_digest(start)
    own, release = model["state_dict"], checkpoints.read(start)["state_dict"]
    shared = [key for key in own if not key.startswith("fc.") and not key.endswith(STATISTICS)]
    changed = {key for key in shared if not torch.equal(own[key], release[f"module.{key}"])}
    trained = [k for k in shared if k.startswith(FINE_TUNED)] if "paper-mars" in run else shared
    assert len(shared) > 9 * sum(BLOCKS)
    assert changed
    assert changed <= set(trained)
    assert ("conv1.weight" in changed) == ("conv1.weight" in trained)


def assert_scored(
    project: Project, run: str, dataset: str, stream: str, parts: dict[str, set[str]]
) -> None:
    """Finite scores of every class for all clips of these videos, by their file names."""
    scores = read_scores(project / run / stream / "scores.h5")
    for name, expected in parts.items():
        part = scores.parts[name]
        assert {f"{id}.avi" for id in part.ids} == expected
        assert part.clips.shape == (part.counts.sum(), CLASSES[dataset])
        assert np.isfinite(part.clips).all()


def listed(samples: Path, dataset: str) -> dict[str, set[str]]:
    """The samples that the official lists of split 1 train and test on."""
    lists, videos = samples / dataset / "splits", samples / dataset / "videos"
    found: dict[str, set[str]] = {"train": set(), "test": set()}
    if dataset == "ucf101":
        for part in found:
            lines = (lists / f"{part}list01.txt").read_text().splitlines()
            found[part] = {line.split()[0] for line in lines}
    else:
        for path in lists.glob("*_test_split1.txt"):
            folder = path.name.removesuffix("_test_split1.txt")
            for name, flag in map(str.split, path.read_text().splitlines()):
                if flag in "12":
                    found["train" if flag == "1" else "test"].add(f"{folder}/{name}")
    present = {str(path.relative_to(videos)) for path in videos.glob("*/*.avi")}
    return {part: names & present for part, names in found.items()}


def n_missing(samples: Path, dataset: str) -> int:
    return {"ucf101": 13320, "hmdb51": 6766}[dataset] - len(
        list((samples / dataset / "videos").glob("*/*.avi"))
    )


def test_a_row_of_table_1_and_a_step_of_every_recipe_on_three_videos(
    releases: Path, shared_data: Path, tmp_path: Path
) -> None:
    videos = link_samples(shared_data / "ucf101/videos", tmp_path / "videos", (TRAINING, *TEST))
    less_flow = {"tvl1": {"warps": 1, "outer_iterations": 1}}
    project = prepare(
        tmp_path / "project",
        releases,
        {"ucf101": videos},
        shared_data,
        TERMS,
        flow=less_flow,
        model={"layers": BLOCKS},
        tables={"students": ["ds"], "compare": ["ds", "rgb"]},
    )
    recipe, results = RECIPES["paper"]
    short, long = (run_of("ucf101", length, results) for length in LENGTHS)
    targets = [f"{short}/fusion/ds+{other}.average.json" for other in ("rgb", "flow")]
    try:
        rehearse(project, *targets, f"{long}/flow/model.pt", hours=1, recipe=recipe)
        assert_trained(project, short, "ucf101", 16, "ds")
        assert_taken(project, long, "ucf101", 64, "flow")
        for stream in TAKEN:
            assert_taken(project, short, "ucf101", 16, stream)
        for stream in ("flow", "rgb", "ds"):
            parts = {"train": {TRAINING}, "test": set(TEST)}
            assert_scored(project, short, "ucf101", stream, parts)
        for target in targets:
            fused = json.loads((project / target).read_text(encoding="utf-8"))
            assert fused["n_videos"] == 2
            assert fused["top1"] in (0, 50, 100)
        for name in ("paper-mars", "paper-literal"):
            recipe, results = RECIPES[name]
            run = run_of("ucf101", 16, results)
            rehearse(project, f"{run}/ds/model.pt", hours=1, recipe=recipe)
            assert_trained(project, run, "ucf101", 16, "ds")
            made = (project / results / "ucf101/clips.h5").exists()
            assert made == (name == "paper-literal")  # whose frames are squares
    finally:
        remove(project.folder)


@all_of_it
@pytest.mark.parametrize("dataset", TITLES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("stream", [*TAKEN, *TERMS])
def test_every_stream_is_made_and_scored(
    rehearsed: Project, shared_data: Path, dataset: str, length: int, stream: str
) -> None:
    run = run_of(dataset, length)
    made = assert_taken if stream in TAKEN else assert_trained
    made(rehearsed, run, dataset, length, stream)
    assert_scored(rehearsed, run, dataset, stream, listed(shared_data, dataset))


@all_of_it
@pytest.mark.parametrize("method", TABLE1)
def test_table_1_has_every_row_measured(rehearsed: Project, shared_data: Path, method: str) -> None:
    table = pd.read_csv(rehearsed / RESULTS / "tables/table1.csv")
    rows = table[(table["method"] == method) & (table["source"] == "measured")]
    paper = dict(zip(COLUMNS, TABLE1[method], strict=True))
    paper |= {(title, "Mimic+RGB+Flow"): float("nan") for title in TITLES.values()}
    keys = list(zip(rows["dataset"], rows["column"], strict=True))
    assert sorted(keys) == sorted(paper)
    for key, row in zip(keys, rows.to_dict("records"), strict=True):
        (dataset,) = (name for name, title in TITLES.items() if title == row["dataset"])
        videos = len(listed(shared_data, dataset)["test"])
        assert row["n_videos"] == videos
        assert row["n_missing"] == n_missing(shared_data, dataset)
        right = row["top1"] * videos / 100
        assert right == pytest.approx(round(right), abs=1e-3)
        assert 0 <= right <= videos
        assert row["paper_top1"] == pytest.approx(paper[key], nan_ok=True)
        assert np.isnan([row["low"], row["high"]]).all()  # of one seed
        assert (row["split"], row["seeds"], row["protocol"]) == (1, 1, "paper")


@all_of_it
def test_table_2_has_the_papers_rows(rehearsed: Project, shared_data: Path) -> None:
    table = pd.read_csv(rehearsed / RESULTS / "tables/table2.csv").set_index("method")
    assert table["paper_top1"].dropna().to_dict() == TABLE2
    rows = table.loc[list(TABLE2)]
    assert rows["top1"].between(0, 100).all()
    assert (rows["n_videos"] == len(listed(shared_data, "ucf101")["test"])).all()
    assert (rows["n_missing"] == n_missing(shared_data, "ucf101")).all()
    assert set(rows["dataset"]) == {"UCF-101"}
    assert set(rows["clip_length"]) == {16}


@all_of_it
def test_latency_is_that_of_resnext_101(rehearsed: Project) -> None:
    table = pd.read_csv(rehearsed / RESULTS / "tables/latency.csv")
    assert list(table["streams"])[-1] == "ds+rgb+flow"
    networks = table["input"].str.count("rgb|flow")
    assert table["params_m"].to_numpy() == pytest.approx(47.7 * networks.to_numpy(), rel=0.01)
    assert (table[["gflops", "ms_network", "ms_total"]] > 0).all(axis=None)
    assert ((table["ms_flow"] > 0) == table["input"].str.contains("flow")).all()


@all_of_it
def test_all_figures_are_drawn(rehearsed: Project) -> None:
    folder = rehearsed / RESULTS / "figures"
    names = {"table1", "cost", "claims", *(f"{dataset}-contact" for dataset in TITLES)} | {
        f"{dataset}-split1-{length}f-{kind}"
        for dataset in TITLES
        for length in LENGTHS
        for kind in (
            *("training", "curves", "confusion", "per-class", "attention"),
            *("similarity", "features"),
        )
    }
    assert {path.stem for path in folder.glob("*.png")} == names
    assert {path.stem for path in folder.glob("*.svg")} == names
    for name in names:
        assert cv2.imread(str(folder / f"{name}.png")) is not None, name
