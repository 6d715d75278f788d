"""What the log says of a training that goes wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping

# Below this norm the gradients of the deepest level count as dead: only rounding is left of them.
DEAD_GRADIENT = 1e-7
# A training accuracy up to this multiple of 1/K counts as chance.
CHANCE = 1.5


def collapse(row: Mapping[str, float], classes: int, level: str | None) -> str:
    """What to tell of a stream at chance with dead gradients; empty for a healthy one.

    Args:
        row: of the history, an epoch's.
        classes: K.
        level: the network's deepest, such as ``layer4``.
    """
    chance = row["train_top1"] <= CHANCE * 100 / classes
    norm = row.get(f"grad_{level}", math.inf)  # not there where it is not trained
    if not (chance and norm < DEAD_GRADIENT):
        return ""
    return (
        f"epoch {row['epoch']}: collapsed: training accuracy {row['train_top1']:.1f} % is chance "
        f"and the gradients of {level} are dead ({norm:.1e}); lower the lr or the weight of the "
        f"largest term, or set training.clip_gradient"
    )
