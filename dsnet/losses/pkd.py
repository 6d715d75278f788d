"""PKD, the distance of standardised features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsnet.losses.features import Features
from dsnet.losses.normalising import standardised


class PearsonDistance(nn.Module):
    """Equation 4 of Cao et al. (2022, arXiv:2207.02039): half the mean squared distance.

    Every channel of student and of teacher is standardised over clips and positions
    (:func:`.standardised`). So it is 1 - the Pearson correlation, the mean over channels and
    levels. In several processes, each standardises by its own part of the batch.
    """

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        pairs = [(standardised(student[k]), standardised(teacher[k])) for k in self.levels]
        return torch.stack([(own - theirs).square().mean() / 2 for own, theirs in pairs]).mean()
