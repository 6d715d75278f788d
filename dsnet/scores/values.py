"""Scores of clips and videos of a stream, and their accuracies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dsnet.errors import UserError

if TYPE_CHECKING:
    from dsnet.experiment.specs import TrainSpec


class ScoreError(UserError):
    """Scores without meaning, or that do not fit together; the message says which and why."""


@dataclass(frozen=True)
class Part:
    """Scores of one part of a split (train, validation or test).

    Attributes:
        ids: ids of the V videos.
        labels: (V,) int64.
        clips: (C, K) float32 logits of all clips, video by video in the order of ``ids``.
        counts: (V,) int64, the clips of each video; they sum to C.
        groups: the group of each video; videos of a group share a source.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    clips: np.ndarray
    counts: np.ndarray
    groups: tuple[str, ...]

    @property
    def videos(self) -> np.ndarray:
        """The mean of each video's clip logits, (V, K) float32."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)
        if not len(self.ids):
            return self.clips[:0]
        sums = np.add.reduceat(self.clips.astype(np.float64), starts, axis=0)
        return (sums / self.counts[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Scores:
    """Content of ``scores.h5``: ``parts`` by name, ``classes`` in label order, and ``run``.

    ``run`` has dataset, split, clip_length, seed, stream and protocol, and the numbers of listed
    and missing videos, n_listed and n_missing. ``spec`` is the spec of the stream's training.
    """

    run: dict[str, Any]
    classes: tuple[str, ...]
    parts: dict[str, Part]
    spec: TrainSpec | None = None


def topk(logits: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return whether each label is among the ``k`` highest of (N, K) ``logits``, (N,) bool.

    A tie counts against the label, and so does NaN: constant scores are never right.
    """
    own = logits[np.arange(len(labels)), labels]
    return (~(logits < own[:, None])).sum(axis=1) <= k


def accuracies(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute top-1 and top-5 (top-K with fewer classes) of (N, K) ``logits``, in per cent."""
    if not len(labels):
        return {"top1": float("nan"), "top5": float("nan")}
    return {f"top{k}": 100 * float(topk(logits, labels, k).mean()) for k in (1, 5)}


def per_class(logits: np.ndarray, labels: np.ndarray) -> list[float | None]:
    """Compute top-1 in per cent for each of the K classes; ``None`` for a class without videos."""
    right = topk(logits, labels, 1)
    return [
        100 * float(right[labels == label].mean()) if (labels == label).any() else None
        for label in range(logits.shape[1])
    ]


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count the videos of a class (row) that were taken for another (column), (K, K) int64."""
    classes = logits.shape[1]
    flat = labels * classes + logits.argmax(axis=1)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def metrics(part: Part) -> dict[str, Any]:
    """Compute video and clip top-1 and top-5 in per cent, video top-1 per class, and counts."""
    videos = part.videos
    of_clips = accuracies(part.clips, np.repeat(part.labels, part.counts))
    return {
        **{f"video_{name}": value for name, value in accuracies(videos, part.labels).items()},
        **{f"clip_{name}": value for name, value in of_clips.items()},
        "per_class": per_class(videos, part.labels),
        "n_videos": len(part.ids),
        "n_clips": len(part.clips),
    }


def aligned(scores: Iterable[Scores], part: str) -> list[Part]:
    """Return the same part of several streams; raise ScoreError if their videos differ."""
    parts = [s.parts[part] for s in scores]
    for other in parts[1:]:
        if other.ids != parts[0].ids:
            raise ScoreError(
                f"the streams were evaluated on different {part} videos; evaluate all of them again"
            )
    return parts


def softmax(logits: np.ndarray) -> np.ndarray:
    """Compute probabilities, (..., K) float64, that sum to one along the last axis."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=-1, keepdims=True)
