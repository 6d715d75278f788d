"""Each loss against float64 NumPy written from its equation, and the laws it must obey."""

import numpy as np
import pytest
import torch
from equations import LEVELS, features, gram_distance, mae, mse, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet.losses.gram import GramDistance
from dsnet.losses.mae import MultiLevelMAE
from dsnet.losses.mse import FeatureMSE

CASES = [
    (FeatureMSE(["avgpool"]), lambda s, t: mse(s, t, ["avgpool"])),
    (FeatureMSE(LEVELS), lambda s, t: mse(s, t, LEVELS)),
    (MultiLevelMAE(LEVELS), lambda s, t: mae(s, t, LEVELS)),
    (GramDistance(LEVELS[:2]), lambda s, t: gram_distance(s, t, LEVELS[:2])),
    (GramDistance(LEVELS), lambda s, t: gram_distance(s, t, LEVELS)),
    (GramDistance(LEVELS[:2], "channels"), lambda s, t: gram_distance(s, t, LEVELS[:2], 2)),
    (GramDistance(LEVELS[:2], "mean"), lambda s, t: gram_distance(s, t, LEVELS[:2], 3)),
]
IDS = ["mse", "mse-levels", "mae", "gram", "gram-avgpool", "gram-channels", "gram-mean"]
losses = pytest.mark.parametrize(("loss", "reference"), CASES, ids=IDS)
sizes = st.tuples(*[st.integers(1, 4)] * 5)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


@losses
def test_value_is_the_equations(loss, reference):
    s, t = features(0), features(1)
    assert float(loss(tensors(s), tensors(t))) == pytest.approx(reference(s, t), rel=1e-12)


@losses
@few
@given(st.tuples(sizes, sizes, st.tuples(*[st.integers(1, 5)] * 2)), seeds)
def test_value_is_the_equations_whatever_the_shapes(loss, reference, shapes, seed):
    count = shapes[0][0]
    shapes = {k: (count, *shape[1:]) for k, shape in zip(LEVELS, shapes, strict=True)}
    s, t = features(seed, shapes=shapes), features(seed + 1, shapes=shapes)
    assert float(loss(tensors(s), tensors(t))) == pytest.approx(reference(s, t), rel=1e-10)


def test_values_worked_out_by_hand():
    """Two channels at two positions: Gram matrices [[5, 11], [11, 25]] and the identity."""
    s = {"a": [[[[[1.0, 2.0]]], [[[3.0, 4.0]]]]], "b": [[1.0, -1.0]]}
    t = {"a": [[[[[1.0, 0.0]]], [[[0.0, 1.0]]]]], "b": [[0.0, 3.0]]}
    s, t = tensors(s), tensors(t)
    assert float(MultiLevelMAE(["a"])(s, t)) == 2  # (0 + 2 + 3 + 3) / 4
    assert float(FeatureMSE(["a"])(s, t)) == 5.5  # (0 + 4 + 9 + 9) / 4
    assert float(GramDistance(["a"])(s, t)) == 12.5  # (4 + 11 + 11 + 24) / (2 x 2)
    assert float(GramDistance(["a"], "channels")(s, t)) == 6.25
    assert float(GramDistance(["a"], "mean")(s, t)) == 3.125
    assert float(MultiLevelMAE(["b"])(s, t)) == 2.5  # (1 + 4) / 2
    assert float(FeatureMSE(["b"])(s, t)) == 8.5  # (1 + 16) / 2
    assert float(GramDistance(["b"])(s, t)) == 5.5  # (1 + 1 + 1 + 8) / (2 x 1)
    assert float(MultiLevelMAE(["a", "b"])(s, t)) == 2.25
    assert float(FeatureMSE(["a", "b"])(s, t)) == 7
    assert float(GramDistance(["a", "b"])(s, t)) == 9


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


@losses
def test_value_does_not_depend_on_the_size_of_the_batch(loss, reference):
    s, t = tensors(features(11)), tensors(features(12))
    expected = float(loss(s, t))
    for times in (2, 5):
        repeated = [{k: torch.cat([v] * times) for k, v in x.items()} for x in (s, t)]
        assert float(loss(*repeated)) == pytest.approx(expected, rel=1e-12)


def test_gram_ignores_where_features_are_but_not_in_which_channel():
    s, t = tensors(features(7)), tensors(features(8))
    loss = GramDistance(["stem"])
    before = float(loss(s, t))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    moved = s["stem"].flatten(2)[:, :, order].reshape(s["stem"].shape)
    assert float(loss({"stem": moved}, t)) == pytest.approx(before, rel=1e-12)
    swapped = s["stem"][:, [1, 0, 2, 3]]
    assert float(loss({"stem": swapped}, t)) != pytest.approx(before, rel=1e-3)


@few
@given(st.permutations(range(12)), st.permutations(range(3)), seeds)
def test_gram_ignores_any_moves_of_positions_and_no_move_of_channels(places, channels, seed):
    s, t = (features(seed + i, shapes={"a": (2, 3, 1, 3, 4)})["a"] for i in range(2))
    loss = GramDistance(["a"])

    def value(student, teacher=t):
        return float(loss(tensors({"a": student}), tensors({"a": teacher})))

    moved = s.reshape(2, 3, 12)[:, :, places].reshape(s.shape)
    assert value(moved) == pytest.approx(value(s), rel=1e-10)
    assert value(s[:, channels], t[:, channels]) == pytest.approx(value(s), rel=1e-10)
    alone = value(s[:, channels], s)
    assert alone == 0 if list(channels) == [0, 1, 2] else alone > 0


def test_channels_normalisation_divides_by_c_once_more():
    s, t = tensors(features(9)), tensors(features(10))
    paper = float(GramDistance(["layer1"])(s, t))
    assert float(GramDistance(["layer1"], "channels")(s, t)) == pytest.approx(paper / 6, rel=1e-12)


def test_mean_normalisation_is_l1_loss_of_the_printed_matrices():
    s, t = tensors(features(9)), tensors(features(10))
    grams = []
    for x in (s, t):
        f = x["layer1"].flatten(2)
        grams.append(f @ f.mT / f[0].numel())
    expected = float(torch.nn.functional.l1_loss(*grams))
    assert float(GramDistance(["layer1"], "mean")(s, t)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(4, 256, 8, 28, 28), (4, 512, 2, 7, 7), (64, 2048)])
@pytest.mark.parametrize("threads", [1, 2])
def test_float32_sums_of_resnext_101s_levels_are_those_of_float64(shape, threads):
    """Sums of millions of numbers, of which a running sum in float32 loses per cents."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        s, t = ({"a": torch.randn(shape).abs() * scale} for scale in (3, 0.1))
        if len(shape) == 5:
            s = {"a": s["a"].to(memory_format=torch.channels_last_3d)}
        for loss in (MultiLevelMAE(["a"]), FeatureMSE(["a"]), GramDistance(["a"])):
            exact = float(loss({"a": s["a"].double()}, {"a": t["a"].double()}))
            assert float(loss(s, t)) == pytest.approx(exact, rel=2e-6)
    finally:
        torch.set_num_threads(before)


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="paper, channels, mean"):
        GramDistance(["stem"], "none")


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6])
def test_gram_of_blocks_is_that_of_the_whole(monkeypatch, rows):
    """Channels are taken in blocks; those of ResNeXt-101's last level make four."""
    monkeypatch.setattr("dsnet.losses.gram.GRAM_ROWS", rows)
    s, t = features(9), features(10)
    loss = GramDistance(LEVELS)
    student, teacher = tensors(s, requires_grad=True), tensors(t)
    value = loss(student, teacher)
    assert value.item() == pytest.approx(gram_distance(s, t, LEVELS), rel=1e-12)
    value.backward()
    monkeypatch.undo()
    again = tensors(s, requires_grad=True)
    loss(again, teacher).backward()
    for name in LEVELS:
        torch.testing.assert_close(student[name].grad, again[name].grad)
