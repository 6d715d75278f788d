"""Prediction for videos by trained streams; flow is computed on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np
import torch
from tqdm import tqdm

from dsnet import video
from dsnet.devices import choose_device
from dsnet.flow import of_spec
from dsnet.predict.costs import Costs
from dsnet.predict.cutting import Cutter, Window
from dsnet.predict.prediction import Features, Prediction, Scored, Seen
from dsnet.predict.sources import Frames, Source, check_number, frames_of, name_of, stored
from dsnet.predict.streams import PathLike, PredictError, Stream, load_streams
from dsnet.predict.windows import Newest

log = logging.getLogger(__name__)
Compute = Callable[[Stream, torch.Tensor], np.ndarray]


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
        self.fusion, self.streams = load_streams(model, flow, self.device)
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
        videos: list[Source] | tuple[Source, ...],
        batch_size: int = ...,
        *,
        stride: float | None = ...,
        fps: float | None = ...,
    ) -> list[Prediction]: ...

    def predict(
        self,
        videos: Source | list[Source] | tuple[Source, ...],
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
                RGB; or a list or tuple of such, for a list of predictions.
            batch_size: clips per pass through a network.
            stride: seconds from the beginning of a clip to that of the next; the default is the
                time that a clip spans, so that clips do not overlap.
            fps: frames per second of frames in memory, which are brought to those of the model. By
                default they are taken to have them already.

        Raises:
            ValueError: a number is out of range, or an array is none of frames.
            PredictError: the video cannot be decoded, or is too short for flow, which is needed; or
                the output of a network has NaN or infinity.
        """
        if isinstance(videos, list | tuple):
            return [self.predict(one, batch_size, stride=stride, fps=fps) for one in videos]
        costs = Costs()
        per_stream, times, duration = self._collected(
            videos, Stream.logits, costs, batch_size, stride, fps
        )
        return Prediction(
            video=name_of(videos),
            classes=self.classes,
            times=times,
            clips=self._fused(per_stream),
            logits=self._fused([found.mean(axis=0, keepdims=True) for found in per_stream])[0],
            cost={
                "reading": costs.median("reading") + costs.median("images"),
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
        self.check_level(level)

        def compute(stream: Stream, clips: torch.Tensor) -> np.ndarray:
            return stream.features(clips, level)

        (vectors,), times, _ = self._collected(source, compute, Costs(), batch_size, stride, fps)
        return Features(name_of(source), level, times, vectors)

    def check_level(self, level: str) -> None:
        """Raise PredictError unless there is one stream, and it has features of this level."""
        if len(self.streams) > 1:
            raise PredictError("features are of one stream: name its model.pt, and no other")
        self.streams[0].check_level(level)

    def clips(
        self, source: Source, *, stride: float | None = None, fps: float | None = None
    ) -> Iterator[Scored]:
        """Score the clips of a video one by one, as soon as each is read; see :meth:`predict`."""
        frames = frames_of(source, self.streams[0].data.rgb, fps)
        sums = [np.zeros((1, len(self.classes)), np.float32) for _ in self.streams]
        counts = [0] * len(sums)
        for (window,), rows in self._scored(frames, Stream.logits, Costs(), 1, stride):
            for number, found in enumerate(rows):
                sums[number] = sum(found, sums[number])
                counts[number] += len(found)
            means = [total / count for total, count in zip(sums, counts, strict=True)]
            logits = self._fused([found[0] for found in rows]) if all(rows) else rows[0][0]
            yield Scored(
                window.start / self.fps,
                window.end / self.fps,
                logits[0],
                self._fused(means)[0],
                window.frames,
            )

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
        spec, step = self.streams[0].data.rgb, self._step(stride)
        cutter = Cutter(self.streams, self.method)
        frames = stored(video.receive(live, spec.fps, spec.resize, spec.size), spec)
        newest = Newest(frames, cutter.need, step)
        try:
            for start, items, arrived, dropped in newest:
                window = cutter.window(start, items, Costs())
                logits = [each.logits(window.clips[each.input][None]) for each in self.streams]
                begin, end = window.start / self.fps, window.end / self.fps
                yield Seen(begin, end, arrived, self._fused(logits)[0], dropped, newest.read)
        except video.VideoError as error:
            raise PredictError(f"{live.name}: {error}") from error
        finally:
            newest.close()

    def _step(self, stride: float | None) -> int:
        """Return the frames from the beginning of a clip to that of the next."""
        if stride is None:
            return self.streams[0].span
        step = check_number("stride", stride, 1 / self.fps, "one frame's time") * self.fps
        return round(min(step, 1e18))  # no video has more frames, and no index more digits

    def _warm_up(self) -> None:
        """Score black frames: the first pass is slower and must not count in a video's cost."""
        first = self.streams[0].settings
        for _ in self.clips(np.zeros((first.stride + 1, first.crop, first.crop, 3), np.uint8)):
            pass

    def _collected(
        self,
        source: Source,
        compute: Compute,
        costs: Costs,
        batch_size: int,
        stride: float | None,
        fps: float | None,
    ) -> tuple[list[np.ndarray], np.ndarray, float]:
        """Compute rows for the clips of a source; also their times, (C, 2), and its seconds.

        Of several streams, the first has all clips, and flow may lack the last ones.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
        frames = frames_of(source, self.streams[0].data.rgb, fps)
        per_stream: list[list[np.ndarray]] = [[] for _ in self.streams]
        edges: list[tuple[int, int]] = []
        with tqdm(desc=frames.name, unit="clip", disable=None) as bar:
            for batch, rows in self._scored(frames, compute, costs, batch_size, stride):
                edges += [(window.start, window.end) for window in batch]
                for known, found in zip(per_stream, rows, strict=True):
                    known += found
                bar.update(len(batch))
        times = np.array(edges) / self.fps
        return [np.concatenate(rows) for rows in per_stream], times, frames.read / self.fps

    def _scored(
        self, frames: Frames, compute: Compute, costs: Costs, batch_size: int, stride: float | None
    ) -> Iterator[tuple[list[Window], list[list[np.ndarray]]]]:
        """Yield batches of clips with each stream's rows: one array, or none if all lack flow."""
        cutter = Cutter(self.streams, self.method)
        remaining = cutter.windows(frames, self._step(stride), costs)
        while batch := list(islice(remaining, batch_size)):
            rows = []
            with costs.timed("network", len(batch)):  # of all streams
                for stream in self.streams:
                    clips = [w.clips[stream.input] for w in batch if stream.input in w.clips]
                    rows.append([compute(stream, torch.stack(clips))] if clips else [])
            yield batch, rows

    def _fused(self, per_stream: Sequence[np.ndarray]) -> np.ndarray:
        """Fuse (C, K) of each stream to (C, K); clips without flow have the first stream's."""
        count = min(map(len, per_stream))
        if len(per_stream) == 1:
            return per_stream[0]
        fused = self.fusion([scores[:count] for scores in per_stream])
        return np.concatenate([fused, per_stream[0][count:]])


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
