"""Pairs of methods: on the same videos and seeds, in one family."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from toy import scores

from dsnet.scores import ScoreError
from dsnet.tables import (
    render_plain,
    render_significance,
    significance,
    to_csv,
    to_latex,
    to_markdown,
)
from dsnet.tables.text import interval, per_cent, signed

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
    assert (same["difference"], same["low"], same["p"]) == (0, -same["high"], 1)
    assert first["difference"] == pytest.approx(100 * 10 / 22)
    assert first["low"] < first["difference"] < first["high"]
    assert first["low"] > 0
    # Both seeds are right for 12 videos more and 2 less of 22; Bonett and Price add two.
    variance = (14 - 22 * (10 / 22) ** 2) / 22 / 21 + 2 / 24**2
    assert first["p"] == pytest.approx(2 * stats.t.sf(10 / 22 / variance**0.5, 21))
    assert table["p_holm"].tolist() == pytest.approx([1, 3 * first["p"], 3 * first["p"]])
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
    assert "p (Holm) counts all pairs" in text


def made_up(**columns):
    row = {"dataset": "Toy", "split": 1, "clip_length": 16, "method": "DS", "against": "MARS"}
    row |= {"difference": 3.75, "low": 0.0, "high": 7.5, "p": 0.5, "p_holm": 1.0}
    return pd.DataFrame([{**row, "seeds": 3, "n_videos": 20, **columns}])


@pytest.mark.parametrize(
    ("low", "shown"),
    [
        (-0.049, "0.0 to +7.5"),
        (-0.0, "0.0 to +7.5"),
        (0.049, "0.0 to +7.5"),
        (0.051, "+0.1 to +7.5"),
        (-0.051, "-0.1 to +7.5"),
    ],
)
def test_what_rounds_to_zero_has_no_sign(low, shown):
    table = made_up(low=low, difference=low)
    (row,) = render_significance(table).blocks[0].rows
    assert row[5:7] == (shown.split()[0], shown)


@given(st.floats(-101, 101))
def test_a_difference_is_never_minus_zero_and_reads_back_as_it_was_rounded(value):
    assert float(signed(value)) == float(f"{value:.1f}")
    assert set(signed(value)) & set("123456789") or signed(value) == "0.0"


def test_numbers_of_files_are_never_minus_zero():
    table = made_up(low=-0.00001, difference=-0.0, n_videos=0)
    cells = to_csv(table).splitlines()[1].split(",")
    assert cells == ["Toy", "1", "16", "DS", "MARS", "0.0", "0.0", "7.5", "0.5", "1.0", "3", "0"]
    (row,) = render_plain(pd.DataFrame({"x": [-0.0]}), "").blocks[0].rows
    assert row == ("0",)
    assert interval({"low": -1e-15, "high": 7.5}) == "0.0 to 7.5"
    assert per_cent(-1e-15) == "0.0"


def test_a_small_p_stays_on_one_line():
    text = render_significance(made_up(p=0.0009, p_holm=0.0049))
    assert text.blocks[0].rows[0][7:9] == ("<\N{NO-BREAK SPACE}0.001", "0.005")
    assert r"\textless{}~0.001" in to_latex(text)
