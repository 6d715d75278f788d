"""The multi-level MAE of the Dual-action Stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from dsnet.losses.features import Features, difference


class MultiLevelMAE(nn.Module):
    """Equation 2: the mean over levels of the mean absolute difference of the features."""

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        means = [_mean_absolute(difference(student[k], teacher[k])) for k in self.levels]
        return torch.stack(means).mean()


def _mean_absolute(difference: Tensor) -> Tensor:
    """Compute the mean of the absolute values, (N, C, ...), without a tensor of them.

    Channel by channel: in a sum of millions, ``vector_norm`` in float32 loses per cents.
    """
    each = tuple(range(min(2, difference.ndim - 1), difference.ndim))
    return vector_norm(difference, 1, dim=each).sum() / difference.numel()
