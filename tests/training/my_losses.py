"""Losses as a user writes them: plainly, with labels, with parameters and draws of their own."""

import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Plain(nn.Module):
    """Squared error of logits."""

    def forward(self, student, teacher):
        return F.mse_loss(student["logits"], teacher["logits"])


class Trusting(nn.Module):
    """The same where the teacher is right."""

    def forward(self, student, teacher, labels):
        right = teacher["logits"].argmax(dim=1) == labels
        each = (student["logits"] - teacher["logits"]).square().mean(dim=1)
        return (right * each).mean()


class Projected(nn.Module):
    """Squared error of a learnt map of the student's pooled features."""

    def __init__(self, channels):
        super().__init__()
        self.projector = nn.Linear(channels, channels)

    def forward(self, student, teacher):
        return F.mse_loss(self.projector(student["avgpool"]), teacher["avgpool"])


class Drawing(Projected):
    """The same of some clips and channels, drawn from every generator."""

    def __init__(self, channels):
        super().__init__(channels)
        self.scale = random.random() + np.random.rand()  # noqa: NPY002 - as users do

    def forward(self, student, teacher):
        kept = torch.randperm(len(student["avgpool"]))[: random.choice((1, 2))]
        dropped = F.dropout(self.projector(student["avgpool"]), 0.5)
        scale = self.scale * np.random.rand()  # noqa: NPY002
        return scale * F.mse_loss(dropped[kept], teacher["avgpool"][kept])


LOSSES = {"plain": Plain, "trusting": Trusting, "projected": Projected, "drawing": Drawing}
