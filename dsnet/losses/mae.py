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
        """Scalar."""
        means = [_mean_absolute(difference(student[k], teacher[k])) for k in self.levels]
        return torch.stack(means).mean()


def _mean_absolute(difference: Tensor) -> Tensor:
    """The mean of the absolute values of (N, C, ...), without a tensor of them.

    They are summed channel by channel: ``vector_norm`` adds one by one, and float32 loses per
    cents of a sum of millions.
    """
    each = tuple(range(min(2, difference.ndim - 1), difference.ndim))
    return vector_norm(difference, 1, dim=each).sum() / difference.numel()
