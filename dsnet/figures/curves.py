"""Training curves: of every stream by itself, and of all streams on one axis."""

from __future__ import annotations

import itertools
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
PARTS: dict[str, Mapping[str, Any]] = {
    "train": {"color": VERMILION, "ls": "--"},
    "val": {"color": BLUE, "ls": "-"},
}
# Of the distillation terms, in colours that the parts do not have.
TERMS = tuple({"color": c, "ls": s} for c, s in ((GREEN, "-"), (PURPLE, "-."), (ORANGE, ":")))
LABELLED = ("Top-1 (%)", "Cross-entropy", "Distillation terms")
NAMES = {"mse": "MSE", "mae": "MAE", "gram": "Gram"}
Histories = Mapping[tuple[str, int], pd.DataFrame]


@matplotlib.rc_context(STYLE)
def training_curves(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Top-1, cross-entropy and distillation terms of every stream against the epoch.

    The panels of a stream stand below one another, and every seed is a line. Top-1 and
    cross-entropy are of training and of the part that selects the epoch; the distillation terms,
    as weighted in the loss, are of training, and have a panel only where there are any. Top-1 axes
    share their range; the others do not. A stream without epochs is left out.

    Args:
        histories: the table of ``history.csv`` by stream and seed.
        titles: the streams' titles.
    """
    of: dict[str, list[pd.DataFrame]] = {}
    for (stream, _), history in _trained(histories).items():
        of.setdefault(stream, []).append(history)
    if not of:
        return _nothing()
    streams = list(of)
    terms = list(dict.fromkeys(term for found in of.values() for h in found for term in _terms(h)))
    styles = dict(zip(terms, itertools.cycle(TERMS), strict=False))
    rows, columns = grid(len(streams))
    panels = 3 if terms else 2
    figure = Figure(
        figsize=(max(2.6 * columns, 4), 1.7 * panels * rows + 0.5), layout="constrained"
    )
    axes = figure.subplots(panels * rows, columns, squeeze=False)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        own = list(axes[panels * row : panels * (row + 1), column])
        if index >= len(streams):
            for each in own:
                each.remove()
            continue
        stream = streams[index]
        used = _panels(own, of[stream], styles)
        own[0].set_title(wrapped(titles.get(stream, stream), 30))
        for each, label in zip(used, LABELLED, strict=False):
            if column == 0 or label == LABELLED[2]:
                each.set_ylabel(label)
    figure.align_ylabels()
    _legend(figure, styles)
    return figure


def _trained(histories: Histories) -> Histories:
    """Those of streams that have epochs; others took weights as they are."""
    return {key: history for key, history in histories.items() if len(history)}


def _nothing() -> Figure:
    """What stands in place of curves where every stream took weights as they are."""
    figure = Figure(figsize=(4, 1))
    figure.text(0.5, 0.5, "Nothing was trained here", ha="center", va="center")
    return figure


def _terms(history: pd.DataFrame) -> list[str]:
    """The names of the distillation terms that a history has."""
    losses = [name.removeprefix("loss_") for name in map(str, history) if name.startswith("loss_")]
    return [name for name in losses if name != "ce"]


def _panels(
    axes: Sequence[Axes], histories: Sequence[pd.DataFrame], styles: Mapping[str, Mapping[str, Any]]
) -> Sequence[Axes]:
    """Draw one stream; gives the axes that are used, and removes the last one where it is not."""
    accuracy, entropy = axes[:2]
    for history in histories:
        for part, loss in (("train", "loss_ce"), ("val", "val_loss")):
            _line(accuracy, history, f"{part}_top1", PARTS[part])
            _line(entropy, history, loss, PARTS[part])
        for term in _terms(history):
            _line(axes[2], history, f"loss_{term}", styles[term])
    accuracy.set_ylim(0, 102)
    entropy.margins(y=0.08)
    entropy.set_ylim(bottom=0)
    used = list(axes) if any(_terms(history) for history in histories) else list(axes[:2])
    for unused in axes[len(used) :]:
        unused.remove()
    if len(used) > 2:
        _scale(used[2])
    for each in used:
        each.grid(axis="y", color="0.9", lw=0.6)
        each.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        each.tick_params(labelbottom=each is used[-1])
    used[-1].set_xlabel("Epoch")
    return used


def _line(axes: Axes, history: pd.DataFrame, column: str, style: Mapping[str, Any]) -> None:
    """One seed's line; of a single epoch a point."""
    axes.plot(
        history["epoch"], history[column], lw=1.2, marker=".", markevery=[-1], alpha=0.85, **style
    )


def _scale(axes: Axes) -> None:
    """A logarithmic axis where what is drawn spans more than a decade, otherwise from zero."""
    values = pd.concat([pd.Series(line.get_ydata()) for line in axes.lines])
    if values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
    else:
        axes.margins(y=0.08)
        axes.set_ylim(bottom=0)


def _legend(figure: Figure, styles: Mapping[str, Mapping[str, Any]]) -> None:
    """What the colours and dashes are, below all panels."""
    names = {"training": PARTS["train"], "validation": PARTS["val"]}
    names |= {f"{NAMES.get(term, term)} (training)": style for term, style in styles.items()}
    figure.legend(
        handles=[Line2D([], [], label=name, **style) for name, style in names.items()],
        loc="outside lower center",
        ncols=3 if figure.get_figwidth() > 5 else 2,
    )


@matplotlib.rc_context(STYLE)
def curves_together(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Top-1 of every stream on the part that selects the epoch, against the epoch, on one axis.

    Of several seeds the mean is a line and the range a band. Lines differ in colour and dashes, and
    are named on the right, each as near as can be to the height that it ends at. A stream without
    epochs is left out.

    Args:
        histories: the table of ``history.csv`` by stream and seed.
        titles: the streams' titles.
    """
    histories = _trained(histories)
    if not histories:
        return _nothing()
    streams = list(dict.fromkeys(stream for stream, _ in histories))
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
    shift = max(0.0, 0.5 * gap - min(places, default=0.0))
    return [place + shift for place in places]


def _name(axes: Axes, name: str, place: float, style: Mapping[str, Any]) -> None:
    """A sample of a line and its name, on the right of the axes."""
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    axes.plot([1.03, 1.11], [place, place], lw=1.6, transform=beside, clip_on=False, **style)
    axes.text(1.13, place, name, va="center", fontsize=8, transform=beside)
