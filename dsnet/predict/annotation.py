"""A video with its predictions drawn on the frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from dsnet import video
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.figures.videos import write_video
from dsnet.predict.prediction import Prediction, ranked

HEIGHT = 360  # pixels for the text; smaller videos are enlarged
WIDEST = 1920  # largest width of an enlarged video, in pixels
SHOWN = 3
# Okabe and Ito's sky blue, which everyone can tell from the dark panel.
BAR = (86, 180, 233)
INK = (255, 255, 255)


def annotate(
    source: PathLike,
    output: PathLike,
    prediction: Prediction,
    fps: float,
    panel: str = "over",
) -> None:
    """Write ``source`` at ``fps`` with the likeliest three classes of the current clip.

    The current clip is the one whose middle is nearest. Below the classes is the likeliest class so
    far, by the mean of the clips up to this one. ``panel`` says where this is: ``over`` the lower
    edge of the picture, ``below`` it, or ``beside`` it. Raises UserError if the video cannot be
    decoded, or ``output`` does not name a video file.
    """
    try:
        write_video(output, _pictures(source, prediction, fps, panel), fps)
    except video.VideoError as error:
        raise UserError(f"{os.fspath(source)}: {error}") from error


def _pictures(
    source: PathLike, prediction: Prediction, fps: float, place: str
) -> Iterator[np.ndarray]:
    middles = prediction.times.mean(axis=1)
    shown, panel = -1, np.empty(0)
    frames = video.decode(source, fps, resize=None)
    for number, frame in enumerate(tqdm(frames, "annotate", unit="frame", disable=None)):
        scale = min(-(-HEIGHT // frame.shape[0]), WIDEST // frame.shape[1])
        if scale > 1:
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        clip = int(np.abs(middles - (number + 0.5) / fps).argmin())
        height, width = frame.shape[:2]
        if clip != shown:
            shown, panel = clip, _panel(prediction, clip, height, width)
        top, left = {
            "over": (max(height - len(panel), 0), 0),
            "below": (height, 0),
            "beside": (0, width),
        }[place]
        room = max(top + len(panel) - height, 0), left
        frame = np.pad(frame, ((0, room[0]), (0, room[1]), (0, 0)))
        part = frame[top : top + len(panel), left : left + width]
        part[:] = np.rint(part * (1 - panel[..., 3:]) + panel[..., :3] * panel[..., 3:])
        yield frame


def _panel(prediction: Prediction, clip: int, height: int, width: int) -> np.ndarray:
    """Draw the lower edge, (h, width, 4) float64: colours 0..255 and their opacity, 0..1.

    What does not fit is cut off: labels and bars of a narrow video, lines of a flat one.
    """
    classes, clips = prediction.classes, prediction.clips
    best = ranked(classes, clips[clip], SHOWN)
    ((name, share),) = ranked(classes, clips[: clip + 1].mean(axis=0), 1)
    line = max(min(height // 16, width // 16), 12)
    font, small = _font(line * 3 // 4), _font(line * 9 // 16)
    picture = Image.new("RGBA", (width, line * (len(best) + 2)), (0, 0, 0, 150))
    draw = ImageDraw.Draw(picture)
    left, middle = line // 2, width // 2
    for row, (label, probability) in enumerate(best):
        y = line * row + line // 2
        long = max(width - middle - 4 * line, 0) * probability
        draw.rectangle((middle, y + line // 5, middle + long, y + line * 4 // 5), BAR)
        draw.text((left, y), _fitting(label, font, middle - 2 * left), INK, font)
        draw.text((width - left, y), f"{100 * probability:.0f} %", INK, font, anchor="ra")
    text = _fitting(f"so far: {name}, {100 * share:.0f} %", small, width - 2 * left)
    draw.text((left, line * len(best) + line * 3 // 4), text, INK, small)
    return np.asarray(picture, np.float64)[:height] / (1, 1, 1, 255)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The font is part of matplotlib, so it is the same everywhere.
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Return the text, shortened to at most ``width`` pixels."""
    shown = text
    while text and font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}…"
    return shown
