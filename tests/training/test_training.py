"""The trainer: learning, exact resume, selection, freezing, collapse, and clear errors."""

import logging
import math

import pandas as pd
import pytest
import torch

from dsnet import diagnostics, evaluation, inference, models, training
from dsnet.clips import open_clips, table
from dsnet.diagnostics import TrainingError
from dsnet.schedule import Schedule
from dsnet.scores import metrics, read_scores

OPTIONS = {
    "epochs": 3,
    "batch_size": 4,
    "lr": 0.02,
    "momentum": 0.9,
    "dampening": 0,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "plateau_patience": 10,
    "warmup_epochs": 0.5,
    "clip_gradient": 5,
    "trainable": None,
    "frozen_statistics": "keep",
    "select": "best",
}


def make_spec(stream="flow", losses=None, **options):
    modality = "flow" if stream == "flow" else "rgb"
    return {
        "run": {
            "dataset": "squares",
            "split": 1,
            "clip_length": 4,
            "seed": 3,
            "stream": stream,
            "protocol": "held-out",
        },
        "validation_share": 0.34,
        "flip": False,
        "clips": {
            "crop": 16,
            "scales": [1.0, 0.9],
            "rgb_mean": [114.7748, 107.7354, 99.4750],
            "flow_mean": 127.5,
        },
        "model": {"layers": [1] * 4, "widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2},
        "stream": {
            "input": modality,
            "init": None,
            "teacher": "flow" if losses else None,
            "losses": losses or {},
            "training": {**OPTIONS, **options},
        },
    }


DS = {
    "mae": {"weight": 50, "levels": ["layer1", "avgpool"]},
    "gram": {"weight": 50, "levels": ["layer1"], "normalize": "channels"},
}


@pytest.fixture(scope="module")
def clips_path(tmp_path_factory, make_clips):
    return make_clips(tmp_path_factory.mktemp("clips") / "clips.h5", train=9, test=6)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, clips_path):
    folder = tmp_path_factory.mktemp("teacher")
    training.train(make_spec(epochs=25), clips_path, folder)
    return folder / "model.pt"


def test_a_flow_stream_learns_what_only_motion_tells(teacher, clips_path, tmp_path):
    scores = evaluation.evaluate(teacher, clips_path, tmp_path / "scores.h5")
    assert metrics(scores.parts["test"])["video_top1"] == 100
    assert {name: len(part.ids) for name, part in scores.parts.items()} == {
        "train": 12, "validation": 6, "test": 12,
    }  # fmt: skip
    again = read_scores(tmp_path / "scores.h5")
    assert again.run == {**make_spec()["run"], "n_missing": 0, "n_listed": 0}
    assert again.classes == ("right", "down")
    assert set(again.parts["train"].ids).isdisjoint(again.parts["test"].ids)
    assert (again.parts["test"].counts == 2).all()  # eight flow fields, clips of four


def test_a_network_that_puts_out_nan_is_not_scored(teacher, clips_path, tmp_path):
    content = models.read(teacher)
    content["state_dict"]["fc.bias"][0] = math.nan
    models.save(tmp_path / "model.pt", content)
    with pytest.raises(evaluation.ScoreError, match=r"model\.pt: the network puts out NaN"):
        evaluation.evaluate(tmp_path / "model.pt", clips_path, tmp_path / "scores.h5")
    assert not (tmp_path / "scores.h5").exists()


def test_history_has_every_term_and_its_gradient(teacher, clips_path, tmp_path):
    training.train(make_spec("ds", DS, epochs=2), clips_path, tmp_path, teacher=teacher)
    history = pd.read_csv(tmp_path / "history.csv")
    terms = [f"{kind}_{term}" for kind in ("loss", "grad") for term in ("ce", "mae", "gram")]
    assert set(terms) <= set(history.columns)
    assert history["epoch"].tolist() == [1, 2]
    total = history[["loss_ce", "loss_mae", "loss_gram"]].sum(axis=1)
    pd.testing.assert_series_equal(total, history["train_loss"], check_names=False, rtol=1e-5)
    assert (history[terms] > 0).all(axis=None)
    assert any((tmp_path / "tensorboard").iterdir())


def weights(folder, which="last"):
    return models.read(folder / "model.pt")[which]["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Killed(Exception):
    pass


def stop_after(monkeypatch, epochs):
    """Let the training die in the middle of the epoch after ``epochs`` complete ones."""
    check = diagnostics.check_finite

    def dying(terms, where):
        if where == f"epoch {epochs + 1}, step 2":
            raise Killed
        check(terms, where)

    monkeypatch.setattr(diagnostics, "check_finite", dying)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_an_interrupted_training_ends_bit_for_bit_as_an_undisturbed_one(
    clips_path, teacher, tmp_path, monkeypatch, stream, schedule
):
    source = teacher if stream == "ds" else None
    spec = make_spec(stream, DS if source else None, schedule=schedule, plateau_patience=0)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole, teacher=source)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Killed):
            training.train(spec, clips_path, cut, teacher=source)
    assert not (cut / "model.pt").exists()
    torch.rand(7)  # whatever state the process is in
    training.train(spec, clips_path, cut, teacher=source)
    for which in ("last", "best"):
        assert same(weights(whole, which), weights(cut, which))
    a, b = (pd.read_csv(f / "history.csv").drop(columns="seconds") for f in (whole, cut))
    pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert not (cut / ".checkpoint.pt").exists()


@pytest.mark.parametrize("change", ["spec", "code", "checkpoint"])
def test_an_interrupted_training_of_something_else_is_not_taken_up(
    clips_path, tmp_path, monkeypatch, caplog, change
):
    spec = make_spec()
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(Killed):
            training.train(spec, clips_path, tmp_path, code="one")
    if change == "spec":
        spec = make_spec(lr=0.01)
    if change == "checkpoint":
        content = (tmp_path / ".checkpoint.pt").read_bytes()
        (tmp_path / ".checkpoint.pt").write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.INFO):
        training.train(spec, clips_path, tmp_path, code="two" if change == "code" else "one")
    assert "starting anew" in caplog.text
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(clips_path, tmp_path):
    spec, other = make_spec(epochs=1), make_spec(epochs=1)
    other["run"] = {**other["run"], "seed": 4}
    for name, chosen in (("a", spec), ("b", spec), ("c", other)):
        training.train(chosen, clips_path, tmp_path / name)
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_workers_do_not_change_the_weights(clips_path, tmp_path):
    training.train(make_spec(epochs=1), clips_path, tmp_path / "a")
    training.train(make_spec(epochs=1), clips_path, tmp_path / "b", workers=1)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_only_trainable_modules_change_batch_norm_included(clips_path, teacher, tmp_path):
    spec = make_spec(trainable=["layer4", "fc"], epochs=1)
    training.train(spec, clips_path, tmp_path, init=teacher)
    before, after = models.read(teacher)["state_dict"], weights(tmp_path)
    moved = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert moved == {"layer4", "fc"}


def test_frozen_statistics_go_on_where_asked_as_in_mars(clips_path, teacher, tmp_path):
    spec = make_spec(trainable=["layer4", "fc"], frozen_statistics="update", epochs=1)
    training.train(spec, clips_path, tmp_path, init=teacher)
    before, after = models.read(teacher)["state_dict"], weights(tmp_path)
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    frozen = {key for key in moved if not key.startswith(("layer4.", "fc."))}
    assert {key.split(".")[-1] for key in frozen} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    assert "bn1.running_mean" in frozen


def test_an_unknown_trainable_module_is_named(clips_path, tmp_path):
    with pytest.raises(TrainingError, match="the network has no layer5; it has conv1"):
        training.train(make_spec(trainable=["layer5"]), clips_path, tmp_path)


def test_the_best_epoch_is_kept_and_the_last_where_asked(clips_path, tmp_path):
    for select in ("best", "last"):
        training.train(make_spec(select=select, epochs=4), clips_path, tmp_path / select)
        content = models.read(tmp_path / select / "model.pt")
        history = pd.read_csv(tmp_path / select / "history.csv")
        ranked = history.sort_values(["val_top1", "val_loss"], ascending=[False, True])
        assert content["best"]["epoch"] == ranked["epoch"].iloc[0]
        assert content["epoch"] == (content["best"]["epoch"] if select == "best" else 4)
        assert same(content["state_dict"], content[select]["state_dict"])


def test_an_infinite_loss_stops_with_the_term_the_epoch_and_the_step(clips_path, tmp_path, teacher):
    losses = {"mae": {"weight": math.inf, "levels": ["avgpool"]}}
    spec = make_spec("ds", losses)
    with pytest.raises(TrainingError, match="term mae of the loss is inf at epoch 1, step 1"):
        training.train(spec, clips_path, tmp_path, teacher=teacher)
    assert not (tmp_path / "model.pt").exists()


def test_a_last_step_that_breaks_the_network_stops_with_the_epoch(clips_path, tmp_path):
    spec = make_spec(lr=1e30, clip_gradient=None, warmup_epochs=0, batch_size=64, epochs=1)
    with pytest.raises(TrainingError, match=r"ce on the selection part of the loss is .* epoch 1"):
        training.train(spec, clips_path, tmp_path)
    assert not (tmp_path / "model.pt").exists()


def test_a_collapse_to_chance_with_dead_gradients_is_named(
    clips_path, tmp_path, monkeypatch, caplog
):
    build = models.build

    def dead(*arguments):
        network = build(*arguments)
        for block in (network.layer4[-1],):
            torch.nn.init.zeros_(block.bn3.weight)
            torch.nn.init.constant_(block.bn3.bias, -1e4)  # every ReLU after it is off
        return network

    monkeypatch.setattr(training.models, "build", dead)
    # One of two classes is always chance; the shares of the classes are equal.
    training.train(make_spec(epochs=1, lr=1e-6), clips_path, tmp_path)
    assert "collapsed" in caplog.text
    assert "gradients of layer4 are dead" in models.read(tmp_path / "model.pt")["warnings"][0]


def test_a_healthy_training_has_no_warning(teacher):
    assert models.read(teacher)["warnings"] == []


def test_a_model_records_what_it_was_made_from(teacher, clips_path):
    content = models.read(teacher)
    assert content["sources"]["clips"] == open_clips(clips_path).digest
    assert content["provenance"]["device"] == "cpu"
    assert content["classes"] == ["right", "down"]
    assert content["spec"] == make_spec(epochs=25)


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(inference.DeviceError, match="cuda:1: PyTorch finds no GPU"):
        inference.choose_device("cuda:1")
    assert inference.choose_device("auto") == torch.device("cpu")


def rates(kind, losses, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    schedule = Schedule(optimizer, {**OPTIONS, "schedule": kind, "lr": 1.0, **options}, 2)
    found = []
    for epoch, loss in enumerate(losses):
        for step in range(2):
            schedule.before_step(2 * epoch + step)
            found.append(optimizer.param_groups[0]["lr"])
        schedule.after_epoch(loss)
    return found


def test_cosine_warms_up_and_falls_to_nothing():
    found = rates("cosine", [1] * 4, epochs=4, warmup_epochs=1)
    half = [0.5 * (1 + math.cos(math.pi * i / 6)) for i in range(6)]
    assert found == pytest.approx([0.5, 1.0, *half])


def test_plateau_divides_by_ten_after_its_patience():
    losses = [1.0, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4]
    found = rates("plateau", losses, epochs=7, warmup_epochs=0, plateau_patience=1)
    assert found[::2] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1])


def test_plateau_is_pytorchs():
    losses = [1.0, 0.9, 0.95, 0.91, 0.9, 0.89999, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    expected = []
    for loss in losses:
        expected.append(optimizer.param_groups[0]["lr"])
        theirs.step(loss)
    found = rates("plateau", losses, epochs=13, warmup_epochs=0, plateau_patience=2)
    assert found[::2] == pytest.approx(expected)


def test_the_videos_of_the_clips_have_labels_and_roles(clips_path):
    found = table(open_clips(clips_path))
    assert set(found.columns) == {"id", "label", "group", "split1"}
    assert found["split1"].value_counts().to_dict() == {"train": 18, "test": 12}
