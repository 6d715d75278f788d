"""Table 1 as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dsnet.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
    faint_grid,
    literal,
    wrapped,
)

COLUMN_COLOURS = {
    "RGB": SKY,
    "Flow": ORANGE,
    "RGB+Flow": PURPLE,
    "Mimic": BLUE,
    "Mimic+RGB": GREEN,
    "Mimic+Flow": VERMILION,
    "Mimic+RGB+Flow": GREY,
}
BLOCK = 3  # columns of the first of the table's two blocks
PAPER_MARKER: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "white", "mec": "black", "ms": 4.5}


@matplotlib.rc_context(STYLE)
def table1_bars(table: pd.DataFrame) -> Figure:
    """The measured rows of Table 1 as bars, a panel per data set and split.

    Error bars are the standard deviation over seeds, diamonds the paper's numbers.

    Args:
        table: what :func:`dsnet.tables.table1` returns.

    Raises:
        ValueError: nothing was measured.
    """
    measured = table[table["source"] == "measured"]
    if measured.empty:
        raise ValueError("Table 1 has no measured rows to draw")
    methods = list(dict.fromkeys(measured["method"]))
    panels = list(measured.groupby(["dataset", "split"], sort=False))
    figure = Figure(
        figsize=(2.4 + 4.2 * len(panels), 0.72 * len(methods) + 1.5), layout="constrained"
    )
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, ((dataset, split), rows) in zip(axes, panels, strict=True):
        _bars(ax, rows, methods)
        ax.set_title(literal(f"{dataset}, split {split}"))
    axes[0].set_yticks(range(len(methods)), [wrapped(method, 32) for method in methods])
    axes[0].set_ylim(len(methods) - 0.45, -0.55)
    _bar_legend(figure, measured)
    return figure


def _bar_legend(figure: Figure, measured: pd.DataFrame) -> None:
    """The columns in two lines, one per block of the table, then the paper's marker."""
    handles = [Line2D([], [], color=c, lw=6, label=name) for name, c in COLUMN_COLOURS.items()]
    upper, lower = handles[:BLOCK], handles[BLOCK:]
    if measured["paper_top1"].notna().any():
        upper.append(Line2D([], [], label="paper", **PAPER_MARKER))
    # A legend is filled by columns.
    pairs = [h for pair in zip_longest(upper, lower) for h in pair if h is not None]
    figure.legend(handles=pairs, loc="outside lower center", ncols=max(len(upper), len(lower)))


def _bars(ax: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    """Thin bars per method, their numbers in a column on the right."""
    names = list(COLUMN_COLOURS)
    for row in rows.to_dict("records"):
        column, top1, spread, paper = (row[k] for k in ("column", "top1", "top1_std", "paper_top1"))
        first = names.index(column) < BLOCK
        block = names[:BLOCK] if first else names[BLOCK:]
        step = 0.84 / len(block)
        y = methods.index(row["method"]) + step * (block.index(column) - (len(block) - 1) / 2)
        ax.barh(y, top1, height=0.93 * step, color=COLUMN_COLOURS[column])
        if math.isfinite(spread):
            ax.errorbar(top1, y, xerr=spread, color="0.2", lw=1, capsize=1.5)
        if math.isfinite(paper):
            ax.plot(paper, y, zorder=3, **PAPER_MARKER)
        ax.text(114, y, f"{top1:.1f}", ha="right", va="center", fontsize=7)
    ax.set_xlim(0, 115)
    ax.set_xticks(range(0, 101, 20))
    faint_grid(ax, "x")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Top-1 (%)")
