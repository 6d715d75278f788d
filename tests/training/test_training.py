"""The trainer: its history, repeatability, freezing, selection and what a model records."""

import numpy as np
import pandas as pd
import pytest
import torch
from specs import DS, SHARED, make_spec, same, weights
from torch.nn import functional as F

from dsnet import devices, inference, models, training
from dsnet.clips import ClipSource, ScoringClips, feeding, open_clips, scoring_loader, table
from dsnet.training import TrainingError, trainer


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


def test_a_term_that_fades_ends_as_none(teacher, clips_path, tmp_path):
    """Of its weight or of its share, whatever the rate does; the other term keeps its own."""
    for name, losses in (("weight", DS), ("share", SHARED)):
        faded = {**losses, "mae": {**losses["mae"], "fade": True}}
        spec = make_spec("ds", faded, epochs=5, schedule="plateau", plateau_patience=0)
        training.train(spec, clips_path, tmp_path / name, teacher=teacher)
    left = np.cos(np.arange(5) * np.pi / 8) ** 2
    weighted, shared = (
        pd.read_csv(tmp_path / name / "history.csv") for name in ("weight", "share")
    )
    np.testing.assert_allclose(weighted["weight_mae"], 50 * left, atol=1e-12)
    np.testing.assert_allclose(shared["share_mae"], 0.3 * left, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(shared["share_gram"], 0.6, rtol=1e-4)
    for history in (weighted, shared):
        assert (history[["loss_mae", "grad_mae", "share_mae"]].iloc[-1] == 0).all()
        assert (history[["loss_mae", "grad_mae", "share_mae"]].iloc[:-1] > 0).all(axis=None)
        assert (history["loss_gram"] > 0).all()
        assert "weight_gram" not in history
    assert "weight_mae" not in shared


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(clips_path, tmp_path):
    spec, other = make_spec(epochs=1), make_spec(run={"seed": 4}, epochs=1)
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


def test_the_epoch_may_be_selected_by_one_clip_per_video(clips_path, tmp_path):
    # What both record is the score of the same weights, by other clips.
    losses = {}
    for most in (None, 1, 2):
        spec = make_spec(run={"protocol": "paper"}, epochs=1, selection_clips=most)
        training.train(spec, clips_path, tmp_path / str(most))
        losses[most] = pd.read_csv(tmp_path / str(most) / "history.csv")["val_loss"].item()
    network, _ = models.load_model(tmp_path / "1/model.pt")
    reader = open_clips(clips_path)
    rows = table(reader)
    rows = rows[rows["split1"] == "test"]
    data = ClipSource(reader, list(rows["id"]), list(rows["label"]), ("flow",), 4, spec.clips)
    loader = scoring_loader(ScoringClips(data, 1), 4)
    scores, owners = inference.clip_logits(network, loader, torch.device("cpu"))
    assert owners.tolist() == list(range(len(rows)))
    expected = F.cross_entropy(torch.from_numpy(scores), torch.tensor(data.labels))
    assert losses[1] == pytest.approx(float(expected), rel=1e-5)
    assert losses[None] == losses[2] != losses[1]  # the videos have two clips


def test_a_model_records_what_it_was_made_from(teacher, clips_path):
    content = models.read(teacher)
    assert content["sources"]["clips"] == open_clips(clips_path).digest
    assert content["provenance"]["device"] == "cpu"
    assert content["classes"] == ["right", "down"]
    assert content["spec"] == make_spec(epochs=25).values()


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(devices.DeviceError, match="cuda:1: PyTorch finds no GPU"):
        devices.choose_device("cuda:1")
    assert devices.choose_device("auto") == torch.device("cpu")


def test_the_videos_of_the_clips_have_labels_and_roles(clips_path):
    found = table(open_clips(clips_path))
    assert set(found.columns) == {"id", "label", "group", "split1"}
    assert found["split1"].value_counts().to_dict() == {"train": 18, "test": 12}


def add(totals, step, clips, **values):
    totals.add(step, clips, {name: torch.tensor(value) for name, value in values.items()})


@pytest.mark.parametrize("late", [True, False])
def test_sums_of_an_epoch_are_over_clips_whenever_they_are_looked_at(late):
    totals = trainer.Totals(1, late)
    add(totals, 1, 4, ce=1.5, clipped=True, right=3)
    add(totals, 2, 2, ce=0.5, clipped=False, right=1)
    assert totals.sums() == {"ce": 7.0, "clipped": 4.0, "right": 4.0}


def test_an_infinite_loss_is_named_by_its_own_step_though_it_comes_late():
    message = "term ce of the loss is inf at epoch 3, step 7"
    totals = trainer.Totals(3, late=True)
    add(totals, 7, 4, ce=float("inf"), right=0)
    with pytest.raises(TrainingError, match=message):
        add(totals, 8, 4, ce=0.5, right=0)
    totals = trainer.Totals(3, late=True)
    add(totals, 7, 4, ce=float("inf"), right=0)
    with pytest.raises(TrainingError, match=message):
        totals.sums()
    with pytest.raises(TrainingError, match=message):
        add(trainer.Totals(3, late=False), 7, 4, ce=float("inf"), right=0)


@pytest.mark.gpu
class TestOnAGpu:
    def test_batches_and_numbers_that_travel_meanwhile_are_the_same(self, clips_path):
        reader, gpu = open_clips(clips_path), torch.device("cuda")
        spec = make_spec()
        videos = ClipSource.of_spec(reader, tuple(table(reader)["id"]), ("rgb", "flow"), spec)
        loader = scoring_loader(ScoringClips(videos), 3)
        here = list(feeding.on_device(loader, spec.clips, torch.device("cpu")))
        there = []
        for clips, labels in feeding.on_device(loader, spec.clips, gpu):
            torch.cuda._sleep(10_000_000)  # the next batch arrives before this one is used
            there.append(({name: clip * 1 for name, clip in clips.items()}, labels * 1))
        for (clips, labels), (others, other_labels) in zip(here, there, strict=True):
            assert labels.tolist() == other_labels.tolist()
            for name, clip in clips.items():
                torch.testing.assert_close(others[name].cpu(), clip)
        assert feeding.fetched(torch.arange(3.0, device=gpu))() == [0, 1, 2]

    @pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
    def test_a_student_is_trained_and_scored_as_fast_as_it_can(
        self, teacher, clips_path, tmp_path, caplog, precision
    ):
        options = {"precision": precision, "autotune": True, "deterministic": False}
        with caplog.at_level("INFO"):
            training.train(
                make_spec("ds", DS, **options), clips_path, tmp_path, teacher=teacher, device="cuda"
            )
        assert "convolutions" in caplog.text
        assert "cuda" in models.read(tmp_path / "model.pt")["provenance"]["device"]
