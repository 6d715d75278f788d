"""Decoupled knowledge distillation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsnet.losses.features import Features
from dsnet.losses.normalising import wide


class DecoupledKD(nn.Module):
    """Equation 7 of Zhao et al. (2022, arXiv:2203.08679): the true class apart from the others.

    With p = softmax(logits / T): T² (KL of (p_y, 1 - p_y) + β KL of the probabilities of the other
    classes among themselves), each from the teacher's to the student's, the mean over clips. The
    paper's alpha is the weight of the term.
    """

    def __init__(self, temperature: float = 4.0, beta: float = 8.0) -> None:
        super().__init__()
        self.temperature, self.beta = temperature, beta

    def forward(self, student: Features, teacher: Features, labels: Tensor) -> Tensor:
        """Compute the scalar loss; labels are int64 (N,)."""
        own, theirs = (
            _decoupled(wide(x["logits"]) / self.temperature, labels) for x in (student, teacher)
        )
        target, others = (
            F.kl_div(q, p, reduction="batchmean", log_target=True)
            for q, p in zip(own, theirs, strict=True)
        )
        return self.temperature**2 * (target + self.beta * others)


def _decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute log (p_y, 1 - p_y), (N, 2), and of the other classes, (N, K - 1)."""
    columns = torch.arange(logits.shape[1] - 1, device=logits.device)
    others = logits.gather(1, columns + (columns >= labels[:, None]))
    both = torch.cat([logits.gather(1, labels[:, None]), others.logsumexp(1, keepdim=True)], 1)
    return both.log_softmax(dim=1), others.log_softmax(dim=1)
