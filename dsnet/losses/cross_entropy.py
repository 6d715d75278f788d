"""Cross-entropy with weights of the classes, smoothed labels, and labels that are mixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CrossEntropy(nn.Module):
    """Cross-entropy, the mean over clips; a clip counts by the weight of its class.

    Args:
        smoothing: part of every label that is divided equally among the K classes (Szegedy et al.,
            2016).
        weights: of the K classes; the default is 1.
    """

    weights: Tensor

    def __init__(
        self, classes: int, smoothing: float, weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        given = torch.tensor(weights or [1.0] * classes, dtype=torch.float32)
        self.register_buffer("weights", given, False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute a scalar from (N, K) and labels, int64 (N,) or mixed, (N, K).

        The sum is not divided by the weights of the batch's clips, as PyTorch's is: so the parts of
        a batch in several processes add up to the whole, and a batch of one class has its weight.
        """
        shares = labels if labels.ndim == 2 else F.one_hot(labels, len(self.weights))
        weighted = shares * self.weights
        smoothed = torch.lerp(weighted, weighted.mean(1, keepdim=True), self.smoothing)
        return F.cross_entropy(logits, smoothed)


def balanced(counts: Sequence[int]) -> list[float]:
    """Compute weights of classes from their numbers of videos: inverse, 1 on average over videos.

    n / (K n_k) for n videos of K classes that have any; a class without a video has weight 0.
    """
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]
