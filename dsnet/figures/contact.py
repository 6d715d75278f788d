"""What the networks see: frames of some videos and the optical flow between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dsnet import images
from dsnet.experiment.specs import DataSpec
from dsnet.figures.colours import colour_wheel, flow_colours, full_speed
from dsnet.figures.style import STYLE, wrapped
from dsnet.flow.planes import decode
from dsnet.store import Reader

WIDTH, LEFT, RIGHT, TOP, BELOW = 7.0, 1.5, 1.4, 0.15, 0.3  # inches


@dataclass(frozen=True)
class Row:
    """Some frames of a video, (H, W, 3) uint8, and their flow, (H, W, 2) float32 in pixels."""

    indices: list[int]
    frames: list[np.ndarray]
    flow: list[np.ndarray]


@matplotlib.rc_context(STYLE)
def contact_sheet(
    clips: Reader,
    ids: Sequence[str],
    labels: Sequence[int],
    class_names: Sequence[str],
    columns: int = 6,
) -> Figure:
    """A row per video: frames at regular times and under each the flow to the next frame.

    Flow is in colours: the hue is the direction, the saturation the speed, white is at rest. The
    most saturated colour is the 99th percentile of the speeds shown, the same for all videos.

    Args:
        clips: frames and flow.
        ids: the videos to show.
        labels: their labels.
        class_names: names of the classes in label order.
        columns: frames per video, fewer when it is shorter.

    Raises:
        ValueError: there is no video, or one has no frames or a damaged one.
    """
    if not ids:
        raise ValueError("a contact sheet needs at least one video")
    rows = [read_row(clips, id, _spread(clips, id, columns)) for id in ids]
    full = full_speed(field for row in rows for field in row.flow)
    pictures = [_picture(row, full, columns) for row in rows]
    heights = [WIDTH * p.shape[0] / p.shape[1] for p in pictures]
    size = (LEFT + WIDTH + RIGHT, max(sum(heights) + BELOW * len(rows) + TOP, 2.2))
    figure = Figure(figsize=size)

    def place(x: float, y: float, width: float, height: float) -> Axes:
        """Axes at inches from the left and upper edge."""
        return figure.add_axes(
            (x / size[0], 1 - (y + height) / size[1], width / size[0], height / size[1])
        )

    y = TOP
    for row, picture, label, height in zip(rows, pictures, labels, heights, strict=True):
        _draw(place(LEFT, y, WIDTH, height), row, picture, class_names[label])
        y += height + BELOW
    _wheel(place(LEFT + WIDTH + 0.2, TOP + 0.3, RIGHT - 0.4, RIGHT - 0.4), full)
    return figure


def _draw(axes: Axes, row: Row, picture: np.ndarray, name: str) -> None:
    """One video: its picture, the name of its class and the numbers of the frames."""
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    text = wrapped(name.replace("_", " "), 16)
    axes.text(-0.015, 0.5, text, ha="right", va="center", transform=axes.transAxes)
    width = row.frames[0].shape[1]
    centres = [i * (width + _gap(width)) + width / 2 - 0.5 for i in range(len(row.indices))]
    axes.set_xticks(centres, [f"frame {index}" for index in row.indices])
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2, labelsize=7)
    axes.spines[:].set_visible(False)


def _spread(clips: Reader, id: str, columns: int) -> list[int]:
    """Frames at regular times, the first and the last that has flow among them."""
    video = clips.videos[id]
    last = max(min(video.frames("rgb"), video.frames("flow")) - 1, 0)
    return evenly(last + 1, columns)


def evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` numbers below ``count`` at equal distances, first and last among them."""
    return np.unique(np.linspace(0, count - 1, wanted).round().astype(int)).tolist()


def read_row(clips: Reader, id: str, indices: Sequence[int]) -> Row:
    """Some frames of a video and, as far as there is, their flow to the next ones.

    Args:
        clips: frames and flow.
        id: the video.
        indices: numbers of the frames.

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


def _picture(row: Row, full: float, columns: int) -> np.ndarray:
    """Frames side by side and the flow under them, as wide as ``columns`` frames."""
    height, width = row.frames[0].shape[:2]
    gap = _gap(width)
    shape = (2 * height + gap, columns * (width + gap) - gap, 3)
    picture = np.full(shape, 255, np.uint8)
    for y, shown in ((0, row.frames), (height + gap, [_framed(f, full) for f in row.flow])):
        for i, image in enumerate(shown):
            x = i * (width + gap)
            picture[y : y + height, x : x + width] = image
    return picture


def _gap(width: int) -> int:
    """Pixels between images of some width."""
    return max(1, width // 25)


def _framed(flow: np.ndarray, full: float) -> np.ndarray:
    """Flow in colours with a thin grey border, since what is at rest is white."""
    image = flow_colours(flow, full)
    image[[0, -1]] = image[:, [0, -1]] = 190
    return image


def _wheel(axes: Axes, full: float) -> None:
    """The legend."""
    colours, inside = colour_wheel(201, full)
    colours[~inside] = 255
    axes.imshow(colours, extent=(-1, 1, 1, -1))
    axes.set_title("direction\nof motion", fontsize=7)
    axes.set_xlabel(f"rim: {full:.1f} px\nper frame", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
