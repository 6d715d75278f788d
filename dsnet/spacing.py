"""Numbers at equal distances, to choose some of many classes, frames or videos."""

from __future__ import annotations

import numpy as np


def evenly(count: int, wanted: int) -> list[int]:
    """Choose at most ``wanted`` numbers below ``count``, with the first and the last."""
    places = np.linspace(0, count - 1, min(count, wanted))
    return places.round().astype(int).tolist()


def middles(count: int, wanted: int) -> list[int]:
    """Choose ``wanted`` numbers below ``count``, each in the middle of an equal share."""
    return [(2 * number + 1) * count // (2 * wanted) for number in range(wanted)]
