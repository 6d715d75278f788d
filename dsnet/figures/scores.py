"""Figures of scores: confusion matrices, and the classes in which two streams differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from dsnet import csvs
from dsnet.figures.curves import curves_together, training_curves
from dsnet.figures.style import (
    BLUE,
    STYLE,
    VERMILION,
    faint_grid,
    grid,
    literal,
    save,
    wrapped,
)
from dsnet.scores import Scores, accuracies, confusion, per_class, read_scores

MAX_NAMES = 20  # most classes with names beside a confusion matrix


def draw_run(
    scores: Sequence[Path],
    histories: Sequence[Path],
    streams: Mapping[str, Mapping[str, Any]],
    compare: Sequence[str],
    png: Sequence[Path],
    svg: Sequence[Path],
) -> None:
    """Draw training curves, confusion matrices and the per-class difference of two streams.

    Args:
        scores: ``scores.h5`` of all streams and seeds of one data set, split and clip length.
        histories: ``history.csv`` of the same, in the same order.
        streams: the config's streams.
        compare: two streams; the figure shows the first minus the second.
        png, svg: the files to write: curves of each stream and of all, confusion, difference.

    Raises:
        RemakeError: one of ``scores`` is damaged.
        ValueError: the two streams have different classes.
    """
    loaded = [read_scores(path) for path in scores]
    titles = {name: stream["title"] for name, stream in streams.items()}
    keys = [(s.run["stream"], s.run["seed"]) for s in loaded]
    curves = {key: csvs.read(path) for key, path in zip(keys, histories, strict=True)}
    a, b = ([s for s in loaded if s.run["stream"] == name] for name in compare)
    figures = (
        training_curves(curves, titles),
        curves_together(curves, titles),
        confusion_matrices([s for s in loaded if s.run["seed"] == loaded[0].run["seed"]], titles),
        per_class_difference(a, b, (titles[compare[0]], titles[compare[1]])),
    )
    for figure, *paths in zip(figures, png, svg, strict=True):
        save(figure, *paths)


@matplotlib.rc_context(STYLE)
def confusion_matrices(scores: Sequence[Scores], titles: Mapping[str, str]) -> Figure:
    """Draw a matrix per stream: the share of each class's test videos taken for each class.

    ``scores`` has one item per stream, all of the same classes. Class names are shown for at most
    20 classes. A class without videos has an empty row.
    """
    classes = scores[0].classes
    named = len(classes) <= MAX_NAMES
    rows, columns = grid(len(scores))
    side = max(2.3, 0.19 * len(classes)) if named else 2.6
    margin = 0.075 * max(map(len, classes)) if named else 0.2
    size = (columns * (side + 0.15) + margin + 1.1, rows * (side + 0.75) + margin + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    scale = PowerNorm(0.5, 0, 1)  # with many classes, single errors would be too faint
    places = range(len(classes)) if named else []
    names = [literal(name) for name in classes] if named else []
    for ax in axes.flat[len(scores) :]:
        ax.set_axis_off()
    for ax, item in zip(axes.flat, scores, strict=False):
        part, stream = item.parts["test"], item.run["stream"]
        counts = confusion(part.videos, part.labels)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = ax.imshow(share, cmap="Blues", norm=scale, interpolation="nearest")
        top1 = accuracies(part.videos, part.labels)["top1"]
        ax.set_title(f"{wrapped(titles.get(stream, stream), 30)}\n{top1:.1f} %")
        ax.spines[["top", "right"]].set_visible(True)
        ax.set_xticks(places, names, rotation=90)
        ax.set_yticks(places, names)
    figure.supxlabel("Predicted class", fontsize=9)
    figure.supylabel("True class", fontsize=9)
    label = "Share of the class's videos (square-root scale)"
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.04 / columns, label=label)
    return figure


@matplotlib.rc_context(STYLE)
def per_class_difference(
    a: Sequence[Scores], b: Sequence[Scores], titles: tuple[str, str]
) -> Figure:
    """Draw top-1 of ``a`` minus ``b`` for each class, the mean over seeds, sorted.

    Both have one item per seed. Classes without test videos are left out. The figure grows with the
    number of classes. Raises ValueError if the streams have different classes.
    """
    if a[0].classes != b[0].classes:
        raise ValueError(f"{titles[0]} and {titles[1]} have different classes")
    first, second = (
        [per_class(s.parts["test"].videos, s.parts["test"].labels) for s in each] for each in (a, b)
    )
    difference = np.array(first, float).mean(axis=0) - np.array(second, float).mean(axis=0)
    kept = [i for i in np.argsort(difference, kind="stable") if np.isfinite(difference[i])]
    values = difference[kept]
    figure = Figure(figsize=(6.5, max(2.2, 0.17 * len(kept) + 1.1)), layout="constrained")
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
