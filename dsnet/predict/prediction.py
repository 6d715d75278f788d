"""Predictions for a video: scores of its clips, and their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsnet.scores import softmax


@dataclass(frozen=True)
class Prediction:
    """Scores of a video and of its clips.

    Attributes:
        video: the path.
        classes: K names, in label order.
        times: (C, 2) float64, start and end of each clip in seconds.
        clips: (C, K) float32, logits of each clip, fused if there are several streams. Flow has
            fewer frames than RGB; if it lacks the last clip, that clip is RGB's alone.
        logits: (K,) float32, logits of the video: the mean of each stream's clips, then fused.
        cost: milliseconds per clip: ``reading`` (decoding and resizing), ``flow`` and ``network``.
        device: where the networks ran.
        backend: flow backend, or empty.
    """

    video: str
    classes: tuple[str, ...]
    times: np.ndarray
    clips: np.ndarray
    logits: np.ndarray
    cost: dict[str, float]
    device: str
    backend: str = ""

    @property
    def probabilities(self) -> np.ndarray:
        """(K,) float64, the softmax of ``logits``."""
        return softmax(self.logits)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the likeliest classes of the video with their probabilities, best first."""
        return ranked(self.classes, self.logits, count)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; class scores are probabilities by name."""

        def named(logits: np.ndarray) -> dict[str, float]:
            return dict(zip(self.classes, softmax(logits).tolist(), strict=True))

        return {
            "video": self.video,
            "scores": named(self.logits),
            "clips": [
                {"start": float(start), "end": float(end), "scores": named(logits)}
                for (start, end), logits in zip(self.times, self.clips, strict=True)
            ],
            "ms_per_clip": self.cost,
            "device": self.device,
            "flow_backend": self.backend or None,
        }


def ranked(classes: Sequence[str], logits: np.ndarray, count: int) -> list[tuple[str, float]]:
    """Return the ``count`` likeliest classes with their probabilities, best first."""
    probabilities = softmax(logits)
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(classes[label], float(probabilities[label])) for label in order]
