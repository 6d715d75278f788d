"""SlowOnly, SlowFast's slow pathway (Feichtenhofer et al. 2019), and mmaction2's keys of it."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from dsnet.models.backbone import Backbone
from dsnet.models.convolutions import FormedConv3d

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


class Bottleneck(nn.Module):
    """Convolutions Tx1x1, 1x3x3 and 1x1x1, with a shortcut that is projected where shapes differ.

    The stride, of height and width, is in the second convolution.
    """

    def __init__(self, channels: int, width: int, time: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.conv1 = nn.Conv3d(channels, width, (time, 1, 1), padding=(time // 2, 0, 0), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(
            width, width, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False
        )
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv3d(channels, out, 1, stride=(1, stride, stride), bias=False),
                nn.BatchNorm3d(out),
            )
            if stride != 1 or channels != out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, T, H, W) to (N, 4 width, T, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class SlowOnly(Backbone):
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
        super().__init__()
        width = self.width
        self.conv1 = FormedConv3d(
            in_channels, width, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        channels = width
        for number, (blocks, time) in enumerate(zip(self.layers, self.times, strict=True), start=1):
            stage = []
            for block in range(blocks):
                stride = 2 if number > 1 and block == 0 else 1
                stage.append(Bottleneck(channels, width, time, stride))
                channels = width * EXPANSION
            width *= 2
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward_features(self, x: Tensor) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        """Compute logits (N, K) and the features of all ``levels``, in order.

        The input is (N, in_channels, T, H, W). ``stem`` (after the max pool) and ``layer1`` to
        ``layer4`` are (N, C, T, H, W), ``avgpool`` is (N, C).
        """
        features: OrderedDict[str, Tensor] = OrderedDict()
        x = features["stem"] = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for level in self.levels[1:5]:
            x = features[level] = getattr(self, level)(x)
        x = features["avgpool"] = self.avgpool(x).flatten(1)
        return self.fc(x), features

    def folds(self) -> Iterator[tuple[str, str]]:
        """Yield every convolution and its batch norm, which is registered after it."""
        for parent, module in self.named_modules():
            for (first, conv), (second, norm) in pairwise(module.named_children()):
                if isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
                    yield f"{parent}.{first}".lstrip("."), f"{parent}.{second}".lstrip(".")

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
