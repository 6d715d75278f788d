"""Accuracy against the time that a clip costs, with TV-L1 and without."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dsnet.figures.style import BLUE, STYLE, VERMILION, faint_grid, literal, spread

LEFT, RIGHT, BELOW, ABOVE = 0.7, 0.3, 1.0, 0.4  # inches around the axes, names aside
SPAN, HEIGHT = 4.4, 3.4  # of the axes, names aside
LINE = 0.16  # inches from label to label
CHARACTER = 0.064  # inches, on average
PLAIN: dict[str, Any] = {"marker": "s", "color": BLUE}  # needs no flow
WHOLE: dict[str, Any] = {"marker": "o", "color": VERMILION}  # with the flow's own time
# The flow is there already.
GIVEN: dict[str, Any] = {"marker": "o", "mec": VERMILION, "mfc": "white", "mew": 1.4}


@matplotlib.rc_context(STYLE)
def accuracy_cost(table1: pd.DataFrame, latency: pd.DataFrame) -> Figure:
    """Top-1 against milliseconds per clip of what was both scored and timed.

    A square is what needs no flow. What needs it is a pair: an empty circle at the time of its
    networks alone, a full one where TV-L1 is counted. Bars are 95 % intervals. One seed
    has none.

    Args:
        table1: what :func:`dsnet.tables.table1` returns; its first experiment is drawn.
        latency: what :func:`dsnet.latency.measure` returns.

    Raises:
        ValueError: nothing was both scored and timed.
    """
    points = joined(table1, latency)
    width = SPAN + _room(points, False)
    size = (LEFT + width + RIGHT + _room(points, True), BELOW + HEIGHT + ABOVE)
    figure = Figure(figsize=size)
    place = (LEFT / size[0], BELOW / size[1], width / size[0], HEIGHT / size[1])
    axes = figure.add_axes(place)
    for row in points.to_dict("records"):
        _point(axes, row)
    _scales(axes, points)
    _names(axes, points)
    axes.set_title(_conditions(points), loc="left")
    handles = [
        Line2D([], [], ls="", label="needs no flow", **PLAIN),
        Line2D([], [], ls="", label="networks and TV-L1", **WHOLE),
        Line2D([], [], ls="", label="networks alone, flow given", **GIVEN),
    ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(place[0], 0), ncols=3)
    return figure


def joined(table1: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """The rows of both tables that are of the same streams, those of the first experiment.

    Raises:
        ValueError: there is none.
    """
    scored = table1[table1["source"] == "measured"]
    if len(scored):
        key = ["dataset", "split", "clip_length"]
        scored = scored[(scored[key] == scored.iloc[0][key]).all(axis=1)]
    found = latency.merge(scored.drop(columns=["method", "n_missing"]), on="streams")
    if found.empty:
        raise ValueError("no method of Table 1 is among those that were timed")
    return found


def _point(axes: Axes, row: Mapping[Any, Any]) -> None:
    style = WHOLE if row["ms_flow"] > 0 else PLAIN
    x, y = row["ms_total"], row["top1"]
    axes.plot([x, x], [row["low"], row["high"]], color=style["color"], lw=1, alpha=0.45, zorder=1)
    if row["ms_flow"] > 0:
        axes.plot([row["ms_network"], x], [y, y], color=VERMILION, lw=1, ls=":", zorder=1)
        axes.plot(row["ms_network"], y, ls="", ms=6, **GIVEN)
    axes.plot(x, y, ls="", ms=6, **style)


def _conditions(points: pd.DataFrame) -> str:
    first = points.iloc[0]
    where = f"{first['dataset']}, split {int(first['split'])}, {int(first['clip_length'])} frames"
    backends = " and ".join(filter(None, dict.fromkeys(points["backend"].dropna())))
    flow = f"; TV-L1 by {backends}" if backends else ""
    return literal(f"{where}; {first['device']}{flow}")


def _scales(axes: Axes, points: pd.DataFrame) -> None:
    first, last = points["ms_network"].min(), 1.15 * points["ms_total"].max()
    decades = math.log10(last / first) * (1 + _room(points, False) / SPAN)
    axes.set_xscale("log")
    axes.set_xlim(last / 10**decades, last)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ends = points[["low", "top1", "high"]].to_numpy(float)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = 0.08 * max(high - low, 5)
    axes.set_ylim(max(low - margin, -2), min(high + margin, 102))
    axes.set_xlabel("Milliseconds per clip (log scale)")
    axes.set_ylabel("Top-1 (%)")
    faint_grid(axes, "both")


def _name(row: Mapping[Any, Any]) -> str:
    return f"{row['method']}  {row['top1']:.1f}"


def _room(points: pd.DataFrame, needs_flow: bool) -> float:
    """Inches for the names of what needs flow, or of what needs none."""
    rows = points[(points["ms_flow"] > 0) == needs_flow].to_dict("records")
    return 0.2 + CHARACTER * max((len(_name(row)) for row in rows), default=0)


def _names(axes: Axes, points: pd.DataFrame) -> None:
    """The names in two columns: left of all points what needs no flow, on the right all else."""
    low, high = axes.get_ylim()
    gap = (high - low) * LINE / HEIGHT
    for needs in (False, True):
        rows = points[(points["ms_flow"] > 0) == needs].to_dict("records")
        places = spread([row["top1"] for row in rows], gap)
        # None hangs over an end of the axis, unless they are too many.
        shift = max(0.0, low + gap / 2 - min(places, default=high))
        shift -= max(0.0, max(places, default=low) + gap / 2 - high)
        for row, place in zip(rows, places, strict=True):
            _annotate(axes, row, place + shift, points["ms_network"].min() / 1.12)


def _annotate(axes: Axes, row: Mapping[Any, Any], place: float, left: float) -> None:
    """One name at some height, ending at ``left`` or beside the axes, and a line to its point."""
    needs = row["ms_flow"] > 0
    line = {"arrowstyle": "-", "color": "0.6", "lw": 0.6, "shrinkA": 1, "shrinkB": 4}
    axes.annotate(
        literal(_name(row)),
        (row["ms_total"], row["top1"]),
        xytext=(1.03 if needs else left, place),
        textcoords=axes.get_yaxis_transform() if needs else "data",
        ha="left" if needs else "right",
        va="center",
        fontsize=8,
        bbox={"color": "white", "pad": 0.4},
        arrowprops={**line, "relpos": (int(not needs), 0.5), "zorder": 1},
        annotation_clip=False,
    )
