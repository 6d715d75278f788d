"""MARS's loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsnet.losses.features import Features, difference


class FeatureMSE(nn.Module):
    """Equation 1 (MARS): the mean squared error between features, averaged over levels."""

    def __init__(self, levels: Sequence[str] = ("avgpool",)) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        distances = [difference(student[k], teacher[k]).square().mean() for k in self.levels]
        return torch.stack(distances).mean()
