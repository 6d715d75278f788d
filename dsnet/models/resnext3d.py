"""3D ResNeXt (Hara et al. 2018, after Xie et al. 2017) with the parameter names of MARS."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

EXPANSION = 2
LEVELS = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")
CHANNELS = {"rgb": 3, "flow": 2}


class Bottleneck(nn.Module):
    """1x1x1, grouped 3x3x3 and 1x1x1 convolution with a shortcut of type B."""

    def __init__(self, channels: int, width: int, cardinality: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.conv1 = nn.Conv3d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(
            width, width, 3, stride=stride, padding=1, groups=cardinality, bias=False
        )
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv3d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm3d(out)
            )
            if stride != 1 or channels != out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, T, H, W) to (N, 2 width, T/stride, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNeXt3D(nn.Module):
    """3D ResNeXt; the defaults are MARS's ResNeXt-101.

    Args:
        num_classes: K.
        in_channels: 3 for RGB, 2 for flow.
        layers: blocks of layer1..layer4.
        widths: channels of the grouped convolutions of layer1..layer4, which put out twice as many.
        stem: channels of the first convolution.
        stem_kernel: side of its kernel, odd.
        cardinality: groups of the grouped convolutions.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        layers: Sequence[int] = (3, 4, 23, 3),
        widths: Sequence[int] = (128, 256, 512, 1024),
        stem: int = 64,
        stem_kernel: int = 7,
        cardinality: int = 32,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            in_channels,
            stem,
            stem_kernel,
            stride=(1, 2, 2),
            padding=stem_kernel // 2,
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        channels = stem
        for number, (blocks, width) in enumerate(zip(layers, widths, strict=True), start=1):
            stage = []
            for block in range(blocks):
                stride = 2 if number > 1 and block == 0 else 1
                stage.append(Bottleneck(channels, width, cardinality, stride))
                channels = width * EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward_features(self, x: Tensor) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        """Logits (N, K) and the features of every level of :data:`LEVELS`, in order.

        ``stem`` (after the max pool) and ``layer1``..``layer4`` are (N, C, T, H, W), ``avgpool``
        is (N, C). The input is (N, in_channels, T, H, W).
        """
        features: OrderedDict[str, Tensor] = OrderedDict()
        x = features["stem"] = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for level in LEVELS[1:5]:
            x = features[level] = getattr(self, level)(x)
        x = features["avgpool"] = self.avgpool(x).flatten(1)
        return self.fc(x), features

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, T, H, W) to logits (N, K)."""
        return self.forward_features(x)[0]


def resnext3d_101(num_classes: int, in_channels: int = 3) -> ResNeXt3D:
    """MARS's 3D ResNeXt-101: 32 groups, blocks 3, 4, 23, 3, 2048 features."""
    return ResNeXt3D(num_classes, in_channels)


def build(arch: Mapping[str, Any], stream_input: str, num_classes: int) -> ResNeXt3D:
    """Build the network of a config's ``model`` for ``rgb`` or ``flow``."""
    return ResNeXt3D(num_classes, CHANNELS[stream_input], **arch)
