"""What losses that do not see scale use: features in float32, standardised or of length 1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-5  # of batch norm


def wide(x: Tensor) -> Tensor:
    """Return ``x`` in float32 or wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def standardised(x: Tensor) -> Tensor:
    """Standardise each channel of (N, C, ...) over clips and positions, in float32 or wider.

    (x - mean) / √(variance + 1e-5), as batch norm does. So a constant channel becomes 0.
    """
    return torch.batch_norm(wide(x), None, None, None, None, True, 0.0, EPSILON, False)


def angle(student: Tensor, teacher: Tensor, least: float) -> Tensor:
    """Compute 1 - cos of the rows of two matrices, (n, m) to (n,).

    It is half the squared distance of the rows at length 1. A row shorter than ``least`` is divided
    by ``least`` instead. So equal rows have distance 0, rows of zeros too.
    """
    own, theirs = (F.normalize(x, dim=1, eps=least) for x in (student, teacher))
    return (own - theirs).square().sum(dim=1) / 2
