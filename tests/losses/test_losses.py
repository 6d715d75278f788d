"""Each loss against float64 NumPy written from its equation, and the laws it must obey."""

import numpy as np
import pytest
import torch
from torch import nn

from dsnet.losses import Distillation, FeatureMSE, GramDistance, MultiLevelMAE, gram
from dsnet.models import ResNeXt3D

LEVELS = ("stem", "layer1", "avgpool")
SHAPES = {"stem": (3, 4, 2, 3, 5), "layer1": (3, 6, 1, 2, 2), "avgpool": (3, 7)}


def features(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {k: rng.standard_normal(shape).astype(dtype) for k, shape in SHAPES.items()}


def tensors(arrays, **more):
    return {k: torch.tensor(v, **more) for k, v in arrays.items()}


def mse(s, t, levels):
    return sum(((s[k] - t[k]) ** 2).sum() / s[k].size for k in levels) / len(levels)


def mae(s, t, levels):
    return sum(np.abs(s[k] - t[k]).sum() / s[k].size for k in levels) / len(levels)


def gram_distance(s, t, levels, channels=False):
    total = 0.0
    for k in levels:
        n, c = s[k].shape[:2]
        positions = int(np.prod(s[k].shape[2:]))
        for clip in range(n):
            fs, ft = (x[k][clip].reshape(c, positions) for x in (s, t))
            distance = 0.0
            for i in range(c):
                for j in range(c):
                    distance += abs(np.dot(fs[i], fs[j]) - np.dot(ft[i], ft[j]))
            divisor = len(levels) * c * positions * (c if channels else 1)
            total += distance / divisor / n
    return total


CASES = [
    (FeatureMSE(["avgpool"]), lambda s, t: mse(s, t, ["avgpool"])),
    (FeatureMSE(LEVELS), lambda s, t: mse(s, t, LEVELS)),
    (MultiLevelMAE(LEVELS), lambda s, t: mae(s, t, LEVELS)),
    (GramDistance(LEVELS[:2]), lambda s, t: gram_distance(s, t, LEVELS[:2])),
    (GramDistance(LEVELS), lambda s, t: gram_distance(s, t, LEVELS)),
    (GramDistance(LEVELS[:2], "channels"), lambda s, t: gram_distance(s, t, LEVELS[:2], True)),
]
IDS = ["mse", "mse-levels", "mae", "gram", "gram-avgpool", "gram-channels"]
losses = pytest.mark.parametrize(("loss", "reference"), CASES, ids=IDS)


@losses
def test_value_is_the_equations(loss, reference):
    s, t = features(0), features(1)
    assert float(loss(tensors(s), tensors(t))) == pytest.approx(reference(s, t), rel=1e-12)


@losses
def test_zero_exactly_when_student_equals_teacher(loss, reference):
    s = tensors(features(2))
    assert float(loss(s, s)) == 0
    t = {k: v.clone() for k, v in s.items()}
    for value in t.values():
        value.view(-1)[0] += 1
    assert float(loss(s, t)) > 0


@losses
def test_gradient_is_the_numerical_one(loss, reference):
    teacher = tensors(features(3))
    student = tensors(features(4))
    names = [k for k in LEVELS if k in loss.levels]

    def value(*inputs):
        return loss({**student, **dict(zip(names, inputs, strict=True))}, teacher)

    inputs = [student[k].requires_grad_() for k in names]
    assert torch.autograd.gradcheck(value, inputs)


@losses
def test_batch_value_is_the_mean_of_the_clips(loss, reference):
    s, t = tensors(features(5)), tensors(features(6))
    single = [
        float(loss({k: v[[i]] for k, v in s.items()}, {k: v[[i]] for k, v in t.items()}))
        for i in range(3)
    ]
    assert float(loss(s, t)) == pytest.approx(np.mean(single), rel=1e-12)


def test_gram_ignores_where_features_are_but_not_in_which_channel():
    s, t = tensors(features(7)), tensors(features(8))
    loss = GramDistance(["stem"])
    before = float(loss(s, t))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    moved = s["stem"].flatten(2)[:, :, order].reshape(s["stem"].shape)
    assert float(loss({"stem": moved}, t)) == pytest.approx(before, rel=1e-12)
    swapped = s["stem"][:, [1, 0, 2, 3]]
    assert float(loss({"stem": swapped}, t)) != pytest.approx(before, rel=1e-3)


def test_channels_normalisation_divides_by_c_once_more():
    s, t = tensors(features(9)), tensors(features(10))
    paper = float(GramDistance(["layer1"])(s, t))
    assert float(GramDistance(["layer1"], "channels")(s, t)) == pytest.approx(paper / 6, rel=1e-12)


def test_gram_is_float32_within_autocast():
    big = torch.full((1, 2, 4, 8, 8), 200.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        matrix = gram(big.to(torch.bfloat16))
    assert matrix.dtype == torch.float32
    assert torch.equal(matrix, torch.full((1, 2, 2), 200.0**2 * 256))


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="paper or channels"):
        GramDistance(["stem"], "none")


def small(channels):
    torch.manual_seed(channels)
    return ResNeXt3D(4, channels, (1, 1, 1, 1), (4, 4, 8, 8), stem=4, cardinality=2)


@pytest.fixture
def distillation():
    entries = {
        "mae": {"weight": 50, "levels": ["stem", "avgpool"]},
        "gram": {"weight": 3, "levels": ["stem"], "normalize": "paper"},
    }
    return Distillation(small(2), entries)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {"rgb": torch.randn(2, 3, 4, 24, 24), "flow": torch.randn(2, 2, 4, 24, 24)}


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
