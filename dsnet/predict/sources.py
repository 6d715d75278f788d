"""Frames of a file, or of an array or tensor in memory, as they are stored for training."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from itertools import islice

import numpy as np
import torch

from dsnet import images, video
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.specs import FramesSpec
from dsnet.predict.streams import PredictError
from dsnet.shards import encoded_frames

Source = PathLike | np.ndarray | torch.Tensor
HINTS = {  # by the dimensions of what are no frames
    3: "; join a video's frames by np.stack(frames), because a list is of videos",
    4: "; put the channels last",
    5: "; several videos are a list of such",
}


class NumberError(UserError, ValueError):
    """A number that is out of range."""


class Frames:
    """The encoded frames of a video, read once.

    Attributes:
        name: of the video, for messages.
        read: number of frames that were read.
    """

    def __init__(self, name: str, encoded: Iterator[bytes]) -> None:
        self.name, self.read = name, 0
        self._encoded = encoded
        self._first: list[bytes] = []

    def open(self) -> None:
        """Read the first frame; raise PredictError as iterating does."""
        self._first = list(islice(self._told(), 1))

    def __iter__(self) -> Iterator[bytes]:
        """Yield the frames; raise PredictError, which names the video, if it cannot be decoded."""
        yield from self._first
        yield from self._told()

    def _told(self) -> Iterator[bytes]:
        try:
            for frame in self._encoded:
                self.read += 1
                yield frame
        except video.VideoError as error:
            raise PredictError(f"{self.name}: {error}") from error
        except video.FfmpegError as error:  # it names the video; others may go well
            raise PredictError(str(error)) from error


def frames_of(source: Source, spec: FramesSpec, fps: float | None) -> Frames:
    """Return the frames of a path, or of a (T, H, W, 3) uint8 array or tensor at ``fps``.

    Raises ValueError if an array has another shape or type, or ``fps`` is given for a path, and
    PredictError for an address.
    """
    if isinstance(source, (str, os.PathLike)):
        if video.is_address(os.fspath(source)):
            raise PredictError(
                "an address is watched, by watch(dsnet.video.address(...)) or the command "
                "`dsnet predict`; predict takes files"
            )
        if fps is not None:
            raise ValueError("fps: a file has its own; it is for frames in memory")
        return Frames(os.fspath(source), encoded_frames(source, spec))
    pictures = _checked(source)
    native = spec.fps if fps is None else check_number("fps", fps, 0.01, "0.01")
    frames = video.resample(pictures, native, spec.fps, spec.resize, spec.size)
    return Frames(name_of(source), stored(frames, spec))


def stored(frames: Iterable[np.ndarray], spec: FramesSpec) -> Generator[bytes, None, None]:
    """Yield frames, (H, W, 3) uint8, as they are stored for training."""
    for frame in frames:
        yield images.encode(frame, spec.quality)


def name_of(source: Source) -> str:
    """Return the name of a video: its path, or ``frames in memory``."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "frames in memory"


def check_number(name: str, value: float, least: float, words: str) -> float:
    """Return ``value``; NumberError if it is less than ``least``, in ``words``, or not finite."""
    if not least - 1e-9 <= value < float("inf"):
        raise NumberError(f"{name}: expected {words} or more, got {value}")
    return value


def _checked(source: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return frames in memory as an array; ValueError if they are not (T, H, W, 3) uint8."""
    array = source.detach().cpu().numpy() if isinstance(source, torch.Tensor) else source
    if not isinstance(array, np.ndarray):
        raise ValueError(f"expected a path or (T, H, W, 3) frames, got {type(source).__name__}")
    if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        hint = HINTS.get(array.ndim, "") if array.ndim != 4 or array.shape[1] == 3 else ""
        raise ValueError(f"frames: expected (T, H, W, 3), RGB, got {array.shape}{hint}")
    if array.dtype != np.uint8:
        raise ValueError(
            f"frames: expected uint8, 0 to 255, got {array.dtype}; frames of 0 to 1 become so by "
            f"(255 * frames).round().astype('uint8')"
        )
    return array
