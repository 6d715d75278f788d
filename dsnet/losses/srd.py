"""SRD, the logarithm of a sum of powers of standardised differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from dsnet.losses.features import Features
from dsnet.losses.normalising import standardised, wide

PROJECTORS = ("none", "linear")
LEAST = 1e-12  # the mean of powers where student equals teacher


class SoftMaximum(nn.Module):
    """Miles and Mikolajczyk (2024, arXiv:2303.11098): log of the mean of \\|z_s - z_t\\|^p.

    z are features that are standardised over clips and positions (:func:`.standardised`), of the
    student after a linear map if there is one. The paper has the sum: its value differs by a
    constant, and its gradient is the same. The mean over levels is taken. The value may be
    negative. In several processes, each takes its own part of the batch.

    Args:
        level_channels: channels of the teacher's features by level.
        levels: names of features.
        projector: ``linear`` has a matrix C x C for each level, which is trained with the student.
            At avgpool it costs next to nothing. At all levels it takes 3 C² multiply-adds per
            position and step, and the Gram term takes 2: dearer than the Dual-action Stream.
        alpha: the exponent p.
    """

    def __init__(
        self,
        level_channels: Mapping[str, int],
        levels: Sequence[str] = ("avgpool",),
        projector: str = "none",
        alpha: float = 4.0,
    ) -> None:
        super().__init__()
        if projector not in PROJECTORS:
            raise ValueError(f"projector must be one of {', '.join(PROJECTORS)}, not {projector!r}")
        self.levels, self.alpha = tuple(levels), alpha
        sizes = {k: level_channels[k] for k in levels} if projector == "linear" else {}
        # No bias: the mean is subtracted anyway.
        self.projectors = nn.ModuleDict({k: nn.Linear(c, c, bias=False) for k, c in sizes.items()})

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        return torch.stack([self._level(k, student[k], teacher[k]) for k in self.levels]).mean()

    def _level(self, name: str, student: Tensor, teacher: Tensor) -> Tensor:
        own = wide(student)
        if name in self.projectors:
            with torch.autocast(own.device.type, enabled=False):
                own = self.projectors[name](own.movedim(1, -1)).movedim(-1, 1)
        difference = standardised(own) - standardised(teacher)
        return (difference.abs().pow(self.alpha).mean() + LEAST).log()
