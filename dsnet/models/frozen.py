"""A teacher: a network that is not trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dsnet.models.backbone import Backbone


class Frozen(nn.Module):
    """A copy of a network in eval mode, without gradients, whatever its parent's mode is.

    The batch norms of :meth:`.Backbone.folds` are folded into the convolutions before them.
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        self.network = _folded(network).requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Stay in eval mode whatever ``mode`` is."""
        return super().train(False)

    @torch.no_grad()  # and no inference mode, whose tensors a loss could not keep for its gradient
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The features of :meth:`Backbone.forward_features`, and ``logits`` as one more level."""
        logits, features = self.network.forward_features(x)
        return {**features, "logits": logits}


def _folded(network: Backbone) -> Backbone:
    """A copy in eval mode whose convolutions do the work of the batch norms after them."""
    network = copy.deepcopy(network).eval()
    for first, second in list(network.folds()):
        conv, norm = network.get_submodule(first), network.get_submodule(second)
        assert isinstance(conv, nn.Conv3d)
        assert isinstance(norm, nn.BatchNorm3d)
        network.set_submodule(first, fuse_conv_bn_eval(conv, norm))
        network.set_submodule(second, nn.Identity())
    return network
