"""Pictures that a page holds in itself: frames and flow as JPEG, scores over time as SVG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dsnet import images
from dsnet.figures.colours import colour_wheel, flow_colours
from dsnet.figures.contact import Row

HEIGHT = 96  # pixels of a frame on a page; larger ones are scaled down
QUALITY = 80
GREY = 128
# Of the chart, in its own units: the whole, and what is left of and below the axes.
WIDTH, TALL, LEFT, BELOW, ABOVE = 640, 150, 40, 26, 8


def strips(row: Row, full: float) -> tuple[str, str]:
    """Frames side by side and their flow in colours, as addresses of JPEG images."""
    return _jpeg(_beside(row.frames)), _jpeg(_beside([flow_colours(f, full) for f in row.flow]))


def _beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    height, width = pictures[0].shape[:2]
    if height > HEIGHT:
        size = round(width * HEIGHT / height), HEIGHT
        pictures = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    pictures = [picture.copy() for picture in pictures]
    for picture in pictures[:-1]:
        picture[:, -1] = GREY  # frames of one background would run into each other
    return np.hstack(pictures)


def _jpeg(picture: np.ndarray) -> str:
    encoded = base64.b64encode(images.encode(picture, QUALITY)).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}"


def wheel(size: int) -> str:
    """The colours of all directions and speeds, transparent outside the disc, as a PNG address."""
    colours, inside = colour_wheel(size, 1.0)
    pixels = np.dstack([colours[..., ::-1], np.where(inside, 255, 0).astype(np.uint8)])
    encoded = base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode("ascii")
    return f"data:image/png;base64,{encoded}"


@dataclass(frozen=True)
class Line:
    """Values of consecutive spans of time: ``spans`` in seconds, ``values`` from 0 to 1.

    ``style`` is the CSS class of the line, ``texts`` what each span says when pointed at.
    """

    style: str
    spans: Sequence[tuple[float, float]]
    values: Sequence[float]
    texts: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """Where the parts of a chart are, in its own units, for the template to draw."""

    width: int
    height: int
    left: int  # of the axes
    lines: list[tuple[str, str]]  # style and path
    spans: list[tuple[float, float, float, str]]  # left, width, y and text
    seconds: list[tuple[float, str]]  # place and text of the ticks
    shares: list[tuple[float, str]]


def chart(lines: Sequence[Line], duration: float) -> Chart:
    """Steps over time: a span holds its value from its beginning to its end.

    Args:
        lines: what is drawn.
        duration: seconds that the axis shows.
    """

    def x(second: float) -> float:
        return round(LEFT + (WIDTH - LEFT) * min(second / duration, 1), 1)

    def y(value: float) -> float:
        return round(TALL - BELOW - (TALL - BELOW - ABOVE) * value, 1)

    paths, spans = [], []
    for line in lines:
        path = []
        rows = zip(line.spans, line.values, line.texts, strict=True)
        for number, ((begin, end), value, text) in enumerate(rows):
            start = f"V{y(value)}" if number else f"M{x(begin)} {y(value)}"
            path.append(f"{start}H{x(end)}")
            spans.append((x(begin), round(x(end) - x(begin), 1), y(value), text))
        paths.append((line.style, "".join(path)))
    return Chart(
        WIDTH,
        TALL,
        LEFT,
        paths,
        spans,
        [(x(second), f"{second:g}") for second in ticks(duration)],
        [(y(value), f"{value:.0%}") for value in (0, 0.5, 1)],
    )


def ticks(duration: float, most: int = 6) -> list[float]:
    """Round seconds from 0, at most ``most`` of them, the last not after ``duration``."""
    power = 10.0 ** np.floor(np.log10(duration / most))
    steps = [float(power * factor) for factor in (1, 2, 2.5, 5, 10, 20)]
    step = next(s for s in steps if duration // s < most)
    return [round(step * i, 6) for i in range(int(duration // step) + 1)]
