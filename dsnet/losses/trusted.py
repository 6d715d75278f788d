"""The multi-level MAE where the teacher is right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from dsnet.losses.features import Features, difference
from dsnet.losses.normalising import wide

LEAST = 1e-12  # mean probability to divide by


class TrustedMAE(nn.Module):
    """Equation 2 with a weight for each clip: how likely its class is to the teacher.

    The weight is the teacher's probability of the true class, divided by its mean over the batch.
    So the weights are 1 on average. In several processes, the mean is over each one's own part of
    the batch.
    """

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        """Compute the scalar loss; labels are int64 (N,)."""
        means = [_mean_absolute(difference(student[k], teacher[k])) for k in self.levels]
        right = wide(teacher["logits"]).softmax(dim=1).gather(1, labels[:, None])[:, 0]
        return (right / right.mean().clamp_min(LEAST) * torch.stack(means)).mean()


def _mean_absolute(difference: Tensor) -> Tensor:
    """Compute the mean of the absolute values of every clip, (N, C, ...) to (N,)."""
    wider = difference[..., None]  # (N, C) have a position, too
    norms = vector_norm(wider, 1, dim=tuple(range(2, wider.ndim)))
    return norms.mean(dim=1) / wider[0, 0].numel()
