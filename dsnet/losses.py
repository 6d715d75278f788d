"""Distillation losses of MARS and of the Dual-action Stream, and their sum with cross-entropy.

Each loss compares the features of a student with those of its teacher, two mappings of level
name to (N, C, T, H, W) or (N, C) tensors of equal shapes (see ``forward_features``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.linalg import vector_norm
from torch.nn import functional as F

from dsnet.models import Frozen, ResNeXt3D

Features = Mapping[str, Tensor]
GRAM_ROWS = 512  # rows of the blocks of Gram matrices that are in memory at a time
# The power of C that the sum over a Gram matrix's C² entries is divided by.
NORMALIZERS = {"paper": 1, "channels": 2, "mean": 3}


class FeatureMSE(nn.Module):
    """Equation 1 (MARS): the mean squared error between features, averaged over levels."""

    def __init__(self, levels: Sequence[str] = ("avgpool",)) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        distances = [_difference(student[k], teacher[k]).square().mean() for k in self.levels]
        return torch.stack(distances).mean()


class MultiLevelMAE(nn.Module):
    """Equation 2: the mean over levels of the mean absolute difference of the features."""

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        means = [_mean_absolute(_difference(student[k], teacher[k])) for k in self.levels]
        return torch.stack(means).mean()


def _mean_absolute(difference: Tensor) -> Tensor:
    """The mean of the absolute values of (N, C, ...), without a tensor of them.

    They are summed channel by channel: ``vector_norm`` adds one by one, and float32 loses per
    cents of a sum of millions.
    """
    each = tuple(range(min(2, difference.ndim - 1), difference.ndim))
    return vector_norm(difference, 1, dim=each).sum() / difference.numel()


def _difference(student: Tensor, teacher: Tensor) -> Tensor:
    """In float32 or wider; the backward pass keeps it alone, and no teacher's features."""
    dtype = torch.promote_types(student.dtype, torch.float32)
    return student.to(dtype) - teacher.to(dtype)


class GramDistance(nn.Module):
    """Equation 3: the L1 distance of the Gram matrices of the features.

    With F the C x (T·H·W) features of one clip and G = F Fᵀ, the sum over the entries of
    \\|G_s - G_t\\| is divided by C·T·H·W, averaged over the levels (the paper's n-1) and the batch.

    Args:
        levels: names of 5-D features.
        normalize: a key of :data:`NORMALIZERS`. ``paper`` is as printed. ``channels`` divides each
            level once more by its C: the mean over the entries of \\|G_s - G_t\\| / (T·H·W), which
            does not grow with the number of channels. ``mean`` divides by C²: the mean over the
            entries of the printed matrices, as ``nn.L1Loss`` takes it.
    """

    def __init__(self, levels: Sequence[str], normalize: str = "paper") -> None:
        super().__init__()
        if normalize not in NORMALIZERS:
            known = ", ".join(NORMALIZERS)
            raise ValueError(f"normalize must be one of {known}, not {normalize!r}")
        self.levels = tuple(levels)
        self.power = NORMALIZERS[normalize]

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        return torch.stack([self._level(student[k], teacher[k]) for k in self.levels]).mean()

    def _level(self, student: Tensor, teacher: Tensor) -> Tensor:
        channels, positions = student.shape[1], student[0, 0].numel()
        return gram_distance(student, teacher).mean() / (positions * channels**self.power)


def gram_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """(N,), the sum over the entries of \\|F Fᵀ - H Hᵀ\\| of every clip, in float32 or wider.

    ``student`` and ``teacher``, (N, C, ...), are F and H, matrices of C rows.
    """
    with torch.autocast(student.device.type, enabled=False):
        dtype = torch.promote_types(student.dtype, torch.float32)
        f, h = (x.to(dtype).reshape(*x.shape[:2], -1) for x in (student, teacher))
        return _GramDistance.apply(f, h)


class _GramDistance(torch.autograd.Function):
    """:func:`gram_distance` block by block, so that no C x C matrix is ever in memory.

    With A = F - H and B = F + H, the difference of the Gram matrices is (A Bᵀ + B Aᵀ) / 2, which
    takes half the products, loses no digits where F and H are close, and is symmetric, so that the
    blocks on and above the diagonal suffice. The gradient, 2 sign(F Fᵀ - H Hᵀ) F, is summed up on
    the way.
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


TERMS: dict[str, type[nn.Module]] = {"mse": FeatureMSE, "mae": MultiLevelMAE, "gram": GramDistance}


class Distillation(nn.Module):
    """Equation 4: cross-entropy plus weighted distillation terms against a frozen teacher.

    Args:
        teacher: network of the flow stream.
        losses: the config's ``losses`` of a stream: name of :data:`TERMS` to its weight and
            arguments. A term with a ``share`` has a weight of 1 until :meth:`balance` sets it.
    """

    inputs = ("rgb", "flow")
    teacher: Frozen
    weights: Tensor

    def __init__(self, teacher: ResNeXt3D, losses: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.teacher = Frozen(teacher)
        self.shares = {n: entry["share"] for n, entry in losses.items() if entry.get("share")}
        self.start = [1.0 if n in self.shares else entry["weight"] for n, entry in losses.items()]
        # A tensor, since compiled code would be made again for every new number.
        self.register_buffer("weights", torch.tensor(self.start, dtype=torch.float32), False)
        self.terms = nn.ModuleDict()
        for name, entry in losses.items():
            own = {key: value for key, value in entry.items() if key not in ("weight", "share")}
            self.terms[name] = TERMS[name](**own)

    def forward(
        self, student: ResNeXt3D, clips: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (N, K) and the weighted terms, scalars by name; the loss is their sum."""
        run = self._overlapping if clips["flow"].is_cuda else self._one_by_one
        logits, features, targets = run(student, clips)
        terms = {"ce": F.cross_entropy(logits, labels)}
        for weight, (name, loss) in zip(self.weights, self.terms.items(), strict=True):
            terms[name] = weight * loss(features, targets)
        return logits, terms

    def balance(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Set the weights of terms with a share; return the factor that each term's changes by.

        Afterwards the norm of a term with a share is that part of the sum of all norms. A term
        whose gradient is zero keeps its weight and does not count. All keep theirs where a norm is
        not finite, or nothing but terms with a share has a gradient.

        Args:
            norms: the norm of the gradient of every weighted term, ``ce`` among them.
        """
        shares = {name: share for name, share in self.shares.items() if norms[name] > 0}
        given = sum(norm for name, norm in norms.items() if name not in shares)
        if not given or not all(map(math.isfinite, norms.values())):
            return {}
        total = given / (1 - sum(shares.values()))
        factors = {name: share * total / norms[name] for name, share in shares.items()}
        # Not in place: the graph of the terms needs the weights that they were made with.
        self.weights = self.weights * self.weights.new_tensor(
            [factors.get(name, 1.0) for name in self.terms]
        )
        return factors

    def reset(self) -> None:
        """Give the terms with a share a weight of 1 again, so that no epoch depends on the last."""
        self.weights = self.weights.new_tensor(self.start)

    def _one_by_one(
        self, student: ResNeXt3D, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """The student's logits and features, and the teacher's features."""
        return *student.forward_features(clips["rgb"]), self.teacher(clips["flow"])

    def _overlapping(
        self, student: ResNeXt3D, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """The same with both forward passes at once, on a GPU."""
        flow = clips["flow"]
        main, side = torch.cuda.current_stream(flow.device), torch.cuda.Stream(flow.device)
        side.wait_stream(main)  # the clips must be there
        with torch.cuda.stream(side):
            targets = self.teacher(flow)
        logits, features = student.forward_features(clips["rgb"])
        main.wait_stream(side)
        # Or their memory could be given to others while the other stream still uses it.
        flow.record_stream(side)
        for target in targets.values():
            target.record_stream(main)
        return logits, features, targets
