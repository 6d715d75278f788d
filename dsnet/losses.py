"""Distillation losses of MARS and of the Dual-action Stream, and their sum with cross-entropy.

Each loss compares the features of a student with those of its teacher, two mappings of level
name to (N, C, T, H, W) or (N, C) tensors of equal shapes (see ``forward_features``).
"""

from __future__ import annotations

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
        differences = [_difference(student[k], teacher[k]) for k in self.levels]
        # As abs().mean(), without a tensor of absolute values.
        return torch.stack([vector_norm(d, 1) / d.numel() for d in differences]).mean()


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
        normalize: ``paper`` as printed; ``channels`` divides each level once more by its C, which
            makes the entry-wise mean of the Gram matrices' difference over T·H·W and so keeps
            the term from growing with the number of channels.
    """

    def __init__(self, levels: Sequence[str], normalize: str = "paper") -> None:
        super().__init__()
        if normalize not in ("paper", "channels"):
            raise ValueError(f"normalize must be paper or channels, not {normalize!r}")
        self.levels = tuple(levels)
        self.normalize = normalize

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        return torch.stack([self._level(student[k], teacher[k]) for k in self.levels]).mean()

    def _level(self, student: Tensor, teacher: Tensor) -> Tensor:
        channels, positions = student.shape[1], student[0, 0].numel()
        divisor = channels * positions * (channels if self.normalize == "channels" else 1)
        return gram_distance(student, teacher).mean() / divisor


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
            total += vector_norm(twice, 1, dim=(1, 2)) / 2
            gradient[:, rows].baddbmm_(twice.sign_(), f[:, rows])
            for columns in blocks[number + 1 :]:
                twice = a[:, rows] @ b[:, columns].mT
                twice.baddbmm_(b[:, rows], a[:, columns].mT)
                total += vector_norm(twice, 1, dim=(1, 2))
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
        losses: the config's ``losses`` of a stream: name of :data:`TERMS` to weight and arguments.
    """

    inputs = ("rgb", "flow")
    teacher: Frozen

    def __init__(self, teacher: ResNeXt3D, losses: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.teacher = Frozen(teacher)
        self.weights = {name: float(entry["weight"]) for name, entry in losses.items()}
        self.terms = nn.ModuleDict(
            {
                name: TERMS[name](**{k: v for k, v in entry.items() if k != "weight"})
                for name, entry in losses.items()
            }
        )

    def forward(
        self, student: ResNeXt3D, clips: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (N, K) and the weighted terms, scalars by name; the loss is their sum."""
        run = self._overlapping if clips["flow"].is_cuda else self._one_by_one
        logits, features, targets = run(student, clips)
        terms = {"ce": F.cross_entropy(logits, labels)}
        for name, loss in self.terms.items():
            terms[name] = self.weights[name] * loss(features, targets)
        return logits, terms

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
