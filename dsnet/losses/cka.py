"""Centred kernel alignment of the features at positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsnet.losses.features import Features
from dsnet.losses.normalising import wide

GOLDEN = (math.sqrt(5) - 1) / 2
LEAST = 1e-10  # of the squares of the features: what varies less is rounding


class KernelAlignment(nn.Module):
    """1 - linear CKA (Kornblith et al., 2019, arXiv:1905.00414) of student and teacher.

    It compares how alike any two positions are, as the Gram term compares any two channels. So it
    does not change if features are scaled, shifted, or rotated in the space of channels.

    The rows of X, (n, C), are the features at n positions of the batch. K̃ is X Xᵀ of centred X,
    U-centred (Szekely and Rizzo, 2014): without its diagonal, rows that sum to 0. The loss is 1 -
    ⟨K̃_s, K̃_t⟩ / (‖K̃_s‖ ‖K̃_t‖), from 0 to 2, and the mean over levels. This is the debiased
    estimator. The usual one takes any two networks for alike where C is larger than n, as at late
    levels. Fewer than four rows say nothing: then the loss is 0. With features that do not vary it
    is 1. In several processes, each takes positions of its own part of the batch.

    Args:
        levels: names of features.
        positions: n at most. They are the same in each step, spread over clips, time and space
            (:func:`spread`). The cost is 3 n² C multiply-adds per level and step.
    """

    def __init__(self, levels: Sequence[str], positions: int = 256) -> None:
        super().__init__()
        self.levels, self.positions = tuple(levels), positions

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        with torch.autocast(student[self.levels[0]].device.type, enabled=False):
            levels = [self._level(student[k], teacher[k]) for k in self.levels]
        return torch.stack(levels).mean()

    def _level(self, student: Tensor, teacher: Tensor) -> Tensor:
        own, theirs = (wide(self._rows(x)) for x in (student, teacher))
        if len(own) < 4:
            return 0 * own.sum()
        k, m = _kernel(own), _kernel(theirs)
        squares = (_product(k, k), _least(own)), (_product(m, m), _least(theirs))
        scales = [torch.maximum(square, least).rsqrt() for square, least in squares]
        return 1 - _product(k, m) * scales[0] * scales[1]

    def _rows(self, x: Tensor) -> Tensor:
        """Return the features at the positions, (N, C, ...) to (n, C)."""
        flat = x[..., None].flatten(2)
        places = spread(len(x) * flat.shape[2], self.positions, x.device)
        return flat[places // flat.shape[2], :, places % flat.shape[2]]


def spread(total: int, most: int, device: torch.device | None = None) -> Tensor:
    """Return ``most`` of the numbers below ``total``, evenly spread; int64, or all if fewer.

    One of each of so many equal parts, at multiples of the golden ratio within the parts. Numbers
    at equal steps would all be of one column of a frame, if the step were a multiple of its width.
    """
    if total <= most:
        return torch.arange(total, device=device)
    number = torch.arange(most, device=device)
    starts, ends = number * total // most, (number + 1) * total // most
    return starts + (number.double() * GOLDEN % 1 * (ends - starts)).long()


def _kernel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute X Xᵀ of centred rows, (n, n), without its diagonal, and the sums of its rows."""
    x = x - x.mean(dim=0)
    gram = (x @ x.mT).fill_diagonal_(0)
    return gram, gram.sum(dim=0)


def _product(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Compute the inner product of two U-centred kernels (Song et al., 2012, equation 5)."""
    (k, sums), (m, others) = one, other
    n = len(k)
    total = sums.sum() * others.sum() / ((n - 1) * (n - 2))
    return (k * m).sum() + total - 2 / (n - 2) * (sums @ others)


def _least(x: Tensor) -> Tensor:
    """Return the least square of a kernel's length to divide by, of (n, C)."""
    squares = x.detach().square().sum()
    return (LEAST * squares).square().clamp_min(torch.finfo(x.dtype).tiny)
