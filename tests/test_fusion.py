"""Average and attention fusion of two streams' scores."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet import fusion
from dsnet.models import AttentionFusion
from dsnet.scores import Part, Scores, accuracies, write_scores

OPTIONS = {"hidden": 16, "epochs": 60, "batch_size": 32, "lr": 0.01, "weight_decay": 0.0}


def part(videos, labels):
    count = len(labels)
    return Part(
        tuple(map(str, range(count))), labels, videos.astype(np.float32), np.ones(count, np.int64)
    )


def streams(seed, count=200, classes=4):
    """Two streams, each right where the other is not; which one shows in its own scores.

    A stream that is right has a high score for the label; one that is wrong has two higher ones
    for others, so that the average of both is wrong.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    first = rng.random(count) < 0.5
    good = 4 * np.eye(classes)[labels]
    bad = 6 * np.eye(classes)[(labels + 1) % classes] + 6 * np.eye(classes)[(labels + 2) % classes]
    noise = 0.1 * rng.standard_normal((2, count, classes))
    a = np.where(first[:, None], good, bad) + noise[0]
    b = np.where(first[:, None], bad, good) + noise[1]
    return part(a, labels), part(b, labels), first


def test_the_average_is_the_mean_of_the_scores():
    labels = np.array([0, 1])
    a, b = part(np.array([[1, 3], [0, 2]]), labels), part(np.array([[3, 0], [4, 2]]), labels)
    np.testing.assert_array_equal(fusion.average(a, b), [[2, 1.5], [2, 2]])


def test_attention_weights_sum_to_one_and_equal_scores_are_kept():
    torch.manual_seed(0)
    fusion = AttentionFusion(5, 8)
    a, b = torch.randn(7, 5), torch.randn(7, 5)
    weights = fusion.weights(a, b)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(fusion(a, b), weights[:, :1] * a + weights[:, 1:] * b)
    torch.testing.assert_close(fusion(a, a), a)


def by_figure_2(module, a, b):
    """Weights and fused scores in float64 NumPy, from the figure."""
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in module.parameters())
    energies = (np.concatenate([a, b], axis=1) @ w1.T + b1) @ w2.T + b2
    shares = np.exp(energies - energies.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares, shares[:, :1] * a + shares[:, 1:] * b


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.sampled_from([0.1, 1, 30, 1e4]), st.integers(0, 99))
def test_attention_is_a_weighing_of_the_streams_as_in_figure_2(classes, hidden, scale, seed):
    torch.manual_seed(seed)
    module = AttentionFusion(classes, hidden).double()
    a, b = scale * np.random.default_rng(seed).standard_normal((2, 4, classes))
    with torch.no_grad():
        weights = module.weights(torch.tensor(a), torch.tensor(b)).numpy()
        fused = module(torch.tensor(a), torch.tensor(b)).numpy()
        kept = module(torch.tensor(a), torch.tensor(a)).numpy()
    expected_weights, expected = by_figure_2(module, a, b)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-9)
    np.testing.assert_allclose(fused, expected, atol=1e-9 * scale)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(kept, a, rtol=1e-12)
    slack = 1e-12 * scale
    assert (fused >= np.minimum(a, b) - slack).all()
    assert (fused <= np.maximum(a, b) + slack).all()


def test_two_streams_of_equal_scores_give_that_score():
    (train, _, _), (test, _, _) = streams(0), streams(1)
    np.testing.assert_array_equal(fusion.average(test, test), test.videos)
    few = {**OPTIONS, "epochs": 3}
    fused, weights = fusion.attention([train, train], [test, test], few, seed=0)
    np.testing.assert_allclose(fused, test.videos, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_attention_beats_the_average_where_one_stream_is_reliable_per_sample():
    (*train, _), (a, b, first) = streams(0), streams(1)
    fused, weights = fusion.attention(train, [a, b], OPTIONS, seed=0)
    assert accuracies(fusion.average(a, b), a.labels)["top1"] < 10
    assert accuracies(fused, a.labels)["top1"] > 95
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert weights[first, 0].mean() > 0.8
    assert weights[~first, 0].mean() < 0.2
    for share in np.linspace(0, 1, 21):  # no weights that are the same for all videos do
        fixed = share * a.videos + (1 - share) * b.videos
        assert accuracies(fixed, a.labels)["top1"] < 65


def test_attention_repeats_from_its_seed():
    (*train, _), (*test, _) = streams(0), streams(1)
    few = {**OPTIONS, "epochs": 2}
    first = fusion.attention(train, test, few, seed=1)[0]
    np.testing.assert_array_equal(fusion.attention(train, test, few, seed=1)[0], first)
    assert not np.array_equal(fusion.attention(train, test, few, seed=2)[0], first)


def write(path, stream, train, test, **run):
    run = {"dataset": "d", "seed": 0, "stream": stream, **run}
    write_scores(path, Scores(run, tuple("abcd"), {"train": train, "test": test}))
    return path


@pytest.mark.parametrize("kind", ["average", "attention"])
def test_the_file_says_what_was_fused_and_what_came_out(tmp_path, kind):
    (a, b, _), (c, d, _) = streams(0), streams(1)
    first, second = write(tmp_path / "a.h5", "ds", a, c), write(tmp_path / "b.h5", "flow", b, d)
    returned = fusion.fuse(first, second, kind, OPTIONS, tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found == returned
    assert found["run"] == {"dataset": "d", "seed": 0, "streams": ["ds", "flow"], "kind": kind}
    assert found["n_videos"] == 200
    weighed = {"average": None, "attention": 4}[kind]
    assert (found["weights"] and len(found["weights"]["per_class"])) == weighed
    right = np.array(found["per_class"]) @ np.bincount(c.labels) / 200
    assert found["top1"] == pytest.approx(right)


def test_streams_of_different_runs_are_not_fused(tmp_path):
    a, b, _ = streams(0)
    first = write(tmp_path / "a.h5", "ds", a, a)
    second = write(tmp_path / "b.h5", "flow", b, b, seed=1)
    with pytest.raises(ValueError, match="of different runs"):
        fusion.fuse(first, second, "average", OPTIONS, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
