"""Fusion by attention (figure 2 of the paper, which has two streams)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsnet.scores.values import Part

# The part of the scores that the attention is fitted on, by the config's fusion.fit.
FITTED = {"train": "train", "held-out": "validation"}


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


def attention(
    known: Sequence[Part], test: Sequence[Part], options: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit :class:`AttentionFusion` to ``known`` scores, by cross-entropy; apply it to the test's.

    The streams are frozen: only their scores are seen. Streams know their training videos by heart,
    so that scores of held-out videos say more of what a stream is worth in the test. Cross-fitting,
    which gives all training videos such scores, would train every stream once more for each fold.

    Returns the fused video scores, (V, K) float32, and the weights of the S streams, (V, S)
    float32.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    inputs = [torch.from_numpy(part.videos) for part in known]
    labels = torch.from_numpy(known[0].labels)
    module = AttentionFusion(inputs[0].shape[1], options["hidden"], len(inputs))
    optimizer = torch.optim.Adam(
        module.parameters(), lr=options["lr"], weight_decay=options["weight_decay"]
    )
    for _ in range(options["epochs"]):
        for chosen in torch.randperm(len(labels)).split(options["batch_size"]):
            loss = F.cross_entropy(module(*(scores[chosen] for scores in inputs)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    shown = [torch.from_numpy(part.videos) for part in test]
    with torch.no_grad():
        return module(*shown).numpy(), module.weights(*shown).numpy()


def summary(weights: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Mean weights of the streams, over all videos and over those of each class."""
    return {
        "mean": weights.mean(axis=0).tolist(),
        "per_class": [
            weights[labels == label].mean(axis=0).tolist() if (labels == label).any() else None
            for label in range(classes)
        ],
    }
