"""DIST, the relations of class probabilities."""

from __future__ import annotations

from torch import Tensor, nn

from dsnet.losses.features import Features
from dsnet.losses.normalising import angle, wide

# Length of deviations that still counts in full. With less, gradients could be beyond float16.
LEAST = 1e-4


class Relations(nn.Module):
    """Equations 4 to 8 of Huang et al. (2022, arXiv:2205.10536): 1 - Pearson correlation.

    With softened probabilities p = softmax(logits / τ), (N, K): τ² times the sum of the mean over
    clips of 1 - r of the K classes (inter-class), and the mean over classes of 1 - r of the N clips
    (intra-class, which is 0 in a batch of one). Where p deviate by less than 1e-4 together, r is
    near 0. In several processes, N is each one's own part of
    the batch.
    """

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Features, teacher: Features) -> Tensor:
        """Compute the scalar loss."""
        own, theirs = (
            (wide(x["logits"]) / self.temperature).softmax(dim=1) for x in (student, teacher)
        )
        both = unrelated(own, theirs) + unrelated(own.mT, theirs.mT)
        return self.temperature**2 * both


def unrelated(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the mean over rows of 1 - the Pearson correlation, (n, m) to a scalar."""
    own, theirs = (x - x.mean(dim=1, keepdim=True) for x in (student, teacher))
    return angle(own, theirs, LEAST).mean()
