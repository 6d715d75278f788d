"""Attention fusion of two streams' class scores (figure 2 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionFusion(nn.Module):
    """Concatenated scores → two linear layers → softmax → two weights → weighted sum.

    Args:
        num_classes: K.
        hidden: width between the two linear layers. The paper names no nonlinearity between them
            and none is used.
    """

    def __init__(self, num_classes: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(2 * num_classes, hidden)
        self.linear2 = nn.Linear(hidden, 2)

    def weights(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, K) scores of both streams to (N, 2) weights that sum to one."""
        return self.linear2(self.linear1(torch.cat([a, b], dim=1))).softmax(dim=1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, K) scores of both streams to their weighted sum, (N, K)."""
        weights = self.weights(a, b)
        return weights[:, :1] * a + weights[:, 1:] * b
