"""Predictions for a video: scores of its clips, and their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dsnet.predict.segments import Segment, segments
from dsnet.scores import softmax


@dataclass(frozen=True)
class Prediction:
    """Scores of a video and of its clips.

    Attributes:
        video: the path.
        classes: K names, in label order.
        times: (C, 2) float64, start and end of each clip in seconds.
        clips: (C, K) float32, logits of each clip, fused if there are several streams. Flow has
            fewer frames than RGB; if it lacks the last clips, these are RGB's alone.
        logits: (K,) float32, logits of the video: the mean of each stream's clips, then fused.
        cost: milliseconds per clip: ``reading`` (decoding and resizing), ``flow`` and ``network``.
            Each is the median over clips or batches, so what only the first one pays for is no part
            of it.
        device: where the networks ran.
        backend: flow backend, or empty.
        duration: seconds of the video; what is after the last clip was ignored.
        opening: milliseconds until the first frame, once per video.
        network_cpu: milliseconds per clip that the cores of the CPU worked for the networks, a sum
            over threads. If no other program has the CPU, it is nearly ``network`` times the
            threads.
    """

    video: str
    classes: tuple[str, ...]
    times: np.ndarray
    clips: np.ndarray
    logits: np.ndarray
    cost: dict[str, float]
    device: str
    backend: str = ""
    duration: float = 0
    opening: float = 0
    network_cpu: float = 0

    @property
    def probabilities(self) -> np.ndarray:
        """(K,) float64, the softmax of ``logits``."""
        return softmax(self.logits)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the likeliest classes of the video with their probabilities, best first."""
        return ranked(self.classes, self.logits, count)

    def label(self, threshold: float = 0) -> str | None:
        """Return the likeliest class of the video, or None if it is less likely than this."""
        ((name, probability),) = self.top(1)
        return name if probability >= threshold else None

    def segments(self, threshold: float = 0) -> list[Segment]:
        """Return what happens from when to when; see :func:`dsnet.predict.segments.segments`."""
        return segments(self.times, softmax(self.clips), self.classes, threshold)

    def to_dict(self, threshold: float = 0) -> dict[str, Any]:
        """Return plain values for JSON; class scores are probabilities by name."""

        def named(logits: np.ndarray) -> dict[str, float]:
            return dict(zip(self.classes, softmax(logits).tolist(), strict=True))

        return {
            "video": self.video,
            "label": self.label(threshold),
            "scores": named(self.logits),
            "duration": self.duration,
            "segments": [segment._asdict() for segment in self.segments(threshold)],
            "clips": [
                {"start": float(start), "end": float(end), "scores": named(logits)}
                for (start, end), logits in zip(self.times, self.clips, strict=True)
            ],
            "ms_per_clip": self.cost,
            "ms_to_open": self.opening,
            "cpu_ms_per_clip": self.network_cpu,
            "device": self.device,
            "flow_backend": self.backend or None,
        }


@dataclass(frozen=True)
class Features:
    """One vector per clip of a video.

    Attributes:
        video: the path.
        level: name of the features.
        times: (C, 2) float64, start and end of each clip in seconds.
        vectors: (C, D) float32.
    """

    video: str
    level: str
    times: np.ndarray
    vectors: np.ndarray


class Scored(NamedTuple):
    """A clip of a video.

    Attributes:
        start, end: in seconds.
        logits, so_far: (K,) float32, of the clip, and of the video up to it.
        frames: JPEG images of all its frames, resized as for training, also of those between the
            frames of a clip with a stride.
    """

    start: float
    end: float
    logits: np.ndarray
    so_far: np.ndarray
    frames: Sequence[bytes]


class Seen(NamedTuple):
    """A clip of a live source.

    Attributes:
        start, end: in seconds since its first frame.
        arrived: when its last frame arrived, in seconds since the epoch.
        logits: (K,) float32.
        dropped, frames: how many frames so far no clip has because the networks were late, and
            how many came.
    """

    start: float
    end: float
    arrived: float
    logits: np.ndarray
    dropped: int
    frames: int


def ranked(classes: Sequence[str], logits: np.ndarray, count: int) -> list[tuple[str, float]]:
    """Return the ``count`` likeliest classes with their probabilities, best first."""
    probabilities = softmax(logits)
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(classes[label], float(probabilities[label])) for label in order]
