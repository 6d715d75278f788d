"""Fusion by attention (figure 2 of the paper, with two streams there)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AttentionFusion(nn.Module):
    """Concatenated scores → two linear layers → softmax → a weight each → weighted sum.

    Args:
        num_classes: K.
        hidden: width between the linear layers. The paper names no nonlinearity.
        streams: S, the number of streams.
    """

    def __init__(self, num_classes: int, hidden: int, streams: int = 2) -> None:
        super().__init__()
        self.linear1 = nn.Linear(streams * num_classes, hidden)
        self.linear2 = nn.Linear(hidden, streams)

    def weights(self, *scores: Tensor) -> Tensor:
        """Compute weights, (N, S), that sum to one from the S streams' scores, each (N, K)."""
        return self.linear2(self.linear1(torch.cat(scores, dim=1))).softmax(dim=1)

    def forward(self, *scores: Tensor) -> Tensor:
        """Compute the weighted sum, (N, K), of the S streams' scores, each (N, K)."""
        weights = self.weights(*scores)
        first, *others = (weights[:, i : i + 1] * s for i, s in enumerate(scores))
        return sum(others, first)


class Attention:
    """:class:`AttentionFusion`, fitted to scores by cross-entropy.

    The streams are frozen: only their scores are used. Streams know their training videos by heart,
    so scores of held-out videos tell more of a stream's worth in the test. Cross-fitting would give
    such scores to all training videos, but would train every stream once more per fold.

    Args:
        hidden: see :class:`AttentionFusion`.
        epochs: passes over the scores.
        batch_size: videos per step.
        lr: learning rate of Adam.
        weight_decay: of Adam.
    """

    def __init__(
        self, hidden: int, epochs: int, batch_size: int, lr: float, weight_decay: float
    ) -> None:
        self.hidden, self.epochs, self.batch_size = hidden, epochs, batch_size
        self.lr, self.weight_decay = lr, weight_decay

    def fit(self, scores: Sequence[np.ndarray], labels: np.ndarray, seed: int) -> None:
        """Fit to (V, K) float32 scores of each of the S streams and (V,) int64 labels."""
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        inputs, targets = [torch.from_numpy(s) for s in scores], torch.from_numpy(labels)
        self.module = AttentionFusion(inputs[0].shape[1], self.hidden, len(inputs))
        optimizer = torch.optim.Adam(
            self.module.parameters(), lr=self.lr, weight_decay=self.weight_decay
        )
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(targets)).split(self.batch_size):
                fused = self.module(*(s[chosen] for s in inputs))
                loss = F.cross_entropy(fused, targets[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    @torch.no_grad()
    def weights(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the weights of the streams, (V, S) float32."""
        return self.module.weights(*map(torch.from_numpy, scores)).numpy()

    @torch.no_grad()
    def __call__(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Fuse the scores of each stream, (V, K) float32, to (V, K) float32."""
        return self.module(*map(torch.from_numpy, scores)).numpy()
