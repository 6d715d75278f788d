"""Fusion by averaging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Average:
    """The mean of the streams' scores.

    In float64 the order of the streams does not matter, and equal scores stay equal.
    """

    def __call__(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Fuse the scores of each stream, (V, K) float32, to (V, K) float32."""
        return np.stack(scores).mean(axis=0, dtype=np.float64).astype(np.float32)
