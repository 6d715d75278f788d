"""What stops a training or is said of it: infinite losses, broken networks, collapse."""

import math

import pytest
import torch
from specs import make_spec

from dsnet import models, training
from dsnet.training import TrainingError, diagnostics, gradients, trainer


def test_an_infinite_loss_stops_with_the_term_the_epoch_and_the_step(clips_path, tmp_path, teacher):
    losses = {"mae": {"weight": 1e39, "levels": ["avgpool"]}}
    spec = make_spec("ds", losses)
    message = "term mae of the loss is inf at epoch 1, step 1; .*; no epoch was complete before"
    with pytest.raises(TrainingError, match=message):
        training.train(spec, clips_path, tmp_path, teacher=teacher)
    assert not (tmp_path / "model.pt").exists()


def test_a_training_that_breaks_later_names_the_last_good_checkpoint(
    clips_path, tmp_path, monkeypatch
):
    def breaking(terms, *where):
        broken = {"ce": math.nan} if where == (3, 1) else {}
        return gradients.check_finite({**terms, **broken}, *where)

    monkeypatch.setattr(trainer, "check_finite", breaking)
    message = r"at epoch 3, step 1; .*; the last good checkpoint, after epoch 2, is .*\.pt"
    with pytest.raises(TrainingError, match=message):
        training.train(make_spec(), clips_path, tmp_path)
    assert models.read(tmp_path / ".checkpoint.pt")["epoch"] == 2


def test_a_last_step_that_breaks_the_network_stops_with_the_epoch(clips_path, tmp_path):
    spec = make_spec(lr=1e30, clip_gradient=None, warmup_epochs=0, batch_size=64, epochs=1)
    with pytest.raises(TrainingError, match=r"ce of .* at epoch 1, on the selection part;"):
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

    monkeypatch.setattr(models, "build", dead)
    # One of two classes is always chance; the shares of the classes are equal.
    training.train(make_spec(epochs=1, lr=1e-6), clips_path, tmp_path)
    assert "collapsed" in caplog.text
    assert "gradients of layer4 are dead" in models.read(tmp_path / "model.pt")["warnings"][0]


def test_a_healthy_training_has_no_warning(teacher):
    assert models.read(teacher)["warnings"] == []


def test_a_gradient_that_is_not_a_number_is_no_dead_one():
    row = {"epoch": 1, "train_top1": 10.0, "grad_layer4": 1e-9}
    assert diagnostics.collapse(row, 10, "layer4")
    assert not diagnostics.collapse({**row, "grad_layer4": math.nan}, 10, "layer4")
    assert not diagnostics.collapse({**row, "train_top1": 20.0}, 10, "layer4")
