"""Paired tests and intervals against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from toy import scores

from dsnet.scores import ScoreError
from dsnet.tables import render_significance, significance, to_markdown
from dsnet.tables.statistics import bootstrap, combined, mcnemar

STREAMS = {
    "flow": {"title": "Flow", "input": "flow"},
    "rgb": {"title": "RGB", "input": "rgb"},
    "mars": {"title": "MARS", "input": "rgb"},
    "ds": {"title": "DS", "input": "rgb"},
}


def right(only_a, only_b, both=5, neither=3):
    """Whether each of two methods is right, for videos of every kind."""
    counts = (only_a, only_b, both, neither)
    a = np.repeat([True, False, True, False], counts)
    b = np.repeat([False, True, True, False], counts)
    return a, b


@pytest.mark.parametrize(
    ("only_a", "only_b", "expected"),
    [
        (10, 2, 2 * (1 + 12 + 66) / 4096),
        (1, 0, 1.0),
        (6, 0, 2 / 64),
        (0, 0, 1.0),
        (7, 7, 1.0),
        (20, 5, 2 * sum(math.comb(25, k) for k in range(6)) / 2**25),
    ],
)
def test_mcnemar_is_the_binomial_tail_of_the_videos_that_only_one_gets_right(
    only_a, only_b, expected
):
    a, b = right(only_a, only_b)
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(b, a) == pytest.approx(expected)


@given(arrays(bool, 40), arrays(bool, 40))
def test_mcnemar_is_a_probability_and_blind_to_what_both_get_right(a, b):
    p = mcnemar(a, b)
    assert 0 < p <= 1
    differing = a != b
    assert mcnemar(a[differing], b[differing]) == p


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_combined_is_a_probability_between_the_median_and_its_double(p):
    assert combined(p) <= 1
    assert min(1.0, np.median(p)) <= combined(p) <= 2 * np.median(p) + 1e-12
    assert combined(p[:1]) == p[0]


def test_the_interval_of_one_seed_is_that_of_a_mean():
    values = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], (1, 400), p=[0.1, 0.6, 0.3])
    low, high = bootstrap([values])
    error = values.std() / 20
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert bootstrap([values]) == (low, high)


def test_the_interval_counts_what_differs_between_seeds():
    same = np.tile(np.random.default_rng(1).choice([0.0, 1.0], (1, 200)), (4, 1))
    shifted = same + np.array([[-2.0], [-1.0], [1.0], [2.0]])
    narrow, wide = (np.ptp(bootstrap([values])) for values in (same, shifted))
    assert wide > 3 * narrow


def of_stream(stream, seed, correct, ids=None):
    return scores(stream, correct, ids, title="Toy", length=16, seed=seed)


def experiment():
    worse, better = right(2, 12)
    found = [of_stream("flow", seed, better) for seed in (0, 1)]
    for seed in (0, 1):
        found += [of_stream("rgb", seed, worse), of_stream("mars", seed, worse)]
        found.append(of_stream("ds", seed, better))
    return found


def test_every_pair_of_rgb_streams_is_compared_in_the_configs_order():
    table = significance(experiment(), STREAMS)
    pairs = list(zip(table["method"], table["against"], strict=True))
    assert pairs == [("MARS", "RGB"), ("DS", "RGB"), ("DS", "MARS")]
    same, first, second = table.to_dict("records")
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    assert first["difference"] == pytest.approx(100 * 10 / 22)
    assert first["low"] < first["difference"] < first["high"]
    assert first["low"] > 0
    expected = 2 * sum(math.comb(14, k) for k in range(3)) / 2**14
    assert first["p"] == pytest.approx(2 * expected)  # two seeds: twice their median
    assert (first["seeds"], first["n_videos"]) == (2, 22)
    assert second["difference"] == first["difference"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("one seed's ids", "ds on Toy, split 1, 16f, seeds 0, 1: not all .* on the same videos"),
        ("ids", "ds on Toy.* and rgb on Toy.* were not scored on the same videos"),
        ("seeds", "no result for ds on Toy, split 1, 16f, seed 1"),
    ],
)
def test_streams_of_other_videos_or_seeds_are_not_compared(change, message):
    found = experiment()
    if change == "one seed's ids":
        found[-1] = of_stream("ds", 1, right(2, 12)[1], ids=[f"x{i}" for i in range(22)])
    elif change == "ids":
        for i in (-1, -4):
            found[i] = of_stream(
                "ds", found[i].run["seed"], right(2, 12)[1], ids=map(str, range(1, 23))
            )
    else:
        found = found[:-1]
    with pytest.raises(ScoreError, match=message):
        significance(found, STREAMS)


def test_the_text_says_how_to_read_it():
    text = to_markdown(render_significance(significance(experiment(), STREAMS)))
    assert "| Toy | 1 | 16 | DS | MARS | +45.5 |" in text
    assert "3 pairs are compared" in text
