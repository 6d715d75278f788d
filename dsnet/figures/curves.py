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

from dsnet.figures import style
from dsnet.figures.style import STYLE, faint_grid, grid, place, spread, wrapped

COLOURS = (
    *(style.BLUE, style.ORANGE, style.GREEN, style.VERMILION),
    *(style.PURPLE, style.SKY, style.GREY, "black"),
)
DASHES = ("-", "--", "-.", ":")  # ever more broken
Look = Mapping[str, Any]
TRAINING: Look = {"color": style.VERMILION, "ls": "--"}
VALIDATION: Look = {"color": style.BLUE, "ls": "-"}
# For the distillation terms, in colours that differ from the two above.
TERMS = (
    {"color": style.GREEN, "ls": "-"},
    {"color": style.PURPLE, "ls": "-."},
    {"color": style.ORANGE, "ls": ":"},
    {"color": "black", "ls": "--"},
)
LABELS = ("Top-1 (%)", "Cross-entropy", "Distillation terms")
NAMES = {name: name.upper() for name in ("mse", "mae", "dist", "dkd", "pkd", "at", "srd", "cka")}
NAMES |= {"gram": "Gram"}
Histories = Mapping[tuple[str, int], pd.DataFrame]


@matplotlib.rc_context(STYLE)
def training_curves(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Draw top-1, cross-entropy and distillation terms of every stream against the epoch.

    ``histories`` has ``history.csv`` by stream and seed. The panels of a stream are below one
    another, and every seed is a line. Top-1 and cross-entropy are of training and of the part that
    selects the epoch. Distillation terms, if any, are of training, as weighted in the loss. Only
    top-1 axes share their range. A stream without epochs is left out.
    """
    of = _by_stream(histories)
    if not of:
        return _nothing()
    terms = dict.fromkeys(term for found in of.values() for h in found for term in _terms(h))
    looks = dict(zip(terms, itertools.cycle(TERMS), strict=False))
    rows, columns = grid(len(of))
    panels = 3 if terms else 2
    size = (max(2.6 * columns, 4), 1.7 * panels * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows * panels, columns, squeeze=False)
    blocks = axes.reshape(rows, panels, columns).swapaxes(1, 2).reshape(-1, panels)
    for index, own in enumerate(blocks):
        if index >= len(of):
            for each in own:
                each.remove()
            continue
        stream, found = list(of.items())[index]
        used = _panels(list(own), found, looks)
        own[0].set_title(wrapped(titles.get(stream, stream), 30))
        for each, label in zip(used, LABELS, strict=False):
            if index % columns == 0 or label == LABELS[2]:
                each.set_ylabel(label)
    figure.align_ylabels()
    legend = {"training": TRAINING, "validation": VALIDATION}
    legend |= {f"{NAMES.get(term, term)} (training)": look for term, look in looks.items()}
    figure.legend(
        handles=[Line2D([], [], label=name, **look) for name, look in legend.items()],
        loc="outside lower center",
        ncols=3 if size[0] > 5 else 2,
    )
    return figure


def _by_stream(histories: Histories) -> dict[str, list[pd.DataFrame]]:
    """Return the histories of every stream; a stream without epochs took weights as they are."""
    found: dict[str, list[pd.DataFrame]] = {}
    for (stream, _), history in histories.items():
        if len(history):
            found.setdefault(stream, []).append(history)
    return found


def _nothing() -> Figure:
    """Make a figure for the case that every stream took weights as they are."""
    figure = Figure(figsize=(4, 1))
    figure.text(0.5, 0.5, "Nothing was trained here", ha="center", va="center")
    return figure


def _terms(history: pd.DataFrame) -> list[str]:
    """Return the names of the distillation terms of a history."""
    names = [str(name).removeprefix("loss_") for name in history if str(name).startswith("loss_")]
    return [name for name in names if name != "ce"]


def _panels(
    axes: list[Axes], histories: Sequence[pd.DataFrame], looks: Mapping[str, Look]
) -> list[Axes]:
    """Draw one stream; remove the third axes if there are no terms, and return the others."""

    def line(ax: Axes, history: pd.DataFrame, column: str, look: Look) -> None:
        epochs = history["epoch"]  # a single epoch is drawn as a point
        ax.plot(epochs, history[column], lw=1.2, marker=".", markevery=[-1], **look)

    for history in histories:
        for ax, train, validation in zip(
            axes, ("train_top1", "loss_ce"), ("val_top1", "val_loss"), strict=False
        ):
            line(ax, history, validation, VALIDATION)
            line(ax, history, train, TRAINING)  # dashes, with the other line between them
        for term in _terms(history):
            line(axes[2], history, f"loss_{term}", looks[term])
    axes[0].set_ylim(0, 102)
    used = [ax for ax in axes if ax.lines]
    for unused in axes[len(used) :]:
        unused.remove()
    for number, ax in enumerate(used[1:]):
        values = pd.concat([pd.Series(line.get_ydata()) for line in ax.lines])
        if number and values.min() > 0 and values.max() > 10 * values.min():
            ax.set_yscale("log")  # terms may be decades apart
        else:
            ax.margins(y=0.08)
            ax.set_ylim(bottom=0)
    for ax in used:
        ax.grid(axis="y", color="0.9", lw=0.6)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        ax.tick_params(labelbottom=ax is used[-1])
    used[-1].set_xlabel("Epoch")
    return used


@matplotlib.rc_context(STYLE)
def curves_together(histories: Histories, titles: Mapping[str, str]) -> Figure:
    """Draw top-1 of every stream on the part that selects the epoch, against the epoch.

    ``histories`` has ``history.csv`` by stream and seed. For several seeds, the mean is a line and
    the range a band. Lines differ in colour and dashes. Their names are on the right, as near as
    possible to their ends. A stream without epochs is left out.
    """
    of = _by_stream(histories)
    if not of:
        return _nothing()
    names = [wrapped(titles.get(stream, stream), 42) for stream in of]
    lines = max(name.count("\n") + 1 for name in names)
    height = max(4.0, 0.17 * lines * len(of) + 1.0)
    figure = Figure(figsize=(8.4, height))
    axes = place(figure, 0.65, 0.2, 4.4, height - 0.75)
    looks = [_look(i) for i in range(len(of))]
    ends = [_mean_and_range(axes, *pair) for pair in zip(of.values(), looks, strict=True)]
    axes.set_ylim(0, 102)
    gap = 102 * 0.16 * lines / (height - 0.75)
    places = spread(ends, gap)
    shift = max(0.0, 0.5 * gap - min(places))  # no name below the axis, at the epochs
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    for name, y, look in zip(names, (p + shift for p in places), looks, strict=True):
        axes.plot([1.03, 1.11], [y, y], lw=1.6, transform=beside, clip_on=False, **look)
        axes.text(1.13, y, name, va="center", fontsize=8, transform=beside)
    axes.set(xlabel="Epoch", ylabel="Top-1 on the part that selects the epoch (%)")
    faint_grid(axes, "y")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    return figure


def _look(number: int) -> Look:
    """Return colour and dashes, which differ for 32 lines; dashes lie above what is less broken."""
    dash = (number + number // len(COLOURS)) % len(DASHES)
    return {"color": COLOURS[number % len(COLOURS)], "ls": DASHES[dash], "zorder": 2 + dash / 10}


def _mean_and_range(axes: Axes, histories: Sequence[pd.DataFrame], look: Look) -> float:
    """Draw one stream's line and, for several seeds, band; return the height of the line's end."""
    together = pd.concat([h.set_index("epoch")["val_top1"] for h in histories], axis=1)
    mean = together.mean(axis=1)
    axes.plot(mean.index, mean, lw=1.6, marker=".", markevery=[-1], **look)
    if len(histories) > 1:
        low, high = together.min(axis=1), together.max(axis=1)
        axes.fill_between(mean.index, low, high, color=look["color"], alpha=0.12, lw=0)
    return mean.iloc[-1]
