"""Noise that keeps a training from learning its videos by heart: mixup and dropout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mixup:
    """Mixup (Zhang et al., 2018): λ times a clip plus 1 - λ times another of its batch.

    λ and the pairs depend on (seed, epoch, step, rank) alone. The others are those of this process.

    Args:
        alpha: λ is drawn from Beta(alpha, alpha), one for a batch.
        classes: number of classes K.
        seed: of the training.
        rank: of this process.
    """

    def __init__(self, alpha: float, classes: int, seed: int, rank: int = 0) -> None:
        self.alpha, self.classes, self.seed, self.rank = alpha, classes, seed, rank

    def __call__(
        self, batch: Mapping[str, Tensor], labels: Tensor, epoch: int, step: int
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Mix clips, (N, C, T, H, W) by modality, and labels, int64 (N,), which become (N, K).

        All modalities and the labels have the same λ and the same pairs, so that a teacher sees the
        flow of the two clips that its student sees.
        """
        # Rank 0 would be the generator of an item of the clips: trailing zeros do not count.
        rng = np.random.default_rng((self.seed, epoch, step, self.rank + 1))
        share = float(rng.beta(self.alpha, self.alpha))
        others = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
        shares = F.one_hot(labels, self.classes).float()
        mixed = {name: torch.lerp(clips[others], clips, share) for name, clips in batch.items()}
        return mixed, torch.lerp(shares[others], shares, share)


class Dropout:
    """A hook that sets inputs of the classifier to zero in training, and scales the others up.

    As a hook, it changes neither the names of parameters nor what is saved.

    Args:
        probability: of a value to become zero.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the inputs that the module is to get instead."""
        first, *others = inputs
        return F.dropout(first, self.probability, module.training), *others
