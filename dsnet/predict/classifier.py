"""Prediction for videos by trained streams; flow is computed on the way."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, overload

import numpy as np
import torch
from tqdm import tqdm

from dsnet import fusion, images, video
from dsnet.clips import to_square
from dsnet.devices import choose_device
from dsnet.flow import of_spec
from dsnet.fusion.average import Average
from dsnet.predict.costs import Costs
from dsnet.predict.prediction import Features, Prediction
from dsnet.predict.sources import Frames, Source, check_number, frames_of, name_of, stored
from dsnet.predict.streams import (
    PathLike,
    PredictError,
    Stream,
    check_inputs,
    check_pair,
    flow_beside,
)
from dsnet.predict.windows import Newest, windows
from dsnet.shards import encoded_planes

log = logging.getLogger(__name__)
Compute = Callable[[Stream, torch.Tensor], np.ndarray]


class Window(NamedTuple):
    """A clip of a video: (T, crop, crop, C) uint8 by modality, and its first and last frame."""

    clips: dict[str, torch.Tensor]
    start: int
    end: int


class Seen(NamedTuple):
    """A window of a live source.

    Attributes:
        start, end: in seconds since its first frame.
        arrived: when its last frame arrived, in seconds since the epoch.
        logits: (K,) float32.
        dropped, frames: how many frames so far no window has because the networks were late, and
            how many came.
    """

    start: float
    end: float
    arrived: float
    logits: np.ndarray
    dropped: int
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
        self.inputs = {stream.input for stream in self.streams}
        self.method = None
        if "flow" in self.inputs:
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

    @overload
    def predict(
        self,
        videos: Source,
        batch_size: int = ...,
        *,
        stride: float | None = ...,
        fps: float | None = ...,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        videos: list[Source],
        batch_size: int = ...,
        *,
        stride: float | None = ...,
        fps: float | None = ...,
    ) -> list[Prediction]: ...

    def predict(
        self,
        videos: Source | list[Source],
        batch_size: int = 8,
        *,
        stride: float | None = None,
        fps: float | None = None,
    ) -> Prediction | list[Prediction]:
        """Score the clips of a video; by default those that the evaluation of test videos scores.

        The video is streamed, so only the logits take more memory for longer videos. A video
        shorter than a clip is looped. The rest at the end that fills no clip is ignored.

        Args:
            videos: any file that ffmpeg reads; or frames, a (T, H, W, 3) uint8 array or tensor,
                RGB; or a list of such, for a list of predictions.
            batch_size: clips per pass through a network.
            stride: seconds from the beginning of a clip to that of the next; the default is the
                length of a clip, so that clips do not overlap.
            fps: frames per second of frames in memory, which are brought to those of the model. By
                default they are taken to have them already.

        Raises:
            ValueError: a number is out of range, or an array is none of frames.
            PredictError: the video cannot be decoded, or has a single frame and flow is needed; or
                the output of a network has NaN or infinity.
        """
        if isinstance(videos, list):
            return [self.predict(one, batch_size, stride=stride, fps=fps) for one in videos]
        costs = Costs()
        per_stream, times, duration = self._scored(
            videos, Stream.logits, costs, batch_size, stride, fps
        )
        return Prediction(
            video=name_of(videos),
            classes=self.classes,
            times=times,
            clips=self._fused(per_stream),
            logits=self._fused([found.mean(axis=0, keepdims=True) for found in per_stream])[0],
            cost={
                "reading": costs.median("reading") + costs.median("flow images"),
                "flow": costs.median("flow"),
                "network": costs.median("network"),
            },
            device=str(self.device),
            backend=self.method.name if self.method else "",
            duration=duration,
            opening=costs.median("opening"),
            network_cpu=costs.median("network, CPU"),
        )

    def features(
        self,
        source: Source,
        level: str = "avgpool",
        batch_size: int = 8,
        *,
        stride: float | None = None,
        fps: float | None = None,
    ) -> Features:
        """Compute one vector per clip, the features of a level; for the arguments see predict.

        Features with positions, (C, T, H, W), are averaged over them.

        Raises:
            ValueError: as :meth:`predict`.
            PredictError: as :meth:`predict`; the network has no such level; or there are several
                streams.
        """
        if len(self.streams) > 1:
            raise PredictError("features are of one stream: name its model.pt, and no other")

        def compute(stream: Stream, clips: torch.Tensor) -> np.ndarray:
            return stream.features(clips, level)

        self.streams[0].check_level(level)
        (vectors,), times, _ = self._scored(source, compute, Costs(), batch_size, stride, fps)
        return Features(name_of(source), level, times, vectors)

    def watch(self, live: video.Live, stride: float | None = None) -> Generator[Seen, None, None]:
        """Score the newest clips of a camera or a stream as they come, until it ends.

        If the networks are slower than the source, frames between two clips are dropped. Close the
        iterator to end it.

        Args:
            live: result of :func:`dsnet.video.camera` or :func:`dsnet.video.address`.
            stride: see :meth:`predict`.

        Raises:
            ValueError: ``stride`` is out of range.
            PredictError: the source cannot be opened or is interrupted.
        """
        spec = self.streams[0].data.rgb
        step = self._step(stride)
        frames = stored(video.receive(live, spec.fps, spec.resize, spec.size), spec)
        newest = Newest(frames, self.clip_length + ("flow" in self.inputs), step)
        try:
            for start, items, arrived, dropped in newest:
                clips = {"rgb": self._clip(items, "rgb")} if "rgb" in self.inputs else {}
                if self.method:
                    clips["flow"] = self._clip(self._planes(items), "flow")
                logits = [stream.logits(clips[stream.input][None]) for stream in self.streams]
                begin, end = start / self.fps, (start + self.clip_length) / self.fps
                yield Seen(begin, end, arrived, self._fused(logits)[0], dropped, newest.read)
        except video.VideoError as error:
            raise PredictError(f"{live.name}: {error}") from error
        finally:
            newest.close()

    def _step(self, stride: float | None) -> int:
        """Return the frames from the beginning of a clip to that of the next."""
        if stride is None:
            return self.clip_length
        return round(check_number("stride", stride, 1 / self.fps, "one frame's time") * self.fps)

    def _scored(
        self,
        source: Source,
        compute: Compute,
        costs: Costs,
        batch_size: int,
        stride: float | None,
        fps: float | None,
    ) -> tuple[list[np.ndarray], np.ndarray, float]:
        """Compute rows for the clips of a source; also their times, (C, 2), and its seconds.

        Of several streams, the first has all clips, and flow may lack the last.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
        frames = frames_of(source, self.streams[0].data.rgb, fps)
        found: list[list[np.ndarray]] = [[] for _ in self.streams]
        edges: list[tuple[int, int]] = []
        remaining = self._windows(frames, self._step(stride), costs)
        with tqdm(desc=frames.name, unit="clip", disable=None) as bar:
            while batch := list(islice(remaining, batch_size)):
                edges += [(window.start, window.end) for window in batch]
                with costs.timed("network", len(batch)):  # of all streams
                    for stream, rows in zip(self.streams, found, strict=True):
                        clips = [w.clips[stream.input] for w in batch if stream.input in w.clips]
                        if clips:
                            rows.append(compute(stream, torch.stack(clips)))
                bar.update(len(batch))
        times = np.array(edges) / self.fps
        return [np.concatenate(rows) for rows in found], times, frames.read / self.fps

    def _warm_up(self) -> None:
        """Predict black frames: the first pass is slower and must not count in a video's cost."""
        size = self.streams[0].settings.crop
        self.predict(np.zeros((self.clip_length + 1, size, size, 3), np.uint8))

    def _windows(self, frames: Frames, step: int, costs: Costs) -> Iterator[Window]:
        """Yield the clips of a video, resized and cropped, in the order of time."""
        length = self.clip_length
        with costs.timed("opening"):
            frames.open()
        found = windows(frames, length, step)
        planes: list[bytes] = []
        for number in itertools.count():
            clips = {}
            with costs.timed("reading"):
                start, window = next(found, (0, []))
                if not window:
                    break
                if len(window) == 1 and "flow" in self.inputs:
                    raise PredictError(f"{frames.name}: flow needs two frames, and it has one")
                # A short first clip is looped; later clips must be complete.
                if "rgb" in self.inputs:
                    clips["rgb"] = self._clip(window, "rgb")
            if "flow" in self.inputs and (number == 0 or len(window) > length):
                with costs.timed("flow"):
                    planes = planes[2 * step :]  # those of the window before that are in this one
                    planes += self._planes(window[len(planes) // 2 :])
                with costs.timed("flow images"):
                    clips["flow"] = self._clip(planes, "flow")
            if clips:
                yield Window(clips, start, start + min(len(window), length))
        costs.drop_last("reading")  # the end is no clip

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
        """Apply the test transform to the first T frames; fewer frames are looped."""
        length = images.ITEMS_PER_FRAME[modality] * self.clip_length
        chosen = islice(itertools.cycle(items), length)
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
