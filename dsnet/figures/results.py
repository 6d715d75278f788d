"""Figures of results: confusion matrices, differences and Table 1 as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
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
    grid,
    wrapped,
)
from dsnet.scores import Scores, accuracies, confusion, per_class

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
PAPER_MARKER: dict[str, Any] = {
    **{"marker": "D", "ls": "", "mfc": "white", "mec": "black", "ms": 4.5},
}
MAX_NAMES = 20  # classes whose names fit beside a confusion matrix


@matplotlib.rc_context(STYLE)
def confusion_matrices(scores: Sequence[Scores], titles: Mapping[str, str]) -> Figure:
    """One matrix per stream: the share of each class's test videos taken for each class.

    Class names are shown for at most 20 classes. A class without videos has an empty row.

    Args:
        scores: one per stream, all of the same classes.
        titles: the streams' titles.
    """
    classes = scores[0].classes
    named = len(classes) <= MAX_NAMES
    rows, columns = grid(len(scores))
    side = max(2.3, 0.19 * len(classes)) if named else 2.6
    margin = 0.075 * max(map(len, classes)) if named else 0.2
    size = (columns * (side + 0.15) + margin + 1.1, rows * (side + 0.75) + margin + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    scale = PowerNorm(0.5, 0, 1)  # with many classes single errors would be too faint to see
    for ax in axes.flat[len(scores) :]:
        ax.set_axis_off()
    for ax, item in zip(axes.flat, scores, strict=False):
        part = item.parts["test"]
        counts = confusion(part.videos, part.labels)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = ax.imshow(share, cmap="Blues", norm=scale, interpolation="nearest")
        stream = item.run["stream"]
        top1 = accuracies(part.videos, part.labels)["top1"]
        ax.set_title(f"{wrapped(titles.get(stream, stream), 30)}\n{top1:.1f} %")
        ax.spines[["top", "right"]].set_visible(True)
        if named:
            ax.set_xticks(range(len(classes)), map(_literal, classes), rotation=90)
            ax.set_yticks(range(len(classes)), map(_literal, classes))
        else:
            ax.set_xticks([])
            ax.set_yticks([])
    figure.supxlabel("Predicted class", fontsize=9)
    figure.supylabel("True class", fontsize=9)
    label = "Share of the class's videos (square-root scale)"
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.04 / columns, label=label)
    return figure


def _literal(name: str) -> str:
    """A class name whose dollar signs do not begin a formula."""
    return name.replace("$", r"\$")


@matplotlib.rc_context(STYLE)
def per_class_difference(
    a: Sequence[Scores], b: Sequence[Scores], titles: tuple[str, str]
) -> Figure:
    """Top-1 of ``a`` minus that of ``b`` for each class, averaged over seeds, sorted.

    Classes without test videos are left out. The figure grows with the number of classes.

    Args:
        a: scores of the first stream, one per seed.
        b: scores of the second stream, one per seed.
        titles: their titles.

    Raises:
        ValueError: the streams have different classes.
    """
    if a[0].classes != b[0].classes:
        raise ValueError(f"{titles[0]} and {titles[1]} have different classes")
    difference = _mean_per_class(a) - _mean_per_class(b)
    kept = [i for i in np.argsort(difference, kind="stable") if np.isfinite(difference[i])]
    values = difference[kept]
    height = max(2.2, 0.17 * len(kept) + 1.1)
    figure = Figure(figsize=(6.5, height), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(kept)), values, color=[BLUE if v > 0 else VERMILION for v in values])
    axes.set_yticks(range(len(kept)), [_literal(a[0].classes[i]) for i in kept])
    axes.set_ylim(-0.7, len(kept) - 0.3)
    axes.axvline(0, color="0.3", lw=0.8)
    axes.grid(axis="x", color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labeltop=len(kept) > 40)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Difference in top-1 (percentage points)")
    seeds = f", mean over {len(a)} seeds" if len(a) > 1 else ""
    axes.set_title(wrapped(f"{titles[0]} minus {titles[1]}{seeds}", 75))
    return figure


def _mean_per_class(scores: Sequence[Scores]) -> np.ndarray:
    """(K,) float: top-1 per class in per cent, the mean over seeds; NaN without videos."""
    parts = [item.parts["test"] for item in scores]
    return np.array([per_class(p.videos, p.labels) for p in parts], float).mean(axis=0)


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
        ax.set_title(_literal(f"{dataset}, split {split}"))
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
    ax.grid(axis="x", color="0.9", lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Top-1 (%)")
