"""Equation 4: the sum of the terms, against a teacher that stays as it is."""

import pytest
import torch
from tiny import clips, small
from torch import nn

from dsnet import losses
from dsnet.experiment.terms import Term
from dsnet.losses.gram import GramDistance
from dsnet.losses.mae import MultiLevelMAE


@pytest.fixture
def distillation():
    entries = {
        "mae": {"weight": 50, "levels": ["stem", "avgpool"]},
        "gram": {"weight": 3, "levels": ["stem"], "normalize": "paper"},
    }
    return losses.build(small(2), {name: Term(**entry) for name, entry in entries.items()})


@pytest.fixture
def batch():
    return clips()


def test_equation_4_sums_cross_entropy_and_weighted_terms(distillation, batch):
    student, labels = small(3), torch.tensor([1, 3])
    logits, terms = distillation(student, batch, labels)
    _, s = student.forward_features(batch["rgb"])
    t = distillation.teacher(batch["flow"])
    assert list(terms) == ["ce", "mae", "gram"]
    assert terms["ce"].item() == pytest.approx(nn.functional.cross_entropy(logits, labels).item())
    levels = ["stem", "avgpool"]
    assert terms["mae"].item() == pytest.approx(50 * MultiLevelMAE(levels)(s, t).item(), rel=1e-4)
    assert terms["gram"].item() == pytest.approx(3 * GramDistance(["stem"])(s, t).item(), rel=1e-4)


def test_the_teacher_stays_frozen_and_in_eval_mode(distillation, batch):
    before = {k: v.clone() for k, v in distillation.teacher.state_dict().items()}
    student = small(3)
    distillation.train()
    _, terms = distillation(student, batch, torch.tensor([0, 1]))
    sum(terms.values()).backward()
    assert not any(module.training for module in distillation.teacher.modules())
    assert all(p.grad is None for p in distillation.teacher.parameters())
    after = distillation.teacher.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert all(p.grad is not None for p in student.parameters())


def test_two_teachers_teach_their_mean_logits_and_the_first_its_features(batch):
    entries = {"mse": {"weight": 5, "levels": ["logits"]}, "mae": {"levels": ["stem", "layer4"]}}
    terms = {name: Term(**entry) for name, entry in entries.items()}
    flow, rgb, student = small(2), small(3), small(3)
    torch.nn.init.normal_(rgb.fc.weight)
    labels = torch.tensor([1, 3])
    both, one = losses.build(flow, terms, second=rgb).train(), losses.build(flow, terms)
    logits, found = both(student, batch, labels)
    _, alone = one(student, batch, labels)
    theirs = [flow.eval()(batch["flow"]), rgb.eval()(batch["rgb"])]
    assert not torch.allclose(*theirs, atol=0.1)
    mean = (theirs[0].double() + theirs[1].double()) / 2
    expected = 5 * (logits.double() - mean).square().mean()
    assert found["mse"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert found["mae"].item() == alone["mae"].item()
    assert found["mse"].item() != pytest.approx(alone["mse"].item(), rel=1e-2)
    sum(found.values()).backward()
    assert not any(p.requires_grad for p in both.second.parameters())
    assert not any(module.training for module in both.second.modules())


def test_an_rgb_network_teaches_a_flow_network_in_the_same_way(batch):
    terms = {"mae": Term(levels=["stem", "layer4"]), "mse": Term(levels=["logits"])}
    rgb, flow, labels = small(3), small(2), torch.tensor([1, 3])
    swapped = {"rgb": batch["flow"], "flow": batch["rgb"]}
    logits, found = losses.build(rgb, terms, inputs=("flow", "rgb"))(flow, batch, labels)
    expected_logits, expected = losses.build(rgb, terms)(flow, swapped, labels)
    assert torch.equal(logits, expected_logits)
    assert found == expected
    second = losses.build(rgb, terms, second=small(2), inputs=("flow", "rgb"))
    assert second(flow, batch, labels)[1]["mse"] != found["mse"]


def test_balance_gives_each_term_its_share_of_the_norms():
    entries = {
        "mse": {"weight": 2, "levels": ["avgpool"], "share": None},
        "mae": {"weight": 50, "levels": ["stem"], "share": 0.5},
        "gram": {"weight": 50, "levels": ["stem"], "share": 0.2},
    }
    distillation = losses.build(small(2), {name: Term(**entry) for name, entry in entries.items()})
    assert distillation.weights.tolist() == [2, 1, 1]
    # The others have 3 of what must be three tenths, so the sum is 10.
    factors = distillation.balance({"ce": 1.0, "mse": 2.0, "mae": 0.1, "gram": 8.0})
    assert factors == pytest.approx({"mae": 50, "gram": 0.25})
    assert distillation.weights.tolist() == pytest.approx([2, 50, 0.25])
    # A term without a gradient does not count, and keeps its weight.
    assert distillation.balance({"ce": 1.0, "mse": 3.0, "mae": 0.0, "gram": 2.0}) == {
        "gram": pytest.approx(0.5)
    }
    weights = distillation.weights.tolist()
    for norms in ({"ce": 0.0, "mse": 0.0}, {"ce": float("inf"), "mse": 1.0}):
        assert distillation.balance({**norms, "mae": 1.0, "gram": 2.0}) == {}
    assert distillation.balance({"ce": 1.0, "mse": 1.0, "mae": float("nan"), "gram": 2.0}) == {}
    assert distillation.weights.tolist() == weights
    distillation.reset()
    assert distillation.weights.tolist() == [2, 1, 1]


@pytest.mark.parametrize(("done", "left"), [(0, 1), (1 / 3, 3 / 4), (1 / 2, 1 / 2), (1, 0)])
def test_weights_and_shares_fade_by_half_a_cosine(batch, done, left):
    entries = {
        "mse": {"weight": 2, "levels": ["avgpool"], "fade": True},
        "mae": {"levels": ["stem"], "share": 0.4, "fade": True},
        "gram": {"weight": 3, "levels": ["stem"]},
    }
    task = losses.build(small(2), {name: Term(**entry) for name, entry in entries.items()})
    student, labels = small(3), torch.tensor([1, 3])
    _, before = task(student, batch, labels)
    assert task.reset(done) == {"mse": pytest.approx(2 * left)}
    _, after = task(student, batch, labels)
    expected = {"ce": 1, "mse": left, "mae": 1, "gram": 1}
    for name, part in expected.items():
        assert after[name].item() == pytest.approx(part * before[name].item(), rel=1e-5)
    # The others have 6 of what must be 1 - 0.4 left of the sum.
    factors = task.balance({"ce": 1.0, "mse": 2.0, "mae": 0.5, "gram": 3.0})
    assert factors == {"mae": pytest.approx(2 * 0.4 * left * 6 / (1 - 0.4 * left))}
    assert task.reset() == {"mse": 2}
    assert task.weights.tolist() == [2, 1, 3]
