"""Pictures inside a page: frames and flow as JPEG, scores over time as SVG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.ticker import MaxNLocator

from dsnet import images
from dsnet.figures.colours import colour_wheel, flow_colours
from dsnet.figures.contact import Row

HEIGHT = 96  # pixels of a frame on a page; larger frames are scaled down
QUALITY = 80
GREY = 128
# The chart in its own units: its size, and the space left of, below and above the axes.
WIDTH, TALL, LEFT, BELOW, ABOVE = 640, 150, 40, 26, 8
APART = 3.0  # of lines with equal values; a line is 2.5 wide


def strips(row: Row, full: float) -> tuple[str, str]:
    """Return frames side by side, and their flow in colours, as addresses of JPEG images."""
    return _beside(row.frames), _beside([flow_colours(field, full) for field in row.flow])


def _beside(pictures: Sequence[np.ndarray]) -> str:
    height, width = pictures[0].shape[:2]
    if height > HEIGHT:
        size = round(width * HEIGHT / height), HEIGHT
        pictures = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    joined = np.hstack(pictures)
    # A line between the frames separates their similar backgrounds.
    wide = pictures[0].shape[1]
    joined[:, wide - 1 : -1 : wide] = GREY
    return _address("jpeg", images.encode(joined, QUALITY))


def wheel(size: int) -> str:
    """Return the colours of all directions and speeds, a disc, as the address of a PNG image."""
    colours, inside = colour_wheel(size, 1.0)
    pixels = np.dstack([colours[..., ::-1], np.where(inside, 255, 0).astype(np.uint8)])
    return _address("png", cv2.imencode(".png", pixels)[1].tobytes())


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


class Line(NamedTuple):
    """Values, 0 to 1, of consecutive spans of time in seconds, and a text for each span.

    ``style`` is the CSS class of the line. ``down`` is how far it lies below its values, in units
    of the chart, so that lines of equal values lie side by side.
    """

    style: str
    spans: Sequence[tuple[float, float]]
    values: Sequence[float]
    texts: Sequence[str]
    down: float = 0


class Chart(NamedTuple):
    """Places of the parts of a chart, in its own units, for the template."""

    width: int
    height: int
    left: int  # of the axes
    lines: list[tuple[str, str]]  # style and path
    spans: list[tuple[float, float, float, str]]  # left, width, y and text
    seconds: list[tuple[float, str]]  # place and text of the ticks
    shares: list[tuple[float, str]]


def chart(lines: Sequence[Line], duration: float) -> Chart:
    """Draw steps over ``duration`` seconds: a span keeps its value to its end."""

    def x(second: float) -> float:
        return round(LEFT + (WIDTH - LEFT) * min(second / duration, 1), 1)

    def y(value: float, down: float = 0) -> float:
        return round(TALL - BELOW - (TALL - BELOW - ABOVE) * value + down, 1)

    paths, spans = [], []
    for line in lines:
        path = ""
        for (begin, end), value, text in zip(line.spans, line.values, line.texts, strict=True):
            path += f"V{y(value, line.down)}" if path else f"M{x(begin)} {y(value, line.down)}"
            path += f"H{x(end)}"
            spans.append((x(begin), round(x(end) - x(begin), 1), y(value, line.down), text))
        paths.append((line.style, path))
    seconds = [(x(second), f"{second:g}") for second in ticks(duration)]
    shares = [(y(value), f"{value:.0%}") for value in (0, 0.5, 1)]
    return Chart(WIDTH, TALL, LEFT, paths, spans, seconds, shares)


def ticks(duration: float) -> list[float]:
    """Choose at most six round seconds from 0 to ``duration``."""
    # Slightly longer: six steps that fit exactly would have seven ticks.
    found = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(0, duration * (1 + 1e-9))
    return [round(float(second), 6) for second in found if second <= duration]
