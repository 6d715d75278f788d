"""What the attention fusion weighs: each stream's share, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dsnet.figures.style import BLUE, ORANGE, SKY, STYLE, literal, wrapped

# A light, a middle and a dark one; the hatches tell them apart without any colour.
ROLES = {"student": (BLUE, ""), "rgb": (SKY, "////"), "flow": (ORANGE, "....")}
LINE = 0.19  # inches per class
Fusion = Mapping[str, Any]


@matplotlib.rc_context(STYLE)
def attention_weights(
    fusions: Sequence[Fusion], streams: Mapping[str, Mapping[str, Any]], rgb: str
) -> Figure:
    """Mean weight of each stream on the test videos of every class, a panel per fusion.

    The mean over seeds; the dashed lines are where all streams would weigh the same. The mean of
    all videos is on top, then the classes by the weight of the last stream, flow, in the first
    panel; those without test videos are left out.

    Args:
        fusions: the fusion files by attention as dictionaries, of one data set, split and clip
            length; those of the same streams are of different seeds.
        streams: the config's streams.
        rgb: the RGB stream of the classic two-stream method, which is no student.

    Raises:
        ValueError: there is none, or they have different classes.
    """
    by_streams: dict[tuple[str, ...], list[Fusion]] = {}
    for fusion in fusions:
        by_streams.setdefault(tuple(fusion["run"]["streams"]), []).append(fusion)
    if len({tuple(fusion["classes"]) for fusion in fusions}) != 1:
        raise ValueError("expected one or more fusions, all of the same classes")
    panels = {names: weights(of_seeds) for names, of_seeds in by_streams.items()}
    roles = {name: _role(name, streams, rgb) for names in panels for name in names}
    order = _order(next(iter(panels.values()))[1])
    classes = [literal(fusions[0]["classes"][i]) for i in order]
    size = (1.6 + 2.1 * len(panels), LINE * (len(order) + 1.6) + 1.35)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (names, (mean, per_class)) in zip(axes, panels.items(), strict=True):
        shares = np.concatenate([mean[None], per_class[order]])
        _panel(ax, shares, [roles[name] for name in names])
        titles = "\n+ ".join(wrapped(streams[name]["title"], 26) for name in names)
        ax.set_title(titles, fontsize=8, loc="left")
    axes[0].set_yticks([-0.6, *range(1, len(order) + 1)], ["all videos", *classes])
    axes[0].get_yticklabels()[0].set_fontweight("bold")
    _legend(figure, roles)
    return figure


def weights(fusions: Sequence[Fusion]) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds of the streams' weights: of all videos, (S,), and of each class, (K, S).

    A class without test videos is NaN.
    """
    found = [fusion["weights"] for fusion in fusions]
    count = len(found[0]["mean"])
    nothing = [float("nan")] * count
    per_class = [[row or nothing for row in of_seed["per_class"]] for of_seed in found]
    return np.mean([of_seed["mean"] for of_seed in found], axis=0), np.mean(per_class, axis=0)


def _role(name: str, streams: Mapping[str, Mapping[str, Any]], rgb: str) -> str:
    if streams[name]["input"] == "flow":
        return "flow"
    return "rgb" if name == rgb else "student"


def _order(per_class: np.ndarray) -> list[int]:
    """The classes that have videos, those first in which the last stream weighs most."""
    last = per_class[:, -1]
    return [i for i in np.argsort(-last, kind="stable") if np.isfinite(last[i])]


def _panel(ax: Axes, shares: np.ndarray, roles: Sequence[str]) -> None:
    """Bars of length one, cut into the streams' shares; the first line stands apart."""
    places = np.array([-0.6, *range(1, len(shares))])
    left = np.zeros(len(shares))
    for role, width in zip(roles, shares.T, strict=True):
        colour, hatch = ROLES[role]
        ax.barh(places, width, 0.8, left=left, color=colour, hatch=hatch, ec="white", lw=0.6)
        left += width
    for cut in range(1, len(roles)):
        ax.axvline(cut / len(roles), color="0.15", lw=0.9, ls="--")
    ax.set_xlim(0, 1)
    ax.set_ylim(len(shares) - 0.4, -1.2)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_xlabel("Mean weight")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _legend(figure: Figure, roles: Mapping[str, str]) -> None:
    names = {"student": "student (Mimic)", "rgb": "RGB", "flow": "flow"}
    shown = [role for role in ROLES if role in roles.values()]
    handles = [
        Patch(fc=ROLES[role][0], hatch=ROLES[role][1], ec="white", label=names[role])
        for role in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=2.5)
