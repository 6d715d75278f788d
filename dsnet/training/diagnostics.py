"""Warnings about a training that fails."""

from __future__ import annotations

import math
from collections.abc import Mapping

# Below this norm, the gradients of the deepest level have nothing left but rounding.
DEAD_GRADIENT = 1e-7
# A training accuracy of at most this multiple of 1/K counts as chance.
CHANCE = 1.5


def collapse(row: Mapping[str, float], classes: int, level: str | None) -> str:
    """Return a warning for a stream at chance with dead gradients, or an empty text.

    ``row`` is an epoch of the history, ``classes`` is K, and ``level`` the network's deepest level.
    """
    chance = row["train_top1"] <= CHANCE * 100 / classes
    norm = row.get(f"grad_{level}", math.inf)  # absent if the level is not trained
    if not (chance and norm < DEAD_GRADIENT):
        return ""
    return (
        f"epoch {row['epoch']}: collapsed: training accuracy {row['train_top1']:.1f} % is chance "
        f"and the gradients of {level} are dead ({norm:.1e}); lower the lr or the weight of the "
        f"largest term, or set training.clip_gradient"
    )
