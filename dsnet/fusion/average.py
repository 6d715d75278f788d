"""Fusion by averaging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Average:
    """The mean of the streams' scores.

    Summed in float64, where the order of the streams leaves no trace and equal scores stay equal.
    """

    def __call__(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """(V, K) float32 scores of each stream to (V, K) float32."""
        return np.stack(scores).mean(axis=0, dtype=np.float64).astype(np.float32)
