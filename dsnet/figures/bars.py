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

from dsnet.figures import style
from dsnet.figures.style import STYLE, faint_grid, literal, panels_of, wrapped

# The two blocks of the table.
BLOCKS = (
    {"RGB": style.SKY, "Flow": style.ORANGE, "RGB+Flow": style.PURPLE},
    {
        "Mimic": style.BLUE,
        "Mimic+RGB": style.GREEN,
        "Mimic+Flow": style.VERMILION,
        "Mimic+RGB+Flow": style.GREY,
    },
)
PAPER_MARKER: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "white", "mec": "black", "ms": 4.5}


@matplotlib.rc_context(STYLE)
def table1_bars(table: pd.DataFrame) -> Figure:
    """Draw the measured rows of :func:`dsnet.tables.table1`, a panel per data set and split.

    Error bars are standard deviations over seeds, diamonds the paper's numbers. Raises ValueError
    without rows.
    """
    measured = table[table["source"] == "measured"]
    if measured.empty:
        raise ValueError("Table 1 has no measured rows to draw")
    methods = list(dict.fromkeys(measured["method"]))
    panels = list(measured.groupby(["dataset", "split"], sort=False))
    size = (2.4 + 4.2 * len(panels), 0.72 * len(methods) + 1.5)
    figure, axes = panels_of(len(panels), size)
    for ax, ((dataset, split), rows) in zip(axes, panels, strict=True):
        _bars(ax, rows, methods)
        ax.set_title(literal(f"{dataset}, split {split}"))
    axes[0].set_yticks(range(len(methods)), [wrapped(method, 32) for method in methods])
    axes[0].set_ylim(len(methods) - 0.45, -0.55)
    upper, lower = (
        [Line2D([], [], color=c, lw=6, label=name) for name, c in block.items()] for block in BLOCKS
    )
    if measured["paper_top1"].notna().any():
        upper.append(Line2D([], [], label="paper", **PAPER_MARKER))
    # Legends are filled by columns: each column has one handle of each block.
    handles = [h for pair in zip_longest(upper, lower) for h in pair if h is not None]
    figure.legend(handles=handles, loc="outside lower center", ncols=max(len(upper), len(lower)))
    return figure


def _bars(ax: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    """Draw thin bars per method, with their numbers in a column on the right."""
    for row in rows.to_dict("records"):
        column, top1, spread, paper = (row[k] for k in ("column", "top1", "top1_std", "paper_top1"))
        block = next(block for block in BLOCKS if column in block)
        step = 0.84 / len(block)
        place = list(block).index(column) - (len(block) - 1) / 2
        y = methods.index(row["method"]) + step * place
        ax.barh(y, top1, height=0.93 * step, color=block[column])
        if math.isfinite(spread):
            ax.errorbar(top1, y, xerr=spread, color="0.2", lw=1, capsize=1.5)
        if math.isfinite(paper):
            ax.plot(paper, y, zorder=3, **PAPER_MARKER)
        ax.text(114, y, f"{top1:.1f}", ha="right", va="center", fontsize=7)
    ax.set(xlim=(0, 115), xticks=range(0, 101, 20), xlabel="Top-1 (%)")
    faint_grid(ax, "x")
    ax.tick_params(axis="y", length=0)
