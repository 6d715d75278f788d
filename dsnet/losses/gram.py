"""The Gram loss of the Dual-action Stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dsnet.losses.features import Features

GRAM_ROWS = 512  # rows per block; a block of Gram matrices is in memory at a time
# The sum over the C² entries of a Gram matrix is divided by this power of C.
NORMALIZERS = {"paper": 1, "channels": 2, "mean": 3}


class GramDistance(nn.Module):
    """Equation 3: the L1 distance of the Gram matrices of the features.

    The sum over the entries of \\|G_s - G_t\\| is divided by C·T·H·W, where G = F Fᵀ and F has the
    features of one clip, C x (T·H·W). The result is the mean over levels (the paper's n-1) and
    clips.

    Args:
        levels: names of 5-D features.
        normalize: a key of :data:`NORMALIZERS`. ``paper`` is the equation as printed. ``channels``
            divides once more by C: the mean over the entries of \\|G_s - G_t\\| / (T·H·W), which
            does not grow with C. ``mean`` divides once more by C²: the mean over the entries of the
            printed matrices, as in ``nn.L1Loss``.
    """

    def __init__(self, levels: Sequence[str], normalize: str = "paper") -> None:
        super().__init__()
        if normalize not in NORMALIZERS:
            known = ", ".join(NORMALIZERS)
            raise ValueError(f"normalize must be one of {known}, not {normalize!r}")
        self.levels = tuple(levels)
        self.power = NORMALIZERS[normalize]

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        return torch.stack([self._level(student[k], teacher[k]) for k in self.levels]).mean()

    def _level(self, student: Tensor, teacher: Tensor) -> Tensor:
        channels, positions = student.shape[1], student[0, 0].numel()
        return gram_distance(student, teacher).mean() / (positions * channels**self.power)


def gram_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the sum over the entries of \\|F Fᵀ - H Hᵀ\\| per clip, (N,), in float32 or wider.

    ``student`` and ``teacher``, (N, C, ...), are F and H, matrices of C rows.
    """
    with torch.autocast(student.device.type, enabled=False):
        dtype = torch.promote_types(student.dtype, torch.float32)
        f, h = (x.to(dtype).reshape(*x.shape[:2], -1) for x in (student, teacher))
        return _GramDistance.apply(f, h)


class _GramDistance(torch.autograd.Function):
    """:func:`gram_distance` by blocks; no C x C matrix is ever in memory.

    With A = F - H and B = F + H, the difference of the Gram matrices is (A Bᵀ + B Aᵀ) / 2. This
    form takes half the products and loses no digits if F and H are close. It is symmetric, so only
    blocks on and above the diagonal count. The gradient, 2 sign(F Fᵀ - H Hᵀ) F, is summed up too.
    """

    @staticmethod
    def forward(ctx: Any, f: Tensor, h: Tensor) -> Tensor:
        a, b = f - h, f + h
        total, gradient = f.new_zeros(len(f)), torch.zeros_like(f)
        blocks = [slice(row, row + GRAM_ROWS) for row in range(0, f.shape[1], GRAM_ROWS)]
        for number, rows in enumerate(blocks):
            twice = a[:, rows] @ b[:, rows].mT
            twice = twice + twice.mT
            total += twice.abs().sum(dim=(1, 2)) / 2
            gradient[:, rows].baddbmm_(twice.sign_(), f[:, rows])
            for columns in blocks[number + 1 :]:
                twice = a[:, rows] @ b[:, columns].mT
                twice.baddbmm_(b[:, rows], a[:, columns].mT)
                total += twice.abs().sum(dim=(1, 2))
                gradient[:, rows].baddbmm_(twice.sign_(), f[:, columns])
                gradient[:, columns].baddbmm_(twice.mT, f[:, rows])
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return 2 * given[0][:, None, None] * gradient, None
