"""What all figures share: fonts, colours that colour-blind readers can tell apart, saving."""

from __future__ import annotations

import os
import textwrap
from typing import Any

import matplotlib
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


def wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` characters, broken between words.

    Dollar signs stay dollar signs and do not begin a formula.
    """
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)).replace("$", r"\$")


def save(figure: Figure, png: str | os.PathLike[str], svg: str | os.PathLike[str]) -> None:
    """Write a figure as PNG (150 dpi) and SVG; equal figures give equal bytes.

    Each file appears under its name only when complete.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "dsnet", "svg.fonttype": "path"}):
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
        with replacing(svg) as temporary:
            figure.savefig(temporary, format="svg", dpi=150, metadata={"Date": None})
