"""Frames of some videos, as the networks see them, and the optical flow between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dsnet import images
from dsnet.experiment.specs import DataSpec
from dsnet.figures.colours import colour_wheel, flow_colours, full_speed
from dsnet.figures.style import STYLE, place, save, wrapped
from dsnet.flow.planes import decode
from dsnet.spacing import evenly
from dsnet.store import Reader

VIDEOS = 10
WIDTH, LEFT, RIGHT, TOP, BELOW = 7.0, 1.5, 1.4, 0.15, 0.3  # inches


@dataclass(frozen=True)
class Row:
    """Some frames of a video, (H, W, 3) uint8, and their flow, (H, W, 2) float32 in pixels."""

    indices: list[int]
    frames: list[np.ndarray]
    flow: list[np.ndarray]


def draw_contact(clips_path: Path, png: Path, svg: Path) -> None:
    """Draw frames and flow of the first test video of up to ten classes, spread over all."""
    from dsnet import clips  # this imports PyTorch, which no other figure needs

    reader = clips.open_clips(clips_path)
    table = clips.table(reader)
    test = table[table["split1"] == "test"]
    firsts = (test if len(test) else table).drop_duplicates("label").sort_values("label")
    chosen = firsts.iloc[evenly(len(firsts), VIDEOS)]
    ids, labels = list(chosen["id"]), list(chosen["label"])
    reader.verify(ids, reader.modalities)
    save(contact_sheet(reader, ids, labels, reader.extra["classes"]), png, svg)


@matplotlib.rc_context(STYLE)
def contact_sheet(
    clips: Reader,
    ids: Sequence[str],
    labels: Sequence[int],
    class_names: Sequence[str],
    columns: int = 6,
    frames: bool = True,
) -> Figure:
    """Draw a row per video: frames at regular times and, under each, the flow from it.

    Hue is the direction of flow, saturation its speed; white is at rest. The most saturated colour
    is the 99th percentile of the speeds shown, the same for all videos. A row has ``columns``
    frames, or fewer for a shorter video. Without ``frames`` it shows flow alone, and so no person's
    looks. Raises ValueError if there is no video, or see :func:`read_row`.
    """
    if not ids:
        raise ValueError("a contact sheet needs at least one video")
    rows = []
    for id in ids:
        video = clips.videos[id]  # the last frame shown has flow, if there is any
        last = max(min(video.frames("rgb"), video.frames("flow")) - 1, 0)
        rows.append(read_row(clips, id, evenly(last + 1, columns)))
    full = full_speed(field for row in rows for field in row.flow)
    pictures = [_picture(row, full, columns, frames) for row in rows]
    heights = [WIDTH * p.shape[0] / p.shape[1] for p in pictures]
    height = max(sum(heights) + BELOW * len(rows) + TOP, 2.2)
    figure = Figure(figsize=(LEFT + WIDTH + RIGHT, height))
    y = TOP
    for row, picture, label, height in zip(rows, pictures, labels, heights, strict=True):
        _draw(place(figure, LEFT, y, WIDTH, height), row, picture, class_names[label])
        y += height + BELOW
    wheel = place(figure, LEFT + WIDTH + 0.2, TOP + 0.3, RIGHT - 0.4, RIGHT - 0.4)
    _wheel(wheel, full, DataSpec.model_validate(clips.spec).flow.period())
    return figure


def read_row(clips: Reader, id: str, indices: Sequence[int]) -> Row:
    """Read frames of a video by their numbers and, where it exists, their flow.

    Raises:
        ValueError: the video has no frames or a damaged one.
    """
    count, fields = clips.videos[id].frames("rgb"), clips.videos[id].frames("flow")
    if not count:
        raise ValueError(f"{clips.path}: {id} has no frames to show")
    frames = [images.decode(clips.item(id, "rgb", i), False) for i in indices]
    spec, flow = DataSpec.model_validate(clips.spec).flow, []
    for i in [i for i in indices if i < fields]:
        planes = [images.decode(clips.item(id, "flow", 2 * i + axis), True) for axis in (0, 1)]
        flow.append(decode(np.stack(planes, -1), spec.bound, spec.rounding))
    return Row(list(indices), frames, flow)


def _gap(width: int) -> int:
    return max(1, width // 25)


def _picture(row: Row, full: float, columns: int, frames: bool) -> np.ndarray:
    """Return frames side by side and the flow under them, as wide as ``columns`` frames."""
    height, width = row.frames[0].shape[:2]
    gap = _gap(width)
    flow = [flow_colours(field, full) for field in row.flow]
    for image in flow:  # a thin border: places at rest are white
        image[[0, -1]] = image[:, [0, -1]] = 190
    lines = [row.frames, flow] if frames else [flow]
    shape = (len(lines) * (height + gap) - gap, columns * (width + gap) - gap, 3)
    picture = np.full(shape, 255, np.uint8)
    for line, shown in enumerate(lines):
        y = line * (height + gap)
        for i, image in enumerate(shown):
            x = i * (width + gap)
            picture[y : y + height, x : x + width] = image
    return picture


def _draw(axes: Axes, row: Row, picture: np.ndarray, name: str) -> None:
    """Draw a video: its picture, the name of its class and the numbers of the frames."""
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    text = wrapped(name.replace("_", " "), 16)
    axes.text(-0.015, 0.5, text, ha="right", va="center", transform=axes.transAxes)
    width = row.frames[0].shape[1]
    centres = [i * (width + _gap(width)) + width / 2 - 0.5 for i in range(len(row.indices))]
    axes.set_xticks(centres, [f"frame {index}" for index in row.indices])
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2, labelsize=7)
    axes.spines[:].set_visible(False)


def _wheel(axes: Axes, full: float, period: str) -> None:
    colours, inside = colour_wheel(201, full)
    colours[~inside] = 255
    axes.imshow(colours, extent=(-1, 1, 1, -1))
    axes.set_title("direction\nof motion", fontsize=7)
    axes.set_xlabel(f"rim: {full:.1f} px\nper {period}", fontsize=7)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
