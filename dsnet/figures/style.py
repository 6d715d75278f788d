"""What all figures share: fonts, colours that the colour-blind can tell apart, places, saving."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dsnet.provenance import replacing

# Okabe and Ito, "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
GREY = "#7F7F7F"  # for their black, on which error bars would not show

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


def grid(panels: int, most: int = 4) -> tuple[int, int]:
    """Rows and columns for some panels, with at most ``most`` columns and few left empty."""
    rows = math.ceil(panels / most)
    return rows, math.ceil(panels / rows)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places for labels as near to where they are ``wanted`` as ``gap`` between them allows.

    In the least squares, and in the same order: isotonic regression of what is wanted less the
    gaps (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools: list[tuple[float, int]] = []  # mean and size
    for place, i in enumerate(order):
        mean, size = wanted[i] - place * gap, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        pools.append((mean, size))
    level = [mean for mean, size in pools for _ in range(size)]
    found = dict(zip(order, level, strict=True))
    return [found[i] + order.index(i) * gap for i in range(len(wanted))]


def wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` characters, broken between words.

    Dollar signs do not begin a formula, as in :func:`literal`.
    """
    return literal("\n".join(textwrap.wrap(text, width, break_on_hyphens=False)))


def literal(text: str) -> str:
    """``text`` whose dollar signs do not begin a formula."""
    return text.replace("$", r"\$")


def faint_grid(axes: Axes, axis: Literal["x", "y", "both"]) -> None:
    """Lines behind what is drawn, from the ticks of one axis or both."""
    axes.grid(axis=axis, color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def save(figure: Figure, png: str | os.PathLike[str], svg: str | os.PathLike[str]) -> None:
    """Write a figure as PNG (150 dpi) and SVG; equal figures give equal bytes.

    Each file appears under its name only when complete.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "dsnet", "svg.fonttype": "path"}):
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
        with replacing(svg) as temporary:
            figure.savefig(temporary, format="svg", dpi=150, metadata={"Date": None})
