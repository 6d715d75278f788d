"""A teacher: a network that is not trained."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dsnet.models.resnext3d import ResNeXt3D


class Frozen(nn.Module):
    """A copy of a network in eval mode, without gradients, whatever its parent's mode is.

    Its batch norms are folded into the convolutions before them.
    """

    def __init__(self, network: ResNeXt3D) -> None:
        super().__init__()
        self.network = _folded(network).requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Stay in eval mode whatever ``mode`` is."""
        return super().train(False)

    @torch.no_grad()  # and no inference mode, whose tensors a loss could not keep for its gradient
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The features of :meth:`ResNeXt3D.forward_features`, and ``logits`` as one more level."""
        logits, features = self.network.forward_features(x)
        return {**features, "logits": logits}


def _folded(network: ResNeXt3D) -> ResNeXt3D:
    """A copy in eval mode whose convolutions do the work of the batch norms after them."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    return network
