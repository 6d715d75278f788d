"""Average weights of a fusion."""

from __future__ import annotations

from typing import Any

import numpy as np


def summary(weights: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Compute mean weights of the S streams over all videos, and over the videos of each class.

    ``weights`` is (V, S), ``labels`` (V,) int64, and ``classes`` is K.
    """
    return {
        "mean": weights.mean(axis=0).tolist(),
        "per_class": [
            weights[labels == label].mean(axis=0).tolist() if (labels == label).any() else None
            for label in range(classes)
        ],
    }
