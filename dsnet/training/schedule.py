"""Schedules of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from dsnet.experiment.networks import Recipe


class Schedule:
    """The learning rate: linear warm-up, then plateau, cosine or constant.

    Attributes: ``epochs``, the length of the training: more than the config's ``epochs`` if those
    have fewer steps than its ``least_steps``.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, options: Recipe, steps_per_epoch: int
    ) -> None:
        self.optimizer = optimizer
        self.kind = options.schedule
        self.base = options.lr
        self.patience = options.plateau_patience
        self.warmup = round(options.warmup_epochs * steps_per_epoch)
        self.epochs = max(options.epochs, math.ceil((options.least_steps or 0) / steps_per_epoch))
        self.steps = self.epochs * steps_per_epoch
        self.factor, self.lowest, self.waited = 1.0, math.inf, 0

    def before_step(self, step: int) -> None:
        """Set the rate for step ``step`` of the whole training, from 0."""
        if step < self.warmup:
            share = (step + 1) / self.warmup
        elif self.kind == "cosine":
            done = (step - self.warmup) / max(self.steps - self.warmup, 1)
            share = 0.5 * (1 + math.cos(math.pi * done))
        else:
            share = self.factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.base * share

    def after_epoch(self, loss: float) -> None:
        """Divide a plateau's rate by ten after more than ``patience`` epochs without progress.

        Progress is a relative 1e-4, as in PyTorch's ``ReduceLROnPlateau``.
        """
        if loss < self.lowest * (1 - 1e-4):
            self.lowest, self.waited = loss, 0
        else:
            self.waited += 1
        if self.kind == "plateau" and self.waited > self.patience:
            self.factor, self.waited = self.factor / 10, 0

    def state_dict(self) -> dict[str, float]:
        """Return everything that changes during training."""
        return {"factor": self.factor, "lowest": self.lowest, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        self.factor, self.lowest, self.waited = state["factor"], state["lowest"], state["waited"]
