"""Points with their intervals: the answers to claims, and a study's results."""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dsnet.figures.style import BLUE, STYLE, VERMILION, wrapped

ANSWER_COLOURS = {"supported": BLUE, "undecided": "0.45", "not supported": VERMILION}
ANSWER_MARKERS = {"supported": "o", "undecided": "D", "not supported": "s"}
NAME_WIDTH = 52
Lines = list[tuple[str, Any]]  # a name and its row, or a heading and nothing


@matplotlib.rc_context(STYLE)
def intervals(table: pd.DataFrame) -> Figure:
    """A line per row with its value and 95 % interval, a panel per data set and clip length.

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
    lines = _lines(panels[0][1], claims)
    height = sum(0.2 * (1 + name.count("\n")) + 0.06 for name, _ in lines) + 1.1
    figure = Figure(figsize=(3.4 + 3.6 * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, ((dataset, length), rows) in zip(axes, panels, strict=True):
        _panel(ax, _lines(rows, claims), claims)
        ax.set_title(wrapped(f"{dataset}, {length} frames, {_size(rows)}", 60))
    _names(axes[0], lines)
    if claims:
        handles = [
            Line2D([], [], color=colour, marker=ANSWER_MARKERS[answer], ms=4.5, label=answer)
            for answer, colour in ANSWER_COLOURS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _size(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    seeds = f"{first['seeds']} seed{'s' if first['seeds'] > 1 else ''}"
    return f"{first['n_videos']} test videos, {seeds}"


def _lines(rows: pd.DataFrame, claims: bool) -> Lines:
    lines: Lines = []
    heading = None
    for _, row in rows.iterrows():
        if claims:
            pair = wrapped(f"{row['method']} minus {row['against']}", NAME_WIDTH + 10)
            lines.append((f"{wrapped(row['claim'], NAME_WIDTH)}\n{pair}", row))
            continue
        if row["group"] != heading:
            heading = row["group"]
            lines.append((wrapped(heading, NAME_WIDTH), None))
        lines.append((wrapped(row["method"], NAME_WIDTH), row))
    return lines


def _panel(ax: Axes, lines: Lines, claims: bool) -> None:
    for y, (_, row) in enumerate(lines):
        if row is None:
            continue
        value = row["difference" if claims else "top1"]
        colour = ANSWER_COLOURS[row["answer"]] if claims else BLUE
        marker = ANSWER_MARKERS[row["answer"]] if claims else "o"
        ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        ax.plot(value, y, color=colour, marker=marker, ms=4.5, ls="")
        text = f"{value:+.1f}" if claims else f"{value:.1f}"
        ax.annotate(
            text,
            (row["high"], y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    if claims:
        ax.axvline(0, color="0.3", lw=0.8)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.margins(x=0.16)  # room for the numbers
    ax.grid(axis="x", color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Difference in top-1 (percentage points)" if claims else "Top-1 (%)")


def _names(ax: Axes, lines: Lines) -> None:
    ax.set_yticks(range(len(lines)), [name for name, _ in lines])
    for label, (_, row) in zip(ax.get_yticklabels(), lines, strict=True):
        label.set_fontsize(7.5)
        if row is None:
            label.set_fontweight("bold")
