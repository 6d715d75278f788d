"""Accuracy against the time per clip, with flow and without."""

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
from numpy.typing import ArrayLike

from dsnet.figures.leaders import leaders
from dsnet.figures.style import BLUE, STYLE, VERMILION, faint_grid, literal, place

SPAN, HEIGHT = 4.4, 3.4  # inches of the axes without names
LINE, CHARACTER = 0.16, 0.064  # inches between labels, and mean width of a character
ROWS = "needs no flow", "networks and flow", "networks alone, flow given"
LOOKS: tuple[dict[str, Any], ...] = (
    {"marker": "s", "color": BLUE},
    {"marker": "o", "color": VERMILION},
    {"marker": "o", "mec": VERMILION, "mfc": "white", "mew": 1.4},
)
TIMES = "ms_network", "ms_total"  # where marks are
LEADER: dict[str, Any] = {"arrowstyle": "-", "lw": 0.7, "shrinkA": 1, "shrinkB": 3, "zorder": 1}


@matplotlib.rc_context(STYLE)
def accuracy_cost(table1: pd.DataFrame, latency: pd.DataFrame) -> Figure:
    """Draw top-1 against milliseconds per clip of all results that were both scored and timed.

    A square needs no flow. A pair of circles does: the empty one has the time of its networks
    alone, the full one also the flow. Bars are 95 % intervals. One seed has none. ``table1`` is
    from :func:`dsnet.tables.table1` (its first experiment counts), ``latency`` from
    :func:`dsnet.latency.measure`. Raises ValueError if nothing was both scored and timed.
    """
    points = _joined(table1, latency)
    needs = points["ms_flow"] > 0
    rooms = []  # inches for the names, on the left for results without flow
    for rows in (points[~needs], points[needs]):
        rooms.append(0.2 + CHARACTER * max(rows["name"].str.len(), default=0))
    width = SPAN + rooms[0]
    figure = Figure(figsize=(1.0 + width + rooms[1], 1.4 + HEIGHT))
    axes = place(figure, 0.7, 0.4, width, HEIGHT)
    for row in points.to_dict("records"):
        _point(axes, row)
    _scales(axes, points, width / SPAN)
    for with_flow in (False, True):
        _names(axes, points, with_flow)
    first = points.iloc[0]
    where = f"{first['dataset']}, split {int(first['split'])}, {int(first['clip_length'])} frames"
    backends = " and ".join(filter(None, dict.fromkeys(points["backend"].dropna())))
    flow = f"; flow by {backends}" if backends else ""
    axes.set_title(literal(f"{where}; {first['device']}{flow}"), loc="left")
    handles = [Line2D([], [], ls="", label=n, **look) for n, look in zip(ROWS, LOOKS, strict=True)]
    corner = (axes.get_position().x0, 0)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=corner, ncols=3)
    return figure


def _joined(table1: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of both tables by streams, for the first experiment."""
    scored = table1[table1["source"] == "measured"]
    if len(scored):
        key = ["dataset", "split", "clip_length"]
        scored = scored[(scored[key] == scored.iloc[0][key]).all(axis=1)]
    found = latency.merge(scored.drop(columns="method"), on="streams")
    if found.empty:
        raise ValueError("no method of Table 1 is among those that were timed")
    return found.assign(name=found["method"] + found["top1"].map("  {:.1f}".format))


def _point(axes: Axes, row: Mapping[Any, Any]) -> None:
    look = LOOKS[row["ms_flow"] > 0]
    x, y = row["ms_total"], row["top1"]
    axes.plot([x, x], [row["low"], row["high"]], color=look["color"], lw=1, alpha=0.45, zorder=1)
    if row["ms_flow"] > 0:
        axes.plot([row["ms_network"], x], [y, y], color=VERMILION, lw=1, ls=":", zorder=1)
        axes.plot(row["ms_network"], y, ls="", ms=6, **LOOKS[2])
    axes.plot(x, y, ls="", ms=6, **look)


def _scales(axes: Axes, points: pd.DataFrame, wider: float) -> None:
    """Set scales that end at the points, with room for names on the left."""
    first, last = points["ms_network"].min(), 1.15 * points["ms_total"].max()
    axes.set_xscale("log")
    axes.set_xlim(last / 10 ** (math.log10(last / first) * wider), last)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ends = points[["low", "top1", "high"]].to_numpy(float)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = 0.08 * max(high - low, 5)
    axes.set_ylim(max(low - margin, -2), min(high + margin, 102))
    axes.set(xlabel="Milliseconds per clip (log scale)", ylabel="Top-1 (%)")
    faint_grid(axes, "both")


def _names(axes: Axes, points: pd.DataFrame, needs: bool) -> None:
    """Draw a column of names with a line to each point: left of all marks, or right of the axes."""
    x = axes.get_xlim()[1] * 1.06 if needs else points["ms_network"].min() / 1.12
    rows = points[(points["ms_flow"] > 0) == needs]
    marks = np.concatenate([_inches(axes, points[ms], points["top1"]) for ms in TIMES])
    own = _inches(axes, rows["ms_total"], rows["top1"])
    (start, low), (_, high) = _inches(axes, (x, x), axes.get_ylim())
    heights = leaders(own, marks, start, (low + LINE / 2, high - LINE / 2), LINE)
    for row, height in zip(rows.to_dict("records"), heights, strict=True):
        axes.annotate(
            literal(row["name"]),
            (row["ms_total"], row["top1"]),
            xytext=(x, height),
            textcoords=("data", axes.figure.dpi_scale_trans),
            ha="left" if needs else "right",
            va="center",
            fontsize=8,
            bbox={"fc": "white", "ec": "none", "pad": 0.4},
            arrowprops={**LEADER, "color": LOOKS[needs]["color"], "relpos": (int(not needs), 0.5)},
            annotation_clip=False,
        )


def _inches(axes: Axes, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the places of points, (N, 2), in inches from the figure's lower left corner."""
    return axes.transData.transform(np.stack([x, y], axis=1)) / axes.figure.dpi
