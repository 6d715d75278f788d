"""What the weights of a fusion are on average."""

from __future__ import annotations

from typing import Any

import numpy as np


def summary(weights: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Mean weights of the streams, over all videos and over those of each class.

    Args:
        weights: (V, S) of the S streams.
        labels: (V,) int64.
        classes: K.
    """
    return {
        "mean": weights.mean(axis=0).tolist(),
        "per_class": [
            weights[labels == label].mean(axis=0).tolist() if (labels == label).any() else None
            for label in range(classes)
        ],
    }
