"""Points with their intervals: the answers to claims, and the results of a study."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dsnet.figures.style import BLUE, STYLE, VERMILION, faint_grid, panels_of, wrapped
from dsnet.tables.text import signed

RESULT: dict[str, Any] = {"color": BLUE, "marker": "o", "ms": 4.5}
ANSWERS: dict[str, dict[str, Any]] = {
    "supported": RESULT,
    "undecided": {**RESULT, "color": "0.45", "marker": "D"},
    "not supported": {**RESULT, "color": VERMILION, "marker": "s"},
    "one training each: no answer": {**RESULT, "color": "0.45", "fillstyle": "none"},
}
NAME_WIDTH = 52


class Line(NamedTuple):
    """A name and, unless it is a heading, a value with its interval (NaN for none).

    ``within`` is the largest distance from zero in a claim; NaN if the claim has none.
    """

    name: str
    text: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    within: float = math.nan
    look: dict[str, Any] = RESULT


@matplotlib.rc_context(STYLE)
def intervals(table: pd.DataFrame) -> Figure:
    """Draw a line per row with its value and 95 % interval, a panel per data set and clip length.

    A grey band is the range of a claim of a small difference. One seed has no intervals. ``table``
    is from :func:`dsnet.tables.claims`, with differences around zero coloured by answer, or from
    :func:`dsnet.tables.study`, with accuracies in groups. Raises ValueError if it is empty.
    """
    if table.empty:
        raise ValueError("there are no intervals to draw")
    claims = "claim" in table
    panels = list(table.groupby(["dataset", "clip_length"], sort=False))
    lines = [_claims(rows) if claims else _study(rows) for _, rows in panels]
    height = sum(0.2 * (1 + line.name.count("\n")) + 0.06 for line in lines[0]) + 1.1
    figure, axes = panels_of(len(panels), (3.4 + 3.6 * len(panels), height))
    for ax, ((dataset, length), rows), of_panel in zip(axes, panels, lines, strict=True):
        for y, line in enumerate(of_panel):
            if line.text:
                _point(ax, y, line)
        if claims:
            ax.axvline(0, color="0.3", lw=0.8)
        ax.set_ylim(len(of_panel) - 0.4, -0.6)
        ax.margins(x=0.16)  # room for the numbers
        faint_grid(ax, "x")
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("Difference in top-1 (percentage points)" if claims else "Top-1 (%)")
        videos, seeds = rows.iloc[0][["n_videos", "seeds"]]
        size = f"{videos} test videos, {seeds} seed{'s' if seeds > 1 else ''}"
        ax.set_title(wrapped(f"{dataset}, {length} frames, {size}", 60))
    axes[0].set_yticks(range(len(lines[0])), [line.name for line in lines[0]])
    for label, line in zip(axes[0].get_yticklabels(), lines[0], strict=True):
        label.set_fontsize(7.5)
        label.set_fontweight("normal" if line.text else "bold")
    if claims:
        handles = [Line2D([], [], label=answer, **look) for answer, look in ANSWERS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _claims(rows: pd.DataFrame) -> list[Line]:
    """Return a line per claim, with what is compared."""
    lines = []
    for row in rows.to_dict("records"):
        pair = wrapped(f"{row['method']} minus {row['against']}", NAME_WIDTH + 10)
        name, value = f"{wrapped(row['claim'], NAME_WIDTH)}\n{pair}", row["difference"]
        interval = row["low"], row["high"], row["within"]
        lines.append(Line(name, signed(value), value, *interval, ANSWERS[row["answer"]]))
    return lines


def _study(rows: pd.DataFrame) -> list[Line]:
    """Return a line per result, and a heading for each group."""
    lines = []
    for heading, results in groupby(rows.to_dict("records"), lambda row: row["group"]):
        lines.append(Line(wrapped(heading, NAME_WIDTH)))
        for row in results:
            value, name = row["top1"], wrapped(row["method"], NAME_WIDTH)
            lines.append(Line(name, f"{value:.1f}", value, row["low"], row["high"]))
    return lines


def _point(ax: Axes, y: int, line: Line) -> None:
    if not math.isnan(line.within):
        ax.barh(y, 2 * line.within, left=-line.within, height=0.6, color="0.9", zorder=0)
    alone = math.isnan(line.high)
    if not alone:
        span = [line.low, line.high]
        ax.plot(span, [y, y], color=line.look["color"], lw=1.6, solid_capstyle="butt")
    ax.plot(line.value, y, ls="", **line.look)
    ax.annotate(
        line.text,
        (line.value if alone else line.high, y),
        xytext=(6 if alone else 3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
    )
