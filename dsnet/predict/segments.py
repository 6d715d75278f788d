"""Segments of a video: what happens from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

NONE = "none"  # how texts name the class of None


class Segment(NamedTuple):
    """A part of a video: start and end in seconds, class, and mean probability of that class.

    The class is None where the likeliest class is less likely than the threshold; the confidence is
    then the mean probability of the likeliest class.
    """

    start: float
    end: float
    label: str | None
    confidence: float

    @property
    def name(self) -> str:
        """The class, or ``none``."""
        return self.label or NONE


def segments(
    times: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    threshold: float = 0,
) -> list[Segment]:
    """Join the windows of a video to segments.

    At any moment, the probabilities are the mean of those of all windows that cover it. The label
    is the likeliest class, or None if its probability is less than ``threshold``. A segment is a
    run of moments with the same label; moments that no window covers are in none. Its confidence is
    the mean over its time.

    Args:
        times: (C, 2) float64, start and end of each window in seconds, in order.
        probabilities: (C, K).
        classes: K names.
        threshold: 0 to 1.
    """
    found: list[Segment] = []
    for start, end, mean in _pieces(times, probabilities):
        best = int(mean.argmax())
        label = classes[best] if mean[best] >= threshold else None
        piece = Segment(start, end, label, float(mean[best]))
        if found and (found[-1].end, found[-1].label) == (start, label):
            piece = _joined(found.pop(), piece)
        found.append(piece)
    return found


def _pieces(
    times: np.ndarray, probabilities: np.ndarray
) -> Iterator[tuple[float, float, np.ndarray]]:
    """Yield start, end and mean probabilities, (K,), of the times between which nothing changes."""
    edges = np.unique(times)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        first = np.searchsorted(times[:, 1], end)
        after = np.searchsorted(times[:, 0], start, side="right")
        if first < after:  # some windows cover it
            yield start, end, probabilities[first:after].mean(axis=0)


def _joined(one: Segment, other: Segment) -> Segment:
    shares = [one.end - one.start, other.end - other.start]
    confidence = float(np.average([one.confidence, other.confidence], weights=shares))
    return Segment(one.start, other.end, one.label, confidence)
