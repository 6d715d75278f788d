"""Distillation losses of MARS and of the Dual-action Stream, and their sum with cross-entropy.

Each loss compares the features of a student with those of its teacher, two mappings of level
name to (N, C, T, H, W) or (N, C) tensors of equal shapes (see ``forward_features``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsnet.models import Frozen, ResNeXt3D

Features = Mapping[str, Tensor]


class FeatureMSE(nn.Module):
    """Equation 1 (MARS): the mean squared error between features, averaged over levels."""

    def __init__(self, levels: Sequence[str] = ("avgpool",)) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        return torch.stack([F.mse_loss(student[k], teacher[k]) for k in self.levels]).mean()


class MultiLevelMAE(nn.Module):
    """Equation 2: the mean over levels of the mean absolute difference of the features."""

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Scalar."""
        return torch.stack([F.l1_loss(student[k], teacher[k]) for k in self.levels]).mean()


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
        distance = (gram(student) - gram(teacher)).abs().sum(dim=(1, 2)).mean()
        divisor = channels * positions * (channels if self.normalize == "channels" else 1)
        return distance / divisor


def gram(features: Tensor) -> Tensor:
    """(N, C, ...) features to (N, C, C) inner products of their channels, in float32 or wider."""
    with torch.autocast(features.device.type, enabled=False):
        flat = features.flatten(2) if features.dim() > 2 else features[..., None]
        flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
        return flat @ flat.transpose(1, 2)


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
        logits, features = student.forward_features(clips["rgb"])
        targets = self.teacher(clips["flow"])
        terms = {"ce": F.cross_entropy(logits, labels)}
        for name, loss in self.terms.items():
            terms[name] = self.weights[name] * loss(features, targets)
        return logits, terms
