"""torchvision's Video Swin Transformer (Liu et al. 2022) with its parameter names."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from dsnet import vision
from dsnet.models.backbone import Backbone


class Swin3DT(Backbone):
    """Swin3D-T: four stages of attention in shifted windows over time and space.

    Input and flow are normalised as in :class:`.VideoResNet`, with ImageNet's numbers. Training
    draws which blocks are left out (stochastic depth, up to 0.1).

    Args:
        num_classes: K.
        in_channels: 3 for RGB, 2 for flow.
    """

    levels: ClassVar = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")
    first: ClassVar = "patch_embed.proj"
    classifier: ClassVar = "head"
    statistics: ClassVar = {
        "rgb_mean": [255 * 0.485, 255 * 0.456, 255 * 0.406],
        "rgb_std": [255 * 0.229, 255 * 0.224, 255 * 0.225],
        "flow_mean": 127.5,
        "flow_std": 255 * (0.229 + 0.224 + 0.225) / 3,
    }

    patch_embed: nn.Module
    pos_drop: nn.Module
    features: nn.Sequential
    norm: nn.Module
    avgpool: nn.Module
    head: nn.Module

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        video = vision.module("models.video")
        embed = partial(video.swin_transformer.PatchEmbed3d, in_channels=in_channels)
        network = video.swin3d_t(num_classes=num_classes, patch_embed=embed)
        for name, child in network.named_children():
            self.add_module(name, child)

    def forward_features(self, x: Tensor) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        """Compute logits (N, K) and the features of all ``levels``, in order.

        The input is (N, in_channels, T, H, W). ``stem``, the embedded patches, and ``layer1`` to
        ``layer4``, the outputs of the stages before any norm, are (N, C, T, H, W). ``avgpool``,
        after the last norm, is (N, C).
        """
        features: OrderedDict[str, Tensor] = OrderedDict()
        x = self.pos_drop(self.patch_embed(x))
        features["stem"] = _channels_first(x)
        for number, stage in enumerate(self.features):
            x = stage(x)
            if number % 2 == 0:  # the others merge patches
                features[f"layer{number // 2 + 1}"] = _channels_first(x)
        x = features["avgpool"] = self.avgpool(_channels_first(self.norm(x))).flatten(1)
        return self.head(x), features

    def deepest(self) -> str:
        """Return the last stage, whose output is ``layer4``."""
        return "features.6"

    def title(self) -> str:
        """Return torchvision's name."""
        return "swin3d_t"


def _channels_first(x: Tensor) -> Tensor:
    """Map (N, T, H, W, C) to (N, C, T, H, W)."""
    return x.permute(0, 4, 1, 2, 3)
