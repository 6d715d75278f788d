"""Weights of the attention fusion: the share of each stream in every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dsnet.figures.style import BLUE, ORANGE, SKY, STYLE, literal, panels_of, wrapped

# A light, a middle and a dark colour; the hatches tell them apart without colour.
ROLES: dict[str, dict[str, Any]] = {
    "student": {"color": BLUE, "hatch": "", "label": "student (Mimic)"},
    "rgb": {"color": SKY, "hatch": "////", "label": "RGB"},
    "flow": {"color": ORANGE, "hatch": "....", "label": "flow"},
}
LINE = 0.19  # inches per class


@matplotlib.rc_context(STYLE)
def attention_weights(
    fusions: Sequence[Mapping[str, Any]], streams: Mapping[str, Mapping[str, Any]], rgb: str
) -> Figure:
    """Draw the mean weight of each stream on the test videos of every class, a panel per fusion.

    It is the mean over seeds. At the dashed lines all streams have the same weight. All videos are
    on top, then the classes, sorted by the weight of the last stream, flow, in the first panel.
    Classes without test videos are left out. Raises ValueError without fusions, or with different
    classes.

    Args:
        fusions: the content of the files of attention fusions, of one data set, split and clip
            length; those of the same streams are of different seeds.
        streams: the config's streams.
        rgb: the RGB stream of the classic two-stream method, which is no student.
    """
    if len({tuple(fusion["classes"]) for fusion in fusions}) != 1:
        raise ValueError("expected one or more fusions, all of the same classes")
    weights: dict[tuple[str, ...], list[np.ndarray]] = {}
    for fusion in fusions:
        weights.setdefault(tuple(fusion["run"]["streams"]), []).append(_weights(fusion["weights"]))
    panels = {names: np.mean(of_seeds, axis=0) for names, of_seeds in weights.items()}
    last = next(iter(panels.values()))[1:, -1]
    order = [i for i in np.argsort(-last, kind="stable") if np.isfinite(last[i])]
    size = (1.6 + 2.1 * len(panels), LINE * (len(order) + 1.6) + 1.35)
    figure, axes = panels_of(len(panels), size)
    drawn = set()
    for ax, (names, shares) in zip(axes, panels.items(), strict=True):
        roles = [_role(name, streams, rgb) for name in names]
        drawn.update(roles)
        _panel(ax, shares[[0, *(i + 1 for i in order)]], roles)
        titles = "\n+ ".join(wrapped(streams[name]["title"], 26) for name in names)
        ax.set_title(titles, fontsize=8, loc="left")
    classes = [literal(fusions[0]["classes"][i]) for i in order]
    axes[0].set_yticks([-0.6, *range(1, len(order) + 1)], ["all videos", *classes])
    axes[0].get_yticklabels()[0].set_fontweight("bold")
    handles = [
        Patch(ec="white", fc=look["color"], hatch=look["hatch"], label=look["label"])
        for role, look in ROLES.items()
        if role in drawn
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=2.5)
    return figure


def _weights(found: Mapping[str, Any]) -> np.ndarray:
    """Return the weights on all videos and on each class, (1 + K, S); NaN without videos."""
    nothing = [float("nan")] * len(found["mean"])
    return np.array([found["mean"], *(row or nothing for row in found["per_class"])])


def _role(name: str, streams: Mapping[str, Mapping[str, Any]], rgb: str) -> str:
    if streams[name]["input"] == "flow":
        return "flow"
    return "rgb" if name == rgb else "student"


def _panel(ax: Axes, shares: np.ndarray, roles: Sequence[str]) -> None:
    """Draw bars of length one, cut into the streams' shares; the first bar has more room."""
    places = np.array([-0.6, *range(1, len(shares))])
    left = np.zeros(len(shares))
    for role, width in zip(roles, shares.T, strict=True):
        look = {key: ROLES[role][key] for key in ("color", "hatch")}
        ax.barh(places, width, 0.8, left=left, ec="white", lw=0.6, **look)
        left += width
    for cut in range(1, len(roles)):
        ax.axvline(cut / len(roles), color="0.15", lw=0.9, ls="--")
    ax.set(xlim=(0, 1), ylim=(len(shares) - 0.4, -1.2), xlabel="Mean weight")
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
