"""Accuracy against cost: what is drawn equals both tables."""

import numpy as np
import pytest
from drawable import scored, timed

from dsnet import figures


def test_accuracy_is_drawn_against_cost_with_and_without_tvl1():
    figure = figures.accuracy_cost(scored(), timed())
    (axes,) = figure.axes
    found = {}
    for line in axes.lines:
        if line.get_marker() in ("o", "s"):
            x, y = line.get_xdata()[0], line.get_ydata()[0]
            found[x, y] = (line.get_marker(), line.get_markerfacecolor() == "white")
    assert found == {
        (4.0, 70.0): ("s", False),  # needs no flow
        (8.0, 90.0): ("o", True),  # its networks alone
        (40.0, 90.0): ("o", False),  # with TV-L1
    }
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.texts] == ["DS  70.0", "DS + Flow  90.0"]
    bars = [tuple(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert (60.0, 80.0) in bars
    assert (85.0, 95.0) in bars
    assert axes.get_title("left") == "motions, split 1, 16 frames; CPU; flow by numba"
    with pytest.raises(ValueError, match="no method of Table 1 is among those"):
        figures.accuracy_cost(scored(), timed().tail(1))


def test_one_seed_is_drawn_without_intervals():
    (axes,) = figures.accuracy_cost(scored().assign(low=np.nan, high=np.nan), timed()).axes
    low, high = axes.get_ylim()
    assert low < 70 < 90 < high
