"""Prediction for videos by trained streams; flow is computed on the way."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from dsnet import fusion, images, video
from dsnet.clips import scoring_positions, span, to_square
from dsnet.devices import choose_device
from dsnet.flow import of_spec
from dsnet.fusion.average import Average
from dsnet.predict.prediction import Prediction
from dsnet.predict.streams import (
    PathLike,
    PredictError,
    Stream,
    check_inputs,
    check_pair,
    flow_beside,
)
from dsnet.shards import encoded_frames, encoded_planes

log = logging.getLogger(__name__)
T = TypeVar("T")


class Window(NamedTuple):
    """One clip of a video: (T, crop, crop, C) uint8 by modality, and the number of its frames."""

    clips: dict[str, torch.Tensor]
    frames: int


class VideoClassifier:
    """A trained stream, or several streams to fuse.

    Args:
        model: ``model.pt`` of an RGB or a flow stream, or the ``.json`` of a fusion beside its
            streams.
        flow: ``model.pt`` of a flow stream to fuse with by averaging. ``True`` is the flow stream
            of the same run, beside ``model``; ``False`` is no other stream.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        CheckpointError: a file is not that of a trained stream.
        RemakeError: a ``.json`` is not the file of a fusion, or it or the scores beside it are
            damaged.
        ScoreError: the scores do not fit together.
        PredictError: a file does not say how its videos were prepared; the streams do not fit
            together; or the output of a network has NaN or infinity.
        DeviceError: there is no GPU, but one was asked for.
    """

    def __init__(self, model: PathLike, flow: PathLike | bool = False, device: str = "auto"):
        self.device = choose_device(device)
        self.fusion: fusion.Fusion = Average()
        if os.fspath(model).endswith(".json"):
            if flow is not False:
                raise PredictError(f"{os.fspath(model)} names its flow stream; leave out another")
            threads = torch.get_num_threads()
            self.fusion, folders = fusion.load(model)
            torch.set_num_threads(threads)  # a fit uses one thread
            self.streams = [Stream(folder / "model.pt", self.device) for folder in folders]
        else:
            self.streams = [Stream(model, self.device)]
            if flow is not False:
                path = flow_beside(self.streams[0]) if flow is True else flow
                self.streams.append(Stream(path, self.device))
                check_inputs(*self.streams)
        for other in self.streams[1:]:
            check_pair(self.streams[0], other)
        self.method = None
        if any(stream.input == "flow" for stream in self.streams):
            self.method = of_spec(self.streams[0].data.flow, "auto")
            log.info("flow: %s", self.method.where)
        self._warm_up()
        log.info("%s on %s", " and ".join(str(s.path) for s in self.streams), self.device)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in label order."""
        return self.streams[0].classes

    @property
    def clip_length(self) -> int:
        """Frames of a clip."""
        return self.streams[0].length

    @property
    def fps(self) -> float:
        """Frames per second of decoded videos."""
        return self.streams[0].data.rgb.fps

    @property
    def stride(self) -> int:
        """Frames from one frame of a clip to the next."""
        return self.streams[0].settings.stride

    @property
    def _span(self) -> int:
        return span(self.clip_length, self.stride)

    def predict(self, path: PathLike, batch_size: int = 8) -> Prediction:
        """Score all non-overlapping clips of a video, as the evaluation of test videos does.

        The video is streamed, so only the logits take more memory for longer videos. A video
        shorter than a clip is looped. The rest at the end that fills no clip is ignored.

        Args:
            path: any video that ffmpeg reads.
            batch_size: clips per pass through a network.

        Raises:
            ValueError: ``batch_size`` is less than 1.
            PredictError: the video cannot be decoded, or is too short for flow, which is needed; or
                the output of a network has NaN or infinity.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
        cost = dict.fromkeys(("reading", "flow", "network"), 0.0)
        logits: list[list[np.ndarray]] = [[] for _ in self.streams]
        windows = self._windows(path, cost)
        frames = 0
        with tqdm(desc=Path(path).name, unit="clip", disable=None) as bar:
            while batch := list(islice(windows, batch_size)):
                frames += sum(window.frames for window in batch)
                for stream, found in zip(self.streams, logits, strict=True):
                    clips = [w.clips[stream.input] for w in batch if stream.input in w.clips]
                    if clips:
                        with timed(cost, "network"):
                            found.append(stream.logits(torch.stack(clips)))
                bar.update(len(batch))
        per_stream = [np.concatenate(found) for found in logits]
        count = len(per_stream[0])  # the first has all clips; flow may lack the last
        ends = self._span * np.arange(count + 1)
        times = np.stack([ends[:-1], np.minimum(ends[1:], frames)], axis=1) / self.fps
        return Prediction(
            video=os.fspath(path),
            classes=self.classes,
            times=times,
            clips=self._fused(per_stream),
            logits=self._fused([found.mean(axis=0, keepdims=True) for found in per_stream])[0],
            cost={name: 1e3 * seconds / count for name, seconds in cost.items()},
            device=str(self.device),
            backend=self.method.name if self.method else "",
        )

    def _warm_up(self) -> None:
        """Score black frames: the first pass is slower and must not count in a video's cost."""
        video.ffmpeg_executable()
        size = self.streams[0].settings.crop
        black = images.encode(np.zeros((size, size, 3), np.uint8), 95)
        clips = {"rgb": self._clip([black], "rgb")}
        if self.method:
            clips["flow"] = self._clip(self._planes([black] * (self.stride + 1)), "flow")
        for stream in self.streams:
            stream.logits(clips[stream.input][None])

    def _windows(self, path: PathLike, cost: dict[str, float]) -> Iterator[Window]:
        """Yield the clips of a video, resized and cropped, in the order of time."""
        data, inputs = self.streams[0].data, {stream.input for stream in self.streams}
        whole, stride = self._span, self.stride
        windows = _overlapping(encoded_frames(path, data.rgb), whole, stride)
        try:
            for number in itertools.count():
                clips = {}
                with timed(cost, "reading"):
                    window = next(windows, None)
                    if window is None:
                        return
                    if number == 0 and len(window) <= stride and "flow" in inputs:
                        raise PredictError(
                            f"{os.fspath(path)}: flow needs {stride + 1} frames, and it has "
                            f"{len(window)}"
                        )
                    # A short first clip is looped; later clips must be complete.
                    if "rgb" in inputs and (number == 0 or len(window) >= whole):
                        clips["rgb"] = self._clip(window, "rgb")
                if "flow" in inputs and (number == 0 or len(window) >= whole + stride):
                    with timed(cost, "flow"):
                        planes = self._planes(window)
                    with timed(cost, "reading"):
                        clips["flow"] = self._clip(planes, "flow")
                if clips:
                    yield Window(clips, min(len(window), whole))
        except video.VideoError as error:
            raise PredictError(f"{os.fspath(path)}: {error}") from error
        except video.FfmpegError as error:  # it names the video; others may go well
            raise PredictError(str(error)) from error

    def _planes(self, frames: Sequence[bytes]) -> list[bytes]:
        assert self.method is not None
        return list(encoded_planes([frames], self.method, self.streams[0].data.flow))

    def _fused(self, per_stream: Sequence[np.ndarray]) -> np.ndarray:
        """Fuse (C, K) of each stream to (C, K); clips without flow have the first stream's."""
        count = min(map(len, per_stream))
        if len(per_stream) == 1:
            return per_stream[0]
        fused = self.fusion([scores[:count] for scores in per_stream])
        return np.concatenate([fused, per_stream[0][count:]])

    def _clip(self, items: Sequence[bytes], modality: str) -> torch.Tensor:
        """Apply the test transform to the first T frames, or fields; fewer are looped."""
        planes = images.ITEMS_PER_FRAME[modality]
        first = scoring_positions(len(items) // planes, self.clip_length, stride=self.stride)[0]
        chosen = [items[planes * place + plane] for place in first for plane in range(planes)]
        loaded = [images.decode(np.frombuffer(i, np.uint8), modality == "flow") for i in chosen]
        return to_square(loaded, modality, None, self.streams[0].settings.crop)


def load_model(
    path: PathLike, *, flow: PathLike | bool = False, device: str = "auto"
) -> VideoClassifier:
    """Load a trained stream for prediction; see :class:`VideoClassifier`.

    ::

        from dsnet import load_model

        model = load_model("results/motions/split1/16f/seed0/ds/model.pt")
        model.predict("clip.mp4").top(3)
    """
    return VideoClassifier(path, flow, device)


@contextmanager
def timed(cost: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds of the ``with`` body to ``name``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        cost[name] += time.perf_counter() - start


def _overlapping(items: Iterable[T], length: int, more: int) -> Iterator[list[T]]:
    """Yield windows of ``length`` items plus the first of the next window, which flow needs.

    Those are ``more`` items. At the end, windows are shorter.
    """
    remaining = iter(items)
    window = list(islice(remaining, length + more))
    while window:
        yield window
        window = [*window[length:], *islice(remaining, length)]
