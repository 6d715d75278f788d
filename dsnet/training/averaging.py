"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dsnet.models.backbone import Backbone


class Average:
    """An average of the weights of all steps so far, which count less the longer ago they were.

    The batch-norm statistics are averaged like the weights. Copied, they would be statistics of
    other features than those of the averaged weights. Counters are copied.

    Args:
        network: what is trained; its weights are the average before the first step.
        decay: β, see :meth:`update`.

    Attributes: ``network``, with the average; ``steps``, the number of steps so far.
    """

    def __init__(self, network: Backbone, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights θ after step t, from 1: average ← d average + (1 - d) θ.

        d = min(β, (1 + t) / (10 + t)): in a short training, the drawn weights do not stay in it.
        """
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        pairs = zip(self.network.state_dict().values(), network.state_dict().values(), strict=True)
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes during training."""
        return {"steps": self.steps, "weights": self.network.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        self.steps = state["steps"]
        self.network.load_state_dict(state["weights"])
