"""Accuracies of classes, and their intervals, against SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from toy import one_video_of_a_class, scores

from dsnet import tables
from dsnet.tables.statistics import wilson

TITLES = {"rgb": "RGB", "ds": "Dual-action Stream"}


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_scipys(counts):
    right, videos = counts
    expected = stats.binomtest(right, videos).proportion_ci(method="wilson")
    assert wilson(right / videos, videos) == pytest.approx(tuple(expected), abs=1e-9)


def test_no_videos_have_no_interval_and_one_has_a_wide_one():
    assert np.isnan(wilson(0.0, 0)).all()
    assert wilson(1.0, 1) == (pytest.approx(0.2065, abs=1e-4), 1.0)  # Newcombe 1998's method 3


def test_a_row_for_every_class_and_stream_with_the_videos_counted_once():
    found = [
        one_video_of_a_class(np.arange(10) < right, stream, seed=seed)[0][0]
        for stream, rights in (("rgb", (9, 8, 7)), ("ds", (10, 9, 9)))
        for seed, right in enumerate(rights)
    ]
    table = tables.classes_table(found, TITLES)
    assert table["class"].tolist() == ["a", "a", "b", "b"]
    assert table["method"].tolist() == ["RGB", "Dual-action Stream"] * 2
    assert table["n_videos"].tolist() == [9, 9, 1, 1]
    assert set(table["seeds"]) == {3}
    assert table["top1"].tolist() == pytest.approx([800 / 9, 100, 0, 100 / 3])
    assert table["top1_std"].iloc[0] == pytest.approx(100 / 9)
    expected = stats.binomtest(8, 9).proportion_ci(method="wilson")  # not 24 of 27
    first = table.iloc[0]
    assert (first.low, first.high) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_a_class_without_test_videos_has_no_accuracy():
    table = tables.classes_table([scores("rgb", [True])], TITLES)
    assert table["n_videos"].tolist() == [1, 0]
    assert table.iloc[1][["top1", "low", "high"]].isna().all()
