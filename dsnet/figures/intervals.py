"""Points with their intervals: the answers to claims, and a study's results."""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import FillStyleType

from dsnet.figures.style import BLUE, STYLE, VERMILION, faint_grid, wrapped

Look = tuple[str, str, FillStyleType]  # colour, marker and how it is filled
ANSWERS: dict[str, Look] = {
    "supported": (BLUE, "o", "full"),
    "undecided": ("0.45", "D", "full"),
    "not supported": (VERMILION, "s", "full"),
    "one training each: no answer": ("0.45", "o", "none"),
}
NAME_WIDTH = 52


@dataclass(frozen=True)
class Point:
    """A value, its interval (NaN for none) and what is written beside it.

    ``within`` is how far from zero a claim lets it be; NaN for no such claim.
    """

    value: float
    low: float
    high: float
    text: str
    within: float = math.nan
    look: Look = (BLUE, "o", "full")


Lines = list[tuple[str, Point | None]]  # a name and its point, or a heading and nothing


@matplotlib.rc_context(STYLE)
def intervals(table: pd.DataFrame) -> Figure:
    """A line per row with its value and 95 % interval, a panel per data set and clip length.

    A grey band is what a claim of a small difference allows. One seed has no intervals.

    Args:
        table: what :func:`dsnet.tables.claims` returns, drawn as differences around zero and
            coloured by answer, or :func:`dsnet.tables.study`, drawn as accuracies in groups.

    Raises:
        ValueError: the table is empty.
    """
    if table.empty:
        raise ValueError("there are no intervals to draw")
    claims = "claim" in table
    panels = list(table.groupby(["dataset", "clip_length"], sort=False))
    lines = [_claims(rows) if claims else _study(rows) for _, rows in panels]
    height = sum(0.2 * (1 + name.count("\n")) + 0.06 for name, _ in lines[0]) + 1.1
    figure = Figure(figsize=(3.4 + 3.6 * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, ((dataset, length), rows), of_panel in zip(axes, panels, lines, strict=True):
        _points(ax, of_panel)
        if claims:
            ax.axvline(0, color="0.3", lw=0.8)
        _scales(ax, len(of_panel))
        ax.set_xlabel("Difference in top-1 (percentage points)" if claims else "Top-1 (%)")
        ax.set_title(wrapped(f"{dataset}, {length} frames, {_size(rows)}", 60))
    _names(axes[0], lines[0])
    if claims:
        _legend(figure)
    return figure


def _claims(rows: pd.DataFrame) -> Lines:
    """A line per claim, which says what is compared."""
    lines: Lines = []
    for row in rows.to_dict("records"):
        pair = wrapped(f"{row['method']} minus {row['against']}", NAME_WIDTH + 10)
        value, look = row["difference"], ANSWERS[row["answer"]]
        point = Point(value, row["low"], row["high"], f"{value:+.1f}", row["within"], look)
        lines.append((f"{wrapped(row['claim'], NAME_WIDTH)}\n{pair}", point))
    return lines


def _study(rows: pd.DataFrame) -> Lines:
    """A line per result, and one above each group."""
    lines: Lines = []
    heading = None
    for row in rows.to_dict("records"):
        if row["group"] != heading:
            heading = row["group"]
            lines.append((wrapped(heading, NAME_WIDTH), None))
        point = Point(row["top1"], row["low"], row["high"], f"{row['top1']:.1f}")
        lines.append((wrapped(row["method"], NAME_WIDTH), point))
    return lines


def _size(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    seeds = f"{first['seeds']} seed{'s' if first['seeds'] > 1 else ''}"
    return f"{first['n_videos']} test videos, {seeds}"


def _points(ax: Axes, lines: Lines) -> None:
    for y, (_, point) in enumerate(lines):
        if point is None:
            continue
        colour, marker, fill = point.look
        if not math.isnan(point.within):
            ax.barh(y, 2 * point.within, left=-point.within, height=0.6, color="0.9", zorder=0)
        if not math.isnan(point.low):
            span = [point.low, point.high]
            ax.plot(span, [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        ax.plot(point.value, y, color=colour, marker=marker, fillstyle=fill, ms=4.5, ls="")
        ax.annotate(
            point.text,
            (point.value if math.isnan(point.high) else point.high, y),
            xytext=(6 if math.isnan(point.high) else 3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )


def _scales(ax: Axes, count: int) -> None:
    ax.set_ylim(count - 0.4, -0.6)
    ax.margins(x=0.16)  # room for the numbers
    faint_grid(ax, "x")
    ax.tick_params(axis="y", length=0)


def _names(ax: Axes, lines: Lines) -> None:
    ax.set_yticks(range(len(lines)), [name for name, _ in lines])
    for label, (_, point) in zip(ax.get_yticklabels(), lines, strict=True):
        label.set_fontsize(7.5)
        if point is None:
            label.set_fontweight("bold")


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, fillstyle=fill, ms=4.5, label=answer)
        for answer, (colour, marker, fill) in ANSWERS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
