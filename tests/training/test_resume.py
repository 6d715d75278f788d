"""An interrupted training ends as an undisturbed one."""

import json
import logging
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from specs import DS, FADING, SHARED, Killed, make_spec, same, stop_after, weights

from dsnet import models, training
from dsnet.training import randomness, resuming, steps

SEALS = {".model.pt.sha256", ".history.csv.sha256"}
WRITTEN = {"model.pt", "history.csv", "tensorboard"} | SEALS


def disturb_the_generators():
    """Leave them in whatever state another process has them in."""
    random.seed(8)
    np.random.seed(8)  # noqa: NPY002 - the one that libraries draw from
    torch.manual_seed(8)


def killed_after(monkeypatch, epochs, *arguments, **named):
    """Train until the middle of the epoch after ``epochs``; the generators' states there."""
    disturb_the_generators()
    with monkeypatch.context() as patch:
        stop_after(patch, epochs)
        with pytest.raises(Killed) as death:
            training.train(*arguments, **named)
    return death.value.args[0]


def assert_identical(a, b, at="state"):
    """Equal to the last bit, however nested."""
    assert type(a) is type(b), at
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, at
        assert torch.equal(a, b), at
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), at
        for key in a:
            assert_identical(a[key], b[key], f"{at}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), at
        for index, pair in enumerate(zip(a, b, strict=True)):
            assert_identical(*pair, f"{at}[{index}]")
    else:
        assert a == b, at


def kept(path):
    """What a file keeps of a training, but for how long it took and the commit it ran at."""
    content = models.read(path)
    content.pop("provenance", None)
    for row in content.get("history", ()):
        del row["seconds"]
    return content


def history(folder):
    return pd.read_csv(folder / "history.csv").drop(columns="seconds")


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_four_epochs_leave_the_state_that_two_a_kill_and_two_leave(
    clips_path, teacher, tmp_path, monkeypatch, caplog, stream, schedule
):
    """All of it, four epochs into a training of five; at this rate the plateau falls at once."""
    source = teacher if stream == "ds" else None
    options = {"epochs": 5, "schedule": schedule, "plateau_patience": 0, "lr": 0.3}
    spec = make_spec(stream, DS if source else None, **options)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    undisturbed = killed_after(monkeypatch, 4, spec, clips_path, whole, teacher=source)
    killed_after(monkeypatch, 2, spec, clips_path, cut, teacher=source)
    with caplog.at_level(logging.INFO):
        resumed = killed_after(monkeypatch, 4, spec, clips_path, cut, teacher=source)
    assert "going on after epoch 2" in caplog.text
    a, b = kept(whole / ".checkpoint.pt"), kept(cut / ".checkpoint.pt")
    assert_identical(a, b)
    assert_identical(undisturbed, resumed)
    assert len(a["history"]) == 4
    momenta = [entry["momentum_buffer"] for entry in a["optimizer"]["state"].values()]
    assert momenta
    assert all(momentum.any() for momentum in momenta)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
@pytest.mark.parametrize("stream", ["flow", "ds", "shares", "fading"])
def test_an_interrupted_training_ends_bit_for_bit_as_an_undisturbed_one(
    clips_path, teacher, tmp_path, monkeypatch, stream, schedule
):
    losses = {"ds": DS, "shares": SHARED, "fading": FADING}.get(stream)
    source = teacher if losses else None
    spec = make_spec(stream, losses, schedule=schedule, plateau_patience=0)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole, teacher=source)
    killed_after(monkeypatch, 2, spec, clips_path, cut, teacher=source)
    assert not (cut / "model.pt").exists()
    disturb_the_generators()
    training.train(spec, clips_path, cut, teacher=source)
    for which in ("last", "best"):
        assert same(weights(whole, which), weights(cut, which))
    assert_identical(kept(whole / "model.pt"), kept(cut / "model.pt"))
    pd.testing.assert_frame_equal(history(whole), history(cut), check_exact=True)
    assert not (cut / ".checkpoint.pt").exists()


@pytest.fixture(scope="module")
def undisturbed(clips_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    training.train(make_spec(epochs=4), clips_path, folder)
    return folder


@pytest.mark.parametrize(
    ("moment", "complete"), [("in_a_step", 2), ("in_a_checkpoint", 2), ("between_the_results", 4)]
)
def test_a_training_killed_by_the_system_ends_as_an_undisturbed_one(
    clips_path, undisturbed, tmp_path, caplog, moment, complete
):
    spec, script = make_spec(epochs=4), Path(__file__).with_name("killed.py")
    command = [sys.executable, script, json.dumps(spec.values()), clips_path, tmp_path, moment]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not (tmp_path / "history.csv").exists()
    with caplog.at_level(logging.INFO):
        training.train(spec, clips_path, tmp_path)
    assert f"going on after epoch {complete}" in caplog.text
    assert_identical(kept(undisturbed / "model.pt"), kept(tmp_path / "model.pt"))
    pd.testing.assert_frame_equal(history(undisturbed), history(tmp_path), check_exact=True)
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN
    # The rows before the kill are not there twice.
    assert len(list((tmp_path / "tensorboard").glob("events.*"))) == 1


@pytest.mark.parametrize("damaged", ["last", "both", "lost", "a bit"])
def test_a_damaged_checkpoint_costs_an_epoch_and_changes_nothing(
    clips_path, undisturbed, tmp_path, monkeypatch, caplog, damaged
):
    spec = make_spec(epochs=4)
    killed_after(monkeypatch, 3, spec, clips_path, tmp_path)
    last, previous = tmp_path / ".checkpoint.pt", tmp_path / ".checkpoint.previous.pt"
    assert (kept(last)["epoch"], kept(previous)["epoch"]) == (3, 2)
    for path in {"last": [last], "both": [last, previous]}.get(damaged, []):
        path.write_bytes(path.read_bytes()[:-1000])
    if damaged == "lost":  # killed while the one file took the other's place
        last.unlink()
    if damaged == "a bit":
        content = bytearray(last.read_bytes())
        weights = models.read(last)["state_dict"]["bn1.running_mean"]
        content[content.index(weights.numpy().tobytes())] ^= 1
        last.write_bytes(content)
    with caplog.at_level(logging.INFO):
        training.train(spec, clips_path, tmp_path)
    assert ("is damaged" in caplog.text) == (damaged != "lost")
    assert ("starting anew" in caplog.text) == (damaged == "both")
    assert ("falling back to the previous" in caplog.text) == (damaged != "both")
    assert ("going on after epoch 2" in caplog.text) == (damaged != "both")
    assert_identical(kept(undisturbed / "model.pt"), kept(tmp_path / "model.pt"))
    pd.testing.assert_frame_equal(history(undisturbed), history(tmp_path), check_exact=True)
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN


def test_best_weights_of_other_settings_are_neither_kept_nor_taken(
    clips_path, tmp_path, monkeypatch
):
    spec, whole, cut = make_spec(epochs=4), tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole)
    killed_after(monkeypatch, 2, make_spec(epochs=4, lr=0.001), clips_path, cut)
    killed_after(monkeypatch, 2, spec, clips_path, cut)
    (best,) = cut.glob(".checkpoint.best.*.pt")
    assert best.name == f".checkpoint.best.{kept(cut / '.checkpoint.pt')['best']['epoch']}.pt"
    training.train(spec, clips_path, cut)
    assert_identical(kept(whole / "model.pt")["best"], kept(cut / "model.pt")["best"])


@pytest.mark.parametrize("problem", ["is missing", "is of another training"])
def test_without_the_best_weights_a_training_starts_anew(
    clips_path, undisturbed, tmp_path, monkeypatch, caplog, problem
):
    spec, folder, other = make_spec(epochs=4), tmp_path / "own", tmp_path / "other"
    killed_after(monkeypatch, 2, spec, clips_path, folder)
    for best in folder.glob(".checkpoint.best.*.pt"):
        best.unlink()
        if problem == "is of another training":
            killed_after(monkeypatch, 2, make_spec(epochs=4, lr=0.001), clips_path, other)
            next(other.glob(".checkpoint.best.*.pt")).rename(best)
    training.train(spec, clips_path, folder)
    assert problem in caplog.text
    assert "starting anew" in caplog.text
    assert_identical(kept(undisturbed / "model.pt"), kept(folder / "model.pt"))


def test_a_damaged_checkpoint_that_another_process_removed_is_no_error(tmp_path, monkeypatch):
    with resuming.Saver(tmp_path) as saver:
        for epoch in (1, 2):
            state = {"format": "dsnet-model", "version": 1, "sources": 1, "epoch": epoch}
            saver.save({**state, "best": {"epoch": 1, "state_dict": {}}})
    last = tmp_path / resuming.LAST
    last.write_bytes(b"cut short")
    read = models.checkpoints.read

    def overtaken(path):
        try:
            return read(path)
        finally:
            last.unlink(missing_ok=True)

    monkeypatch.setattr(models.checkpoints, "read", overtaken)
    for _ in range(2):
        assert resuming.load(tmp_path, 1)["epoch"] == 1


DRAWS = {
    "torch": lambda: float(torch.rand(())),
    "numpy": lambda: float(np.random.rand()),  # noqa: NPY002
    "python": random.random,
}


@pytest.mark.parametrize("generator", ["torch", "numpy", "python"])
def test_random_numbers_of_the_network_go_on_where_they_were(
    clips_path, tmp_path, monkeypatch, generator
):
    """As those of dropout or of a library's transforms would."""
    forward = steps.Classification.forward

    def noisy(self, network, batch, labels):
        logits, terms = forward(self, network, batch, labels)
        return logits, {name: term * (1 + DRAWS[generator]()) for name, term in terms.items()}

    monkeypatch.setattr(steps.Classification, "forward", noisy)
    spec, whole, cut = make_spec(epochs=4), tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole)
    killed_after(monkeypatch, 2, spec, clips_path, cut)
    training.train(spec, clips_path, cut)
    assert same(weights(whole), weights(cut))


@pytest.mark.parametrize("change", ["spec", "code", "checkpoint"])
def test_an_interrupted_training_of_something_else_is_not_taken_up(
    clips_path, tmp_path, monkeypatch, caplog, change
):
    spec = make_spec()
    killed_after(monkeypatch, 1, spec, clips_path, tmp_path, code="one")
    if change == "spec":
        spec = make_spec(lr=0.01)
    if change == "checkpoint":
        content = (tmp_path / ".checkpoint.pt").read_bytes()
        (tmp_path / ".checkpoint.pt").write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.INFO):
        training.train(spec, clips_path, tmp_path, code="two" if change == "code" else "one")
    assert "starting anew" in caplog.text
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3


def test_no_tensor_is_read_before_it_is_written(clips_path, teacher, tmp_path, monkeypatch):
    """PyTorch fills new tensors with NaN where it is asked to, which must change nothing."""
    spec = make_spec("ds", DS)
    training.train(spec, clips_path, tmp_path / "as it is", teacher=teacher)
    seed_everything = randomness.seed_everything

    def filling(seed):
        seed_everything(seed)
        monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)

    monkeypatch.setattr(randomness, "seed_everything", filling)
    training.train(spec, clips_path, tmp_path / "filled", teacher=teacher)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert_identical(*(kept(tmp_path / name / "model.pt") for name in ("as it is", "filled")))
