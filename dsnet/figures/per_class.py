"""Figures of classes: what each is taken for, and in which of them two streams differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dsnet.figures.style import BLUE, STYLE, VERMILION, faint_grid, grid, literal, wrapped
from dsnet.scores import Part, Scores, accuracies, confusion, per_class

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
        stream = item.run["stream"]
        image = _matrix(ax, item.parts["test"], titles.get(stream, stream), scale)
        if named:
            ax.set_xticks(range(len(classes)), map(literal, classes), rotation=90)
            ax.set_yticks(range(len(classes)), map(literal, classes))
        else:
            ax.set_xticks([])
            ax.set_yticks([])
    figure.supxlabel("Predicted class", fontsize=9)
    figure.supylabel("True class", fontsize=9)
    label = "Share of the class's videos (square-root scale)"
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.04 / columns, label=label)
    return figure


def _matrix(ax: Axes, part: Part, title: str, scale: PowerNorm) -> AxesImage:
    counts = confusion(part.videos, part.labels)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    top1 = accuracies(part.videos, part.labels)["top1"]
    ax.set_title(f"{wrapped(title, 30)}\n{top1:.1f} %")
    ax.spines[["top", "right"]].set_visible(True)
    return ax.imshow(share, cmap="Blues", norm=scale, interpolation="nearest")


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
    axes.set_yticks(range(len(kept)), [literal(a[0].classes[i]) for i in kept])
    axes.set_ylim(-0.7, len(kept) - 0.3)
    axes.axvline(0, color="0.3", lw=0.8)
    faint_grid(axes, "x")
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
