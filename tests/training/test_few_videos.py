"""What helps with few videos: weights of classes, smoothing, dropout, averages, mixup, length."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from specs import DS, make_spec, same, weights
from test_resume import assert_identical, history, kept, killed_after
from torch import nn
from torch.nn import functional as F

from dsnet import clips, evaluation, models, training
from dsnet.losses.cross_entropy import CrossEntropy, balanced
from dsnet.losses.distillation import Distillation
from dsnet.models import Backbone
from dsnet.processes import Processes
from dsnet.scores import read_scores
from dsnet.training import TrainingError, preparation, randomness, trainer
from dsnet.training.averaging import Average
from dsnet.training.noise import Dropout, Mixup

EVERYTHING = {
    "class_weights": "balanced",
    "label_smoothing": 0.1,
    "dropout": 0.3,
    "ema": 0.9,
    "mixup": 0.4,
    "augment": {"rotation": 10, "zoom": 0.1, "brightness": 0.2, "saturation": 0.5},
}


def test_balanced_weights_are_inverse_to_the_numbers_of_videos_and_1_on_average():
    assert balanced([1, 3, 0, 2]) == [2, pytest.approx(2 / 3), 0, 1]
    assert balanced([5, 5]) == [1, 1]


def test_cross_entropy_in_double_precision_written_out():
    rng = np.random.default_rng(0)
    logits, labels, own = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), [0.5, 2.0, 1.0, 0.7]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -np.mean(
        [own[y] * (0.8 * row[y] + 0.2 * row.mean()) for row, y in zip(log_p, labels, strict=True)]
    )
    given = torch.tensor(logits, dtype=torch.float32), torch.from_numpy(labels)
    assert CrossEntropy(4, 0.2, own)(*given).item() == pytest.approx(expected, rel=1e-6)
    plain = F.cross_entropy(*given, label_smoothing=0.2)
    torch.testing.assert_close(CrossEntropy(4, 0.2)(*given), plain)
    torch.testing.assert_close(CrossEntropy(4, 0.0)(*given), F.cross_entropy(*given))


def test_cross_entropy_of_mixed_labels_is_the_mixture_of_both():
    torch.manual_seed(0)
    logits, a, b = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1]), torch.tensor([2, 1, 0, 1, 0])
    loss = CrossEntropy(3, 0.1, [3.0, 1.0, 0.5])
    mixed = 0.3 * F.one_hot(a, 3) + 0.7 * F.one_hot(b, 3)
    torch.testing.assert_close(loss(logits, mixed), 0.3 * loss(logits, a) + 0.7 * loss(logits, b))


def test_parts_of_a_batch_add_up_to_the_whole():
    """As in several processes; PyTorch divides by each part's own weights."""
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 3), torch.tensor([0, 0, 0, 0, 1, 2, 2])
    loss = CrossEntropy(3, 0.1, balanced([4, 1, 2]))
    parts = [(logits[rank::2], labels[rank::2]) for rank in range(2)]
    summed = sum(len(own[1]) / 7 * loss(*own) for own in parts)
    torch.testing.assert_close(summed, loss(logits, labels))


def test_class_weights_count_the_videos_that_are_trained_on(clips_path):
    reader, spec = clips.open_clips(clips_path), make_spec(class_weights="balanced")
    videos = reader.extra["videos"]
    videos["label"] = [0 if number % 3 else 1 for number in range(len(videos["id"]))]
    labels = clips.table(reader).set_index("id")["label"]
    seen = labels.loc[clips.parts(reader, spec)["train"]].tolist()
    task = preparation.make_task(spec, torch.device("cpu"), None, reader)
    found = task.cross_entropy.weights
    expected = [len(seen) / (2 * seen.count(label)) for label in (0, 1)]
    assert found.tolist() == pytest.approx(expected)
    assert found[0] < 1 < found[1]


def pair_of_clips(n=6):
    torch.manual_seed(0)
    return {
        name: torch.randn(n, c, 4, 8, 8).to(memory_format=torch.channels_last_3d)
        for name, c in models.CHANNELS.items()
    }


def test_mixup_mixes_rgb_flow_and_labels_alike():
    batch, labels = pair_of_clips(), torch.arange(6)
    mixed, shares = Mixup(0.8, 6, seed=3)(batch, labels, 2, 5)
    assert shares.sum(1).tolist() == pytest.approx([1] * 6)
    assert ((shares > 0).sum(1) <= 2).all()
    share = shares.diagonal()[(shares > 0).sum(1) == 2]
    assert len(share) >= 3
    assert (share == share[0]).all()
    for name, given in batch.items():
        # The labels tell which clips were mixed, and how much of each.
        expected = torch.einsum("nk,k...->n...", shares, given)
        torch.testing.assert_close(mixed[name], expected)
        assert mixed[name].is_contiguous(memory_format=torch.channels_last_3d)


def test_mixup_depends_on_seed_epoch_step_and_rank_alone():
    batch, labels = pair_of_clips(), torch.arange(6)

    def drawn(seed=3, epoch=2, step=5, rank=0):
        return Mixup(0.8, 6, seed, rank)(batch, labels, epoch, step)[1]

    torch.manual_seed(9)
    assert torch.equal(drawn(), drawn())
    others = [drawn(seed=4), drawn(epoch=3), drawn(step=6), drawn(rank=1)]
    assert not any(torch.equal(drawn(), other) for other in others)


def test_a_mixed_clip_is_right_by_the_share_of_the_likeliest_class():
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9]])
    assert trainer.n_right(logits, torch.tensor([0, 2, 2])).item() == 2
    shares = torch.tensor([[0.3, 0.7, 0], [0, 1, 0], [0.6, 0.4, 0]])
    assert trainer.n_right(logits, shares).item() == pytest.approx(1.3)


class NeedsLabels(nn.Module):
    """A loss of a user that gets labels."""

    def forward(self, student, teacher, labels):
        return (student["logits"][torch.arange(len(labels)), labels] ** 2).mean()


def test_a_loss_that_gets_labels_and_mixup_exclude_each_other():
    spec = make_spec("ds", DS, mixup=0.2)
    network = models.build(spec.model.arch(), "flow", 2)
    task = Distillation(network, {"mine": NeedsLabels()}, {"mine": 1})
    with pytest.raises(TrainingError, match="mixup: the losses mine get labels"):
        preparation.make_mixup(spec, task, 2, Processes())


def test_an_average_is_the_recursion_written_out():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(2, 3, 1), nn.BatchNorm3d(3))
    average = Average(network, 0.6)
    means = {name: value.double().numpy() for name, value in network.state_dict().items()}
    for step in range(1, 30):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        network(torch.randn(4, 2, 2, 2, 2))  # moves the statistics
        average.update(network)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            means[name] = decay * means[name] + (1 - decay) * value.double().numpy()
    for name, value in average.network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert value == 29
        else:
            np.testing.assert_allclose(value.numpy(), means[name], rtol=1e-4, atol=1e-6)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


class OtherNames(Backbone):
    """A user's network whose classifier has another name and is a convolution."""

    levels = ("body", "pooled")
    first = "body"
    classifier = "head.last"

    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.body = nn.Conv3d(in_channels, 8, 3)
        self.head = nn.ModuleDict({"last": nn.Conv3d(8, num_classes, 1)})

    def forward_features(self, x):
        x = body = self.body(x)
        x = pooled = x.mean((2, 3, 4), keepdim=True)
        return self.head["last"](x).flatten(1), {"body": body, "pooled": pooled.flatten(1)}


@pytest.mark.parametrize("user", [False, True])
def test_dropout_is_before_the_classifier_and_in_training_alone(user, monkeypatch):
    spec = make_spec(dropout=0.5)
    if user:
        monkeypatch.setattr(models, "build", lambda *_: OtherNames(2, 2))
    arguments = ["right", "down"], torch.device("cpu"), Processes(), None
    torch.manual_seed(0)
    plain = preparation.make_network(make_spec(), *arguments)
    torch.manual_seed(0)
    dropping = preparation.make_network(spec, *arguments)
    assert same(plain.state_dict(), dropping.state_dict())
    batch = torch.randn(4, 2, 4, 16, 16)
    assert torch.equal(plain.eval()(batch), dropping.eval()(batch))
    (logits, features), (dropped, kept_features) = (
        network.train().forward_features(batch) for network in (plain, dropping)
    )
    assert not torch.equal(logits, dropped)
    assert all(torch.equal(features[name], kept_features[name]) for name in features)
    classifier = plain.get_submodule(plain.classifier)
    pooled = features[plain.levels[-1]]
    torch.manual_seed(1)
    expected = F.dropout(pooled, 0.5)
    torch.manual_seed(1)
    (found,) = Dropout(0.5)(classifier, (pooled,))
    assert torch.equal(found, expected)


def test_what_is_dropped_depends_on_seed_step_and_rank_alone(clips_path, tmp_path, monkeypatch):
    """So in several processes too, an interrupted training drops what an undisturbed one does."""

    def drawn(*where):
        torch.rand(5)
        randomness.seed_step(*where)
        return torch.rand(3).tolist()

    assert drawn(3, 1, 2, 0) == drawn(3, 1, 2, 0)
    others = [drawn(*where) for where in ((3, 1, 2, 1), (3, 1, 0, 0), (3, 2, 1, 0), (4, 1, 2, 0))]
    assert not {*drawn(3, 1, 2, 0)} & {draw for other in others for draw in other}
    seeded = []
    monkeypatch.setattr(randomness, "seed_step", lambda *where: seeded.append(where))
    training.train(make_spec(epochs=2, dropout=0.2), clips_path, tmp_path)
    assert seeded == [(3, epoch, step, 0) for epoch in range(2) for step in range(3)]


def test_dropout_without_a_classifier_is_an_error(monkeypatch):
    monkeypatch.setattr(OtherNames, "classifier", "fc")
    monkeypatch.setattr(models, "build", lambda *_: OtherNames(2, 2))
    with pytest.raises(TrainingError, match="OtherNames has no module fc"):
        preparation.make_network(
            make_spec(dropout=0.5), ["a", "b"], torch.device("cpu"), Processes(), None
        )


@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_with_everything_an_interrupted_training_ends_bit_for_bit(
    clips_path, teacher, tmp_path, monkeypatch, stream
):
    source = teacher if stream == "ds" else None
    spec = make_spec(stream, DS if source else None, **EVERYTHING)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole, teacher=source)
    killed_after(monkeypatch, 2, spec, clips_path, cut, teacher=source)
    training.train(spec, clips_path, cut, teacher=source)
    assert_identical(kept(whole / "model.pt"), kept(cut / "model.pt"))
    pd.testing.assert_frame_equal(history(whole), history(cut), check_exact=True)
    assert history(whole)["train_top1"].between(0, 100).all()


def test_the_average_of_a_students_weights_is_kept_and_teaches_nothing(
    clips_path, teacher, tmp_path
):
    """Its last weights differ from the plain ones, which are trained as without an average."""
    for name, decay in (("off", None), ("on", 0.9)):
        spec = make_spec("ds", DS, ema=decay, select="last")
        training.train(spec, clips_path, tmp_path / name, teacher=teacher)
    off, on = (weights(tmp_path / name) for name in ("off", "on"))
    assert off.keys() == on.keys()
    assert not same(off, on)
    trained = ["train_loss", "loss_ce", "loss_mae", "loss_gram"]
    plain, averaged = (history(tmp_path / name) for name in ("off", "on"))
    pd.testing.assert_frame_equal(plain[trained], averaged[trained], check_exact=True)
    assert not plain["val_loss"].equals(averaged["val_loss"])


@pytest.mark.parametrize("key", EVERYTHING)
def test_each_key_changes_a_training(clips_path, tmp_path, key):
    """In clips_path, both classes have as many videos; so the weights of classes are all 1."""
    training.train(make_spec(epochs=1, select="last"), clips_path, tmp_path / "off")
    changed = make_spec(epochs=1, select="last", **{key: EVERYTHING[key]})
    training.train(changed, clips_path, tmp_path / "on")
    off, on = (weights(tmp_path / name) for name in ("off", "on"))
    if key == "class_weights":
        for name, value in off.items():
            torch.testing.assert_close(on[name], value, rtol=1e-3, atol=1e-4)
    else:
        assert not same(off, on)
    assert off.keys() == on.keys()


def test_the_average_is_selected_evaluated_and_saved(clips_path, tmp_path, monkeypatch):
    seen = []
    update = Average.update
    monkeypatch.setattr(
        Average,
        "update",
        lambda self, network: (update(self, network), seen.append((self, network))),
    )
    training.train(make_spec(ema=0.9), clips_path, tmp_path)
    average, network = seen[-1]
    assert average.steps == len(seen)
    assert same(weights(tmp_path), average.network.state_dict())
    assert not same(weights(tmp_path), network.state_dict())
    evaluation.evaluate(tmp_path / "model.pt", clips_path, tmp_path / "scores.h5")
    part = read_scores(tmp_path / "scores.h5").parts["validation"]
    loss = F.cross_entropy(torch.from_numpy(part.videos), torch.from_numpy(part.labels))
    rows = pd.read_csv(tmp_path / "history.csv").set_index("epoch")
    selected = models.read(tmp_path / "model.pt")["epoch"]
    assert rows["val_loss"][selected] == pytest.approx(float(loss), rel=1e-4)


def test_least_steps_lengthen_a_training_and_never_shorten_it(clips_path, tmp_path, caplog):
    """12 videos in batches of 4 are three steps per epoch."""
    long = make_spec(epochs=2, least_steps=10)
    with caplog.at_level(logging.INFO):
        training.train(long, clips_path, tmp_path / "long")
    assert "epochs=4" in caplog.text  # for the live view
    training.train(make_spec(epochs=4), clips_path, tmp_path / "four")
    assert same(weights(tmp_path / "long"), weights(tmp_path / "four"))
    pd.testing.assert_frame_equal(history(tmp_path / "long"), history(tmp_path / "four"))
    training.train(make_spec(epochs=2, least_steps=6), clips_path, tmp_path / "two")
    assert len(history(tmp_path / "two")) == 2
