"""Losses from outside the package, in a training."""

from pathlib import Path

import pytest
import torch
from specs import make_spec, same, stop_after, terms, weights
from test_resume import Killed, assert_identical, history, kept

from dsnet import losses, models, registry, training
from dsnet.experiment.terms import Term
from dsnet.processes import ALONE
from dsnet.training.steps import Step

FILE = str(Path(__file__).with_name("my_losses.py"))
PLUGINS = registry.places("LOSSES", {}, [FILE])
PROJECTED = {"projected": {"weight": 50, "channels": 16}}
CPU = torch.device("cpu")


def test_the_places_are_read_from_the_file():
    assert {
        "plain": f"{FILE}:Plain",
        "trusting": f"{FILE}:Trusting",
        "projected": f"{FILE}:Projected",
        "drawing": f"{FILE}:Drawing",
    } == PLUGINS
    assert registry.load(PLUGINS["plain"]) is registry.load(PLUGINS["plain"])
    built_in = registry.places("LOSSES", losses.LOSSES, [])
    assert registry.load(built_in["mae"]).__name__ == "MultiLevelMAE"


def test_the_names_may_have_an_annotation(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('LOSSES: dict[str, type] = {"a": A}')
    assert registry.places("LOSSES", {}, [str(path)]) == {"a": f"{path}:A"}


def make_task(spec, entries):
    return losses.build(models.build(spec.model.arch(), "flow", 2), terms(entries), PLUGINS)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {name: 50 * torch.randn(4, c, 4, 16, 16) for name, c in models.CHANNELS.items()}


def test_plain_losses_of_logits_and_labels(batch):
    spec = make_spec("ds", PROJECTED)
    torch.manual_seed(0)
    student = models.build(spec.model.arch(), "rgb", 2)
    task = make_task(spec, {"plain": {"weight": 2}, "trusting": {"weight": 3}})
    labels = torch.tensor([0, 1, 1, 0])
    logits, found = task(student, batch, labels)
    theirs = task.teacher(batch["flow"])["logits"]
    error = (logits - theirs).square()
    assert found["plain"].item() == pytest.approx(2 * error.mean().item())
    right = (theirs.argmax(1) == labels).float()
    assert 0 < right.sum() < 4
    expected = 3 * (right * error.mean(1)).mean().item()
    assert found["trusting"].item() == pytest.approx(expected)
    sum(found.values()).backward()
    assert student.fc.weight.grad.abs().sum() > 0


def test_parameters_of_a_loss_are_trained_and_clipped_with_the_network(batch):
    spec = make_spec("ds", PROJECTED, clip_gradient=1e-3, lr=0.1, weight_decay=0)
    torch.manual_seed(0)
    network = models.build(spec.model.arch(), "rgb", 2)
    task = make_task(spec, PROJECTED)
    both = [*network.named_parameters(), *task.terms.named_parameters()]
    before = {name: p.detach().clone() for name, p in both}
    assert {"projected.projector.weight", "projected.projector.bias"} <= before.keys()
    step = Step(network, task, spec.stream.training, CPU, ALONE)
    _, found = step.forward(batch, torch.tensor([0, 1, 1, 0]))
    assert step.update(found, 1.0)
    moved = {name: p.detach() - before[name] for name, p in both}
    assert moved["projected.projector.weight"].abs().sum() > 0
    norm = torch.sqrt(sum(m.square().sum() for m in moved.values()))
    assert norm.item() == pytest.approx(0.1 * 1e-3, rel=1e-3)  # of all together


def test_parameters_of_a_loss_are_resumed_and_are_no_part_of_the_model(
    clips_path, teacher, tmp_path, monkeypatch
):
    spec = make_spec("ds", PROJECTED, PLUGINS, epochs=4, lr=0.1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    training.train(spec, clips_path, whole, teacher=teacher)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Killed):
            training.train(spec, clips_path, cut, teacher=teacher)
    left = models.read(cut / ".checkpoint.pt")
    assert set(left["terms"]) == {"projected.projector.weight", "projected.projector.bias"}
    training.train(spec, clips_path, cut, teacher=teacher)
    assert history(cut).equals(history(whole))
    assert_identical(kept(cut / "model.pt"), kept(whole / "model.pt"))
    assert same(weights(cut), weights(whole))
    assert not [key for key in weights(whole) if "projector" in key]
    assert models.load_model(whole / "model.pt")[0].fc.out_features == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("LOSSES = {", "is no Python: "),
        ("LOSSES = dict(a=1)", 'expected LOSSES to be written as {"name": Class}'),
        ('LOSSES = {"a": A, "b": B()}', 'expected LOSSES to be written as {"name": Class}'),
        ('LOSSES = {"mae": A}', "names mae in LOSSES, which is dsnet.losses.mae:MultiLevelMAE"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(registry.PluginError, match=r"plugins: .*mine\.py") as caught:
        registry.places("LOSSES", losses.LOSSES, [str(path)])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("import nothing_like_it", registry.PluginError, "No module named 'nothing_like_it'"),
        ("B = 1", registry.PluginError, "name 'A' is not defined"),
        ("def A(channels): ...", registry.PluginError, "missing 1 required positional argument"),
    ],
)
def test_a_loss_that_cannot_be_made_is_named(tmp_path, text, error, message):
    path = tmp_path / "mine.py"
    path.write_text(f'{text}\nLOSSES = {{"a": A}}')
    with pytest.raises(error, match=r"mine\.py:A cannot be ") as caught:
        losses.build(
            models.ResNeXt3D(2, 2, [1] * 4, [4] * 4, 4, 3, 2),
            {"a": Term(weight=1)},
            {"a": f"{path}:A"},
        )
    assert message in str(caught.value)
