"""Folders of numbered images: the frames of a video, and the images of its flow beside them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dsnet import images
from dsnet.disk import PathLike
from dsnet.provenance import digest, file_digest
from dsnet.video.reading import VideoError, check_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
# What the names of flow begin with, in lower case: no frames.
FLOW = ("tvl1jpg_", "flow_")
NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)", re.DOTALL)


class Sequence(NamedTuple):
    """The numbered images of a folder: names in order, the first number, ffmpeg's pattern."""

    names: list[str]
    first: int
    pattern: str


def is_image(name: str) -> bool:
    """Return whether a file's name is that of an image that is not hidden."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def image_names(folder: PathLike) -> list[str]:
    """Return the names of all images in a folder, sorted; VideoError if it cannot be read."""
    try:
        return sorted(filter(is_image, os.listdir(folder)))
    except OSError as error:
        raise VideoError(f"cannot be read: {error.strerror}") from error


def frames_in(folder: PathLike) -> Sequence:
    """Find the frames in a folder: all images whose names are not those of flow.

    Raises VideoError unless these are one sequence, see :func:`sequence`.
    """
    names = image_names(folder)
    return sequence([name for name in names if not name.lower().startswith(FLOW)])


def sequence(names: list[str]) -> Sequence:
    """Order names by their number, which is before the suffix: ``img_2.jpg`` before ``img_10.jpg``.

    Raises VideoError without names, and unless they differ in the number alone, written in one way
    and without gaps.
    """
    if not names:
        raise VideoError("no numbered images (.jpg, .png or .bmp) in the folder")
    found = {name: NUMBERED.fullmatch(name) for name in names}
    parts = {name: match.groups() for name, match in found.items() if match}
    if unnumbered := sorted(found.keys() - parts.keys()):
        raise VideoError(f"{unnumbered[0]} has no number before its suffix; take it out")
    kinds = sorted({(before, suffix) for before, _, suffix in parts.values()})
    if len(kinds) > 1:
        shown = " and ".join(f"{before}NUMBER{suffix}" for before, suffix in kinds)
        raise VideoError(f"images of several kinds in one folder: {shown}; keep one")
    ((before, suffix),) = kinds
    width = min(len(number) for _, number, _ in parts.values())
    numbers = {int(number): name for name, (_, number, _) in parts.items()}
    first = min(numbers)
    for number in range(first, first + len(names)):
        name = f"{before}{number:0{width}d}{suffix}"
        if name not in parts:
            what = "has its number in another form" if number in numbers else "is missing"
            raise VideoError(f"{numbers.get(number, name)} {what}; number the images without gaps")
    pattern = f"{before.replace('%', '%%')}%0{width}d{suffix}"
    return Sequence([numbers[number] for number in sorted(numbers)], first, pattern)


def located(path: PathLike, rate: float | None) -> tuple[PathLike, dict[str, Any]]:
    """Return what ffmpeg opens for a video and with which options: a file, or a pattern of images.

    ``rate`` is that of numbered images, in frames per second; None if ``path`` is a file. Raises
    VideoError for a file that ffmpeg must not open, and what :func:`frames_in` raises.
    """
    if rate is None:
        check_file(path)
        return path, {}
    if not os.path.isdir(path):
        raise VideoError("not a folder of images, as images_fps says")
    found = frames_in(path)
    pattern = os.path.join(os.fspath(path).replace("%", "%%"), found.pattern)
    options = {"f": "image2", "format_whitelist": "image2", "pattern_type": "sequence"}
    return pattern, {**options, "framerate": rate, "start_number": found.first}


def check_sizes(folder: PathLike, names: list[str]) -> None:
    """Raise VideoError for an image that is damaged or has another size than the first one."""
    first = None
    for name in names:
        try:
            size = images.size(np.fromfile(Path(folder, name), np.uint8))
        except (OSError, ValueError):
            raise VideoError(f"{name} cannot be read as an image") from None
        first = first or size
        if size != first:
            (height, width), (rows, columns) = size, first
            raise VideoError(f"{name} is {width}x{height}, and {names[0]} is {columns}x{rows}")


def source_digest(path: PathLike) -> str:
    """Return the digest of a video's bytes; of a folder, of all its images and their names."""
    if not os.path.isdir(path):
        return file_digest(path)
    return digest([(name, file_digest(Path(path, name))) for name in image_names(path)])
