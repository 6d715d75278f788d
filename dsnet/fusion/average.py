"""Fusion by averaging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsnet.scores.values import Part


def average(parts: Sequence[Part]) -> np.ndarray:
    """The mean of the streams' video scores, (V, K) float32.

    Summed in float64, where the order of the streams leaves no trace and equal scores stay equal.
    """
    videos = np.stack([part.videos for part in parts])
    return videos.mean(axis=0, dtype=np.float64).astype(np.float32)
