"""Training curves: of every stream by itself, and of all streams on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

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
    grid,
    spread,
    wrapped,
)

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY, "black")
DASHES = ("-", "--", "-.", ":")
LABELS = 3.2  # inches beside the axes
Histories = Mapping[tuple[str, int], pd.DataFrame]


@matplotlib.rc_context(STYLE)
def training_curves(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Top-1 and, below it, loss of training and validation against the epoch.

    Every stream that was trained has two panels, every seed a line. Top-1 axes share their range;
    losses do not, since streams sum different terms.

    Args:
        histories: the table of ``history.csv`` by stream and seed.
        titles: the streams' titles.
    """
    streams = _trained(histories)
    if not streams:
        return _nothing()
    rows, columns = grid(len(streams))
    figure = Figure(figsize=(max(2.6 * columns, 4), 3.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        accuracy, loss = axes[2 * row, column], axes[2 * row + 1, column]
        if index >= len(streams):
            accuracy.remove()
            loss.remove()
            continue
        stream = streams[index]
        _panels(accuracy, loss, [h for (name, _), h in histories.items() if name == stream])
        accuracy.set_title(wrapped(titles.get(stream, stream), 30))
        if column == 0:
            accuracy.set_ylabel("Top-1 (%)")
            loss.set_ylabel("Loss")
    figure.align_ylabels()
    styles = {"training": (VERMILION, "--"), "validation": (BLUE, "-")}
    figure.legend(
        handles=[Line2D([], [], color=c, ls=s, label=name) for name, (c, s) in styles.items()],
        loc="outside lower center",
        ncols=2,
    )
    return figure


def _trained(histories: Histories) -> list[str]:
    """The streams that have epochs; others took weights as they are."""
    return list(dict.fromkeys(stream for (stream, _), history in histories.items() if len(history)))


def _nothing() -> Figure:
    """What stands in place of curves where every stream took weights as they are."""
    figure = Figure(figsize=(4, 1))
    figure.text(0.5, 0.5, "Nothing was trained here", ha="center", va="center")
    return figure


def _panels(accuracy: Axes, loss: Axes, histories: Sequence[pd.DataFrame]) -> None:
    for history in histories:
        for part, colour, style in (("train", VERMILION, "--"), ("val", BLUE, "-")):
            for axes, quantity in ((accuracy, "top1"), (loss, "loss")):
                values = history[f"{part}_{quantity}"]
                (line,) = axes.plot(history["epoch"], values, color=colour, ls=style, lw=1.2)
                line.set(marker=".", markevery=[-1], alpha=0.85)  # one epoch is a point
    accuracy.set_ylim(0, 102)
    accuracy.tick_params(labelbottom=False)
    loss.margins(y=0.08)
    loss.set_ylim(bottom=0)
    loss.set_xlabel("Epoch")
    for axes in (accuracy, loss):
        axes.grid(axis="y", color="0.9", lw=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


@matplotlib.rc_context(STYLE)
def curves_together(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Top-1 of every stream on the part that selects the epoch, against the epoch, on one axis.

    Streams that were not trained are left out. Of several seeds the mean is a line and the range a
    band. Lines differ in colour and dashes, and are named on the right, each as near as can be to
    the height that it ends at.

    Args:
        histories: the table of ``history.csv`` by stream and seed.
        titles: the streams' titles.
    """
    streams = _trained(histories)
    if not streams:
        return _nothing()
    names = [wrapped(titles.get(stream, stream), 42) for stream in streams]
    lines = max(name.count("\n") + 1 for name in names)
    height = max(4.0, 0.17 * lines * len(streams) + 1.0)
    width = 5.2 + LABELS
    figure = Figure(figsize=(width, height))
    size = (4.4, height - 0.75)
    axes = figure.add_axes((0.65 / width, 0.55 / height, size[0] / width, size[1] / height))
    ends = []
    for index, stream in enumerate(streams):
        of_stream = [history for (name, _), history in histories.items() if name == stream]
        ends.append(_mean_and_range(axes, of_stream, _style(index)))
    axes.set_ylim(0, 102)
    gap = 102 * 0.16 * lines / size[1]
    places = _within(spread(ends, gap), gap)
    for index, (name, place) in enumerate(zip(names, places, strict=True)):
        _name(axes, name, place, _style(index))
    axes.set_xlabel("Epoch")
    axes.set_ylabel("Top-1 on the part that selects the epoch (%)")
    faint_grid(axes, "y")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    return figure


def _mean_and_range(
    axes: Axes, histories: Sequence[pd.DataFrame], style: Mapping[str, Any]
) -> float:
    """One stream's line and, of several seeds, band; gives the height at which the line ends."""
    together = pd.concat([h.set_index("epoch")["val_top1"] for h in histories], axis=1)
    mean = together.mean(axis=1)
    axes.plot(mean.index, mean, lw=1.6, marker=".", markevery=[-1], **style)
    if len(histories) > 1:
        low, high = together.min(axis=1), together.max(axis=1)
        axes.fill_between(mean.index, low, high, color=style["color"], alpha=0.12, lw=0)
    return mean.iloc[-1]


def _style(index: int) -> dict[str, Any]:
    """Colour and dashes of a line; 32 differ."""
    dashes = DASHES[(index + index // len(COLOURS)) % len(DASHES)]
    return {"color": COLOURS[index % len(COLOURS)], "ls": dashes}


def _within(places: Sequence[float], gap: float) -> list[float]:
    """The same places moved so that none is below the axis, where the epochs are written."""
    shift = max(0.0, 0.5 * gap - min(places))
    return [place + shift for place in places]


def _name(axes: Axes, name: str, place: float, style: Mapping[str, Any]) -> None:
    """A sample of a line and its name, on the right of the axes."""
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    axes.plot([1.03, 1.11], [place, place], lw=1.6, transform=beside, clip_on=False, **style)
    axes.text(1.13, place, name, va="center", fontsize=8, transform=beside)
