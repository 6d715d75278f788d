"""Effects of distillation: similarity of students and teacher on every level, feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dsnet import csvs
from dsnet.figures.colours import flow_colours, full_speed
from dsnet.figures.style import ON_COLOUR, STYLE, place, save, wrapped
from dsnet.flow.planes import decode
from dsnet.provenance import opened
from dsnet.spacing import middles

TIMES = 3  # per clip
NAME_WIDTH = 26


def draw_features(
    tables: Sequence[Path],
    maps: Path,
    titles: Mapping[str, str],
    shown: Sequence[str],
    png: Sequence[Path],
    svg: Sequence[Path],
) -> None:
    """Draw the similarity of students and teacher, and the feature maps of some streams.

    Args:
        tables: ``similarity.csv`` of every seed of one data set, split and clip length.
        maps: ``maps.npz`` of one of them.
        titles: the streams' titles by name.
        shown: streams whose maps are drawn, in their order.
        png, svg: the two files to write, in that order.

    Raises:
        RemakeError: one of ``tables``, or ``maps``, is damaged.
    """
    pictures = read_maps(maps)
    likeness = similarity([csvs.read(path) for path in tables], titles)
    for figure, *paths in zip(
        (likeness, feature_maps(pictures, titles, shown)), png, svg, strict=True
    ):
        save(figure, *paths)


def read_maps(path: Path) -> dict[str, np.ndarray]:
    """Read ``maps.npz``; RemakeError if it is damaged."""
    with opened(path, "file of feature maps") as content, np.load(BytesIO(content)) as kept:
        return dict(kept)


@matplotlib.rc_context(STYLE)
def similarity(tables: Sequence[pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """Draw CKA of every stream with its teacher as a matrix with numbers, a column per level.

    ``tables`` are results of :func:`dsnet.similarity.compare`, one per seed; their mean is drawn.
    """
    first = tables[0]
    streams, levels = (list(dict.fromkeys(first[column])) for column in ("stream", "level"))
    keys = ["stream", "level"]
    mean = pd.concat(tables).groupby(keys)["cka"].mean().unstack().loc[streams, levels].to_numpy()
    size = (2.4 + 0.72 * len(levels), 0.9 + 0.42 * len(streams))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(mean, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (y, x), value in np.ndenumerate(mean):
        text = "" if np.isnan(value) else f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")
        colour = "black" if value > 0.5 else "white"
        label = axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=8)
        label.set_gid(f"{ON_COLOUR}-{y}-{x}")
    axes.set_xticks(range(len(levels)), levels)
    names = [wrapped(titles.get(name, name), NAME_WIDTH) for name in streams]
    axes.set_yticks(range(len(streams)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    teachers = " or ".join(titles.get(name, name) for name in first["teacher"].unique())
    seeds = f", mean over {len(tables)} seeds" if len(tables) > 1 else ""
    axes.set_title(wrapped(f"Features compared with those of the teacher, {teachers}{seeds}", 60))
    figure.colorbar(image, ax=axes, shrink=0.9, label="CKA")
    return figure


@matplotlib.rc_context(STYLE)
def feature_maps(
    maps: Mapping[str, np.ndarray], titles: Mapping[str, str], shown: Sequence[str]
) -> Figure:
    """Draw some clips at regular times: frame, flow, and the strength of each stream's features.

    ``maps`` is the content of ``maps.npz``. A map is the mean over channels of the absolute
    features of the last level of full resolution, layer1 in a 3D ResNeXt. It goes from the weakest
    (dark) to the strongest (bright) feature of its clip.
    """
    clips, height, width = maps["rgb"].shape[0], *maps["rgb"].shape[2:4]
    names = ["Frames", "Flow field", *(titles.get(name, name) for name in shown)]
    left, side, gap, top = 1.75, 0.62, 0.12, 0.3  # inches
    tall = side * height / width
    size = (left + clips * (TIMES * side + gap), top + len(names) * (tall + 0.04) + 0.05)
    figure = Figure(figsize=size)
    for clip in range(clips):
        for row, picture in enumerate(_rows(maps, clip, shown)):
            x, y = left + clip * (TIMES * side + gap), top + row * (tall + 0.04)
            axes = place(figure, x, y, TIMES * side, tall)
            # The scale counts for maps only, not for pictures of three channels.
            axes.imshow(picture, aspect="auto", cmap="cividis", vmin=0, vmax=1)
            for cut in range(1, TIMES):
                axes.axvline(picture.shape[1] * cut / TIMES - 0.5, color="white", lw=1.5)
            axes.set_axis_off()
            if row == 0:
                axes.set_title(wrapped(str(maps["classes"][clip]).replace("_", " "), 24), pad=3)
            if clip == 0:
                name = wrapped(names[row], NAME_WIDTH)
                axes.text(-0.04, 0.5, name, ha="right", va="center", transform=axes.transAxes)
    return figure


def _rows(maps: Mapping[str, np.ndarray], clip: int, shown: Sequence[str]) -> list[np.ndarray]:
    """Return the pictures of a clip, :data:`TIMES` side by side: frames, flow, then streams."""
    frames = maps["rgb"][clip]
    fields = decode(maps["flow"][clip], float(maps["bound"]), maps["rounding"].item())
    rows = [frames, flow_colours(fields, full_speed(fields))]
    streams = maps["streams"].tolist()
    level = _sharpest(maps)
    for name in shown:
        strength = maps[level][streams.index(name), clip]
        low, high = strength.min(), strength.max()
        strength = (strength - low) / max(high - low, np.finfo(np.float32).tiny)
        rows.append(np.stack([cv2.resize(s, frames.shape[2:0:-1]) for s in strength]))
    return [np.hstack(list(pictures[middles(len(pictures), TIMES)])) for pictures in rows]


def _sharpest(maps: Mapping[str, np.ndarray]) -> str:
    """Return the last of the levels with the most places."""
    levels = [k for k, map in maps.items() if map.ndim == 5 and k not in ("rgb", "flow")]
    return max(reversed(levels), key=lambda level: maps[level].size)
