"""SlowOnly, SlowFast's slow pathway (Feichtenhofer et al. 2019), and mmaction2's keys of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from dsnet.models.convolutions import FormedConv3d
from dsnet.models.resnet3d import Bottleneck, ResNet3D

EXPANSION = 4
# Parts of mmaction2's keys, and what stands here instead.
KEYS = (
    (r"^backbone\.", ""),
    (r"^cls_head\.fc_cls\.", "fc."),
    (r"downsample\.conv\.", "downsample.0."),
    (r"downsample\.bn\.", "downsample.1."),
    (r"conv(\d)\.conv\.", r"conv\1."),
    (r"conv(\d)\.bn\.", r"bn\1."),
)


def block(width: int, time: int, channels: int, stride: int) -> Bottleneck:
    """Make a bottleneck: convolutions Tx1x1, 1x3x3 with a stride in space, and 1x1x1."""
    return Bottleneck(
        nn.Conv3d(channels, width, (time, 1, 1), padding=(time // 2, 0, 0), bias=False),
        nn.Conv3d(
            width, width, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False
        ),
        EXPANSION,
    )


class SlowOnly(ResNet3D):
    """SlowOnly with a ResNet-50, which mmaction2 has trained on RGB and on flow.

    No layer has a stride in time. The statistics are mmaction2's.

    Args:
        num_classes: K.
        in_channels: 3 for RGB, 2 for flow.

    Attributes:
        layers: blocks of layer1..layer4.
        times: frames that their first convolutions see.
        width: channels of the first convolution and within layer1; each further layer has twice as
            many, and all put out four times as many as they have within.
    """

    levels: ClassVar = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")
    statistics: ClassVar = {
        "rgb_mean": [123.675, 116.28, 103.53],
        "rgb_std": [58.395, 57.12, 57.375],
        "flow_mean": 128.0,
        "flow_std": 128.0,
    }

    layers: ClassVar = (3, 4, 6, 3)
    times: ClassVar = (1, 1, 3, 3)
    width: ClassVar = 64

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        first = FormedConv3d(
            in_channels, self.width, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        stages = [
            (blocks, partial(block, self.width << number, time))
            for number, (blocks, time) in enumerate(zip(self.layers, self.times, strict=True))
        ]
        maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        super().__init__(num_classes, first, maxpool, stages)

    def title(self) -> str:
        """Return mmaction2's name."""
        return "SlowOnly R50"


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of mmaction2's SlowOnly the keys of :class:`SlowOnly`; others keep theirs.

    mmaction2 has the network in ``backbone`` and the classifier in ``cls_head``, and in each of its
    modules ``conv`` and ``bn``.
    """
    if "backbone.conv1.conv.weight" not in weights:
        return dict(weights)
    found = {}
    for key, value in weights.items():
        for theirs, ours in KEYS:
            key = re.sub(theirs, ours, key)
        found[key] = value
    return found
