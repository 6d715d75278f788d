"""The experiments with torchvision's R(2+1)D-18: their plan, and a run on the sample videos.

``make rehearsal`` runs all of the one that DSNET_REHEARSAL names, in one epoch, from drawn weights.
In the suite, a stream and its teacher see small clips of the built-in videos.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from project import ROOT, RUN, Project, merge
from rehearsal import CHECKPOINTS, CLASSES, prepare, rehearse
from test_rehearsal import TABLE1, TERMS, TITLES, listed

import dsnet
from dsnet import models
from dsnet.provenance import file_digest
from dsnet.scores import read_scores

ALL = os.environ.get("DSNET_REHEARSAL", "")
RECIPES = {f"{name}-torchvision": name for name in TITLES}
NAME = "r2plus1d_18_Kinetics400"
pytestmark = pytest.mark.skipif(ALL not in ("", *RECIPES), reason="another recipe is rehearsed")
METHODS = [method for method in TABLE1 if "(16f)" in method]


def write_weights(folder: Path, name: str = NAME) -> Path:
    """Drawn weights in the layout of torchvision's file."""
    folder.mkdir(parents=True)
    network = models.build({"backbone": name.removesuffix("_Kinetics400")}, "rgb", 400)
    torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder / f"{name}.pth"


@pytest.mark.skipif(bool(ALL), reason="a rehearsal plans, too")
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_planned_once_its_weights_are_there(fresh: Project, recipe: str):
    overlay = f"experiments/{recipe}.yaml"
    config = merge(
        *(
            yaml.safe_load((fresh / name).read_text(encoding="utf-8"))
            for name in ("config.yaml", overlay)
        )
    )
    for key in ("videos", "lists"):
        (fresh / config["catalogue"][RECIPES[recipe]][key]).mkdir(parents=True)
    plan = fresh.snakemake("-n", overlays=[overlay])
    assert plan.code != 0
    assert f"streams.flow.pretrained: {NAME} is a release that is not there yet" in plan.text
    assert f"`dsnet fetch {NAME}` puts it at {CHECKPOINTS}/{NAME}.pth" in plan.text
    (fresh / CHECKPOINTS).mkdir(parents=True)
    (fresh / CHECKPOINTS / f"{NAME}.pth").touch()
    plan = fresh.snakemake("-n", overlays=[overlay])
    assert plan.code == 0, plan.text
    streams = {name for name, stream in config["streams"].items() if stream is not None}
    assert streams == {"flow", "rgb", *TERMS}
    assert plan.counts["train"] == plan.counts["evaluate"] == len(streams)
    assert plan.counts["table1"] == plan.counts["table2"] == 1


def test_the_recipes_differ_in_the_data_set_alone():
    ucf101, hmdb51 = (
        yaml.safe_load((ROOT / f"experiments/{recipe}.yaml").read_text(encoding="utf-8"))
        for recipe in RECIPES
    )
    for name, found in (("ucf101", ucf101), ("hmdb51", hmdb51)):
        assert found.pop("datasets") == [name]
        assert found.pop("results") == f"results/{name}-torchvision"
    assert ucf101 == hmdb51


@pytest.mark.skipif(bool(ALL), reason="a rehearsal does more")
def test_a_student_and_its_teacher_start_from_torchvisions_weights(project: Project, monkeypatch):
    weights = write_weights(project / CHECKPOINTS, "mc3_18_Kinetics400")
    start = {"init": None, "pretrained": weights.stem, "training": {"epochs": 1}}
    project.configure(model={"backbone": "mc3_18"}, streams={"flow": start, "ds": start})
    project.finish(f"{RUN}/ds/scores.h5")
    for stream in ("flow", "ds"):
        model = models.read(project / RUN / stream / "model.pt")
        assert model["arch"] == {"backbone": "mc3_18"}
        assert model["sources"]["init"] == file_digest(weights)
    scores = read_scores(project / RUN / "ds/scores.h5").parts["test"]
    monkeypatch.chdir(project.folder)
    predict = dsnet.load_model(project / RUN / "ds/model.pt").predict
    for id, logits in zip(scores.ids, scores.videos, strict=True):
        found = predict(f"results/motions/videos/{id}.mp4").clips.mean(axis=0)
        np.testing.assert_allclose(found, logits, rtol=0.05, atol=0.05 * np.abs(logits).max())


@pytest.mark.skipif(not ALL, reason="takes minutes; `make rehearsal RECIPE=...` runs it")
def test_every_stream_is_made_and_table_1_is_filled(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
):
    dataset = RECIPES[ALL]
    weights = write_weights(tmp_path_factory.mktemp("weights") / "checkpoints")
    trained = {"flow", "rgb", *TERMS} - {"rgb-from-flow"}
    videos = {dataset: shared_data / dataset / "videos"}
    folder = tmp_path_factory.getbasetemp() / "torchvision"
    project = prepare(folder, weights.parent, videos, shared_data, trained)
    rehearse(project, hours=2, recipe=[f"experiments/{ALL}.yaml"])
    results = project / f"results/{ALL}"
    run, test = results / f"{dataset}/split1/16f/seed0", listed(shared_data, dataset)["test"]
    start = models.read(weights)
    for stream in trained:
        model = models.read(run / stream / "model.pt")
        assert model["arch"] == {"backbone": "r2plus1d_18"}
        assert model["sources"]["init"] == file_digest(weights)
        history = pd.read_csv(run / stream / "history.csv")
        assert list(history["epoch"]) == [1]
        assert np.isfinite(history.to_numpy()).all()
        assert (history["grad_layer4"] > 0).all()
        own = model["state_dict"]
        assert not torch.equal(own["layer1.0.conv1.0.0.weight"], start["layer1.0.conv1.0.0.weight"])
        scores = read_scores(run / stream / "scores.h5").parts["test"]
        assert {f"{id}.avi" for id in scores.ids} == test
        assert scores.clips.shape[1] == CLASSES[dataset]
    rgb, control = (models.read(run / name / "model.pt") for name in ("rgb", "rgb-from-flow"))
    assert all(torch.equal(v, control["state_dict"][k]) for k, v in rgb["state_dict"].items())
    table = pd.read_csv(results / "tables/table1.csv")
    rows = table[(table["source"] == "measured") & table["method"].isin(METHODS)]
    assert sorted(zip(rows["method"], rows["column"], strict=True)) == sorted(
        (method, column)
        for method in METHODS
        for column in ("Mimic", "Mimic+RGB", "Mimic+Flow", "Mimic+RGB+Flow")
    )
    assert (rows["n_videos"] == len(test)).all()
    assert set(rows["pretrain"]) == {NAME}
    latency = pd.read_csv(results / "tables/latency.csv")
    networks = latency["input"].str.count("rgb|flow")
    assert latency["params_m"].to_numpy() == pytest.approx(31.4 * networks.to_numpy(), rel=0.01)
