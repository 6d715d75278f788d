"""Accuracy against cost: what is drawn equals both tables."""

import numpy as np
import pandas as pd
import pytest
from drawable import scored, timed
from hypothesis import given
from hypothesis import strategies as st

from dsnet import figures
from dsnet.figures.leaders import leaders


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


def crowded():
    """Equal networks beside flow's, a bit faster and as accurate, as in the default run."""
    found = {"rgb": 1.7, "ds": 1.7, "flow": 1.56}
    top1 = {
        "rgb": 20.0,
        "ds": 76.5,
        "flow": 77.0,
        "rgb+flow": 66.5,
        "ds+rgb": 65.5,
        "ds+flow": 78.5,
    }
    timed_rows = pd.DataFrame({"streams": [*top1, "ds+rgb+flow"]})
    names = timed_rows["streams"].str.split("+")
    timed_rows["method"] = names.map(" + ".join)
    timed_rows["ms_network"] = names.map(lambda of: sum(found[name] for name in of))
    timed_rows["ms_flow"] = names.map(lambda of: 15.0 * ("flow" in of))
    timed_rows["ms_total"] = timed_rows["ms_network"] + timed_rows["ms_flow"]
    table = scored().head(1).drop(columns=["streams", "top1"])
    rows = timed_rows[["streams"]].assign(top1=timed_rows["streams"].map(top1).fillna(74.0))
    table = table.merge(rows, how="cross").assign(low=np.nan, high=np.nan)
    return table, timed_rows.assign(device="CPU", backend="numba")


def test_a_name_has_a_line_to_its_own_mark_and_past_all_others():
    figure = figures.accuracy_cost(*crowded())
    (axes,) = figure.axes
    drawn = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    marks = np.array([axes.transData.transform(line.get_xydata()[0]) for line in drawn])
    inches = marks / figure.dpi
    assert len(axes.texts) == 7
    for name in axes.texts:
        ends = axes.transData.transform([name.xyann, name.xy]) / figure.dpi
        ends[0, 1] = name.xyann[1]  # is in inches
        others = inches[np.abs(inches - ends[1]).max(axis=1) > 1e-6]
        apart = np.linalg.norm(others - ends[1], axis=1)
        # A mark has a radius of 3 points. One that lies on the own mark is met by any line.
        clear = np.minimum(4 / 72, 0.6 * apart)
        assert (np.array([distance(*ends, other) for other in others]) >= clear - 0.01).all(), name


def distance(start, end, point):
    """Of a point from a piece of a line."""
    share = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return np.linalg.norm(start + share * (end - start) - point)


places = st.tuples(st.floats(1, 5), st.floats(0, 3)).map(lambda pair: [round(x, 2) for x in pair])


@given(st.lists(places, max_size=6), st.lists(places, max_size=6), st.sampled_from([0.5, 5.5]))
def test_names_are_in_the_order_of_their_points_and_apart(points, more, x):
    own = np.array(points).reshape(-1, 2)
    heights = np.array(leaders(own, np.array([*points, *more]).reshape(-1, 2), x, (0.1, 2.9), 0.2))
    order = np.lexsort((heights, own[:, 1]))
    assert (np.diff(own[order, 1]) >= 0).all()
    assert (np.diff(heights[order]) >= 0.2 - 1e-9).all()
    assert (heights <= 2.9).all()


def test_a_name_with_nothing_near_is_as_high_as_its_point():
    points = np.array([[2.0, 0.5], [3.0, 1.5], [4.0, 2.5]])
    assert leaders(points, points, 1.0, (0.1, 2.9), 0.16) == pytest.approx(points[:, 1], abs=0.01)


def test_lines_to_points_do_not_cross():
    points = np.array([[1.97, 1.03], [1.79, 1.13], [1.08, 1.03], [1.2, 1.48]])
    heights = np.array(leaders(points, points, 0.9, (0.1, 2.9), 0.16))
    for (x, y), height in zip(points, heights, strict=True):
        others = points[:, 0] > x
        at = heights + (points[:, 1] - heights) * (x - 0.9) / (points[:, 0] - 0.9)
        assert ((at > y) == (heights > height))[others].all()
