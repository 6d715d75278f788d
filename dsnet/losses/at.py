"""Attention transfer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsnet.losses.features import Features
from dsnet.losses.normalising import angle, wide

LEAST = 1e-12  # length of a map that still counts as one that is not empty


class AttentionTransfer(nn.Module):
    """Equation 2 of Zagoruyko and Komodakis (2017, arXiv:1612.03928), squared as in their code.

    A clip's attention map Q is the sum over channels of the squared features, T·H·W numbers,
    divided by its Euclidean length. The loss is the sum over positions of (Q_s - Q_t)², from 0 to
    2, and the mean over clips and levels. Their code has the mean over positions. Then a level
    would count by the inverse of its size.
    """

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        maps = [(_attention(student[k]), _attention(teacher[k])) for k in self.levels]
        return 2 * torch.stack([angle(own, theirs, LEAST).mean() for own, theirs in maps]).mean()


def _attention(x: Tensor) -> Tensor:
    """Sum the squares over channels, (N, C, T, H, W) to (N, T·H·W)."""
    return wide(x).square().sum(dim=1).flatten(1)
