"""Attention fusion of several streams' class scores (figure 2 of the paper, which has two)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionFusion(nn.Module):
    """Concatenated scores → two linear layers → softmax → a weight each → weighted sum.

    Args:
        num_classes: K.
        hidden: width between the two linear layers. The paper names no nonlinearity between them
            and none is used.
        streams: S, how many are fused.
    """

    def __init__(self, num_classes: int, hidden: int, streams: int = 2) -> None:
        super().__init__()
        self.linear1 = nn.Linear(streams * num_classes, hidden)
        self.linear2 = nn.Linear(hidden, streams)

    def weights(self, *scores: Tensor) -> Tensor:
        """(N, K) scores of each of the S streams to (N, S) weights that sum to one."""
        return self.linear2(self.linear1(torch.cat(scores, dim=1))).softmax(dim=1)

    def forward(self, *scores: Tensor) -> Tensor:
        """(N, K) scores of each of the S streams to their weighted sum, (N, K)."""
        weights = self.weights(*scores)
        first, *others = (weights[:, i : i + 1] * s for i, s in enumerate(scores))
        return sum(others, first)
