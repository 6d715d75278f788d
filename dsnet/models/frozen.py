"""A teacher: a network that is not trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dsnet.models.backbone import Backbone


class Frozen(nn.Module):
    """A copy of a network, always in eval mode and without gradients.

    The batch norms of :meth:`.Backbone.folds` are folded into the convolutions before them.
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        self.network = _folded(network).requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Stay in eval mode for any ``mode``."""
        return super().train(False)

    @torch.no_grad()  # not inference_mode: a loss could not save such tensors for its gradient
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the features of all levels, and ``logits`` as one more level."""
        logits, features = self.network.forward_features(x)
        return {**features, "logits": logits}


def _folded(network: Backbone) -> Backbone:
    """Return a copy in eval mode with the batch norms folded into the convolutions."""
    network = copy.deepcopy(network).eval()
    for first, second in list(network.folds()):
        conv, norm = network.get_submodule(first), network.get_submodule(second)
        assert isinstance(conv, nn.Conv3d)
        assert isinstance(norm, nn.BatchNorm3d)
        network.set_submodule(first, fuse_conv_bn_eval(conv, norm))
        network.set_submodule(second, nn.Identity())
    return network
