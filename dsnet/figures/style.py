"""Shared parts of figures: fonts, colours for the colour-blind, layout, saving."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from dsnet.provenance import replacing

# Okabe and Ito, "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
GREY = "#7F7F7F"  # instead of their black, on which error bars would not show

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so figures are the same on every machine
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
# Of an SVG, for a reader who has the browser dark: paper, ink and grid change, colours stay.
DARK = """
@media (prefers-color-scheme: dark) {
  g[id^="text"] { fill: #e6e9ed; }
  g[id^="patch"] > path[style^="fill: #ffffff"] { fill: #14171b !important; }
  g[id^="line"] use[style^="fill: #ffffff"] { fill: #14171b !important; }
  [style*="stroke: #000000"], [style*="stroke: #262626"], [style*="stroke: #333333"],
  [style*="stroke: #4c4c4c"] { stroke: #e6e9ed !important; }
  [style*="fill: #000000"] { fill: #e6e9ed !important; }
  [style*="stroke: #e6e6e6"] { stroke: #3a424c !important; }
  path[style^="fill: #e6e6e6"] { fill: #3a424c !important; }
}
"""
ON_COLOUR = "on-colour"  # how the id of a text begins that is not on paper


def grid(panels: int, most: int = 4) -> tuple[int, int]:
    """Choose rows and columns for panels: at most ``most`` columns, and few empty places."""
    rows = math.ceil(panels / most)
    return rows, math.ceil(panels / rows)


def panels_of(count: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure of ``size`` in inches with ``count`` panels side by side and one y axis."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False, sharey=True)[0]


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes at inches from the left and upper edge of a figure."""
    across, down = figure.get_size_inches()
    return figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Place labels near their ``wanted`` places, at least ``gap`` apart, in the same order.

    The result is the nearest one in the least squares.
    """
    if not wanted:
        return []
    order = np.argsort(wanted, kind="stable")
    gaps = gap * np.arange(len(wanted))
    places = np.empty(len(wanted))
    places[order] = isotonic_regression(np.asarray(wanted, float)[order] - gaps).x + gaps
    return places.tolist()


def wrapped(text: str, width: int) -> str:
    """Break ``text`` between words into lines of at most ``width`` characters; see ``literal``."""
    return literal("\n".join(textwrap.wrap(text, width, break_on_hyphens=False)))


def literal(text: str) -> str:
    """Escape dollar signs, which would start a formula."""
    return text.replace("$", r"\$")


def faint_grid(axes: Axes, axis: Literal["x", "y", "both"]) -> None:
    """Draw grid lines behind everything else, for one axis or both."""
    axes.grid(axis=axis, color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def save(figure: Figure, png: Path, svg: Path) -> None:
    """Write a figure as PNG (150 dpi) and SVG, when complete; equal figures give equal bytes.

    A browser shows the SVG in its own light or dark mode.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "dsnet", "svg.fonttype": "path"}):
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
        with replacing(svg) as temporary:
            figure.savefig(temporary, format="svg", dpi=150, metadata={"Date": None})
            text = temporary.read_text(encoding="utf-8")
            temporary.write_text(text.replace("</style>", f"{DARK}</style>", 1), encoding="utf-8")
