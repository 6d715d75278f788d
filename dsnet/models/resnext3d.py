"""3D ResNeXt (Hara et al. 2018, after Xie et al. 2017) with MARS's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn

from dsnet.models.backbone import CHANNELS, Backbone
from dsnet.models.convolutions import FormedConv3d

EXPANSION = 2
TELLING = ("conv1.weight", *(f"layer{i}.0.conv2.weight" for i in range(1, 5)), "fc.weight")


class Bottleneck(nn.Module):
    """Convolutions 1x1x1, grouped 3x3x3 and 1x1x1, with a shortcut of type B."""

    def __init__(self, channels: int, width: int, cardinality: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.conv1 = nn.Conv3d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = FormedConv3d(
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
        """Map (N, channels, T, H, W) to (N, 2 width, T/stride, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNeXt3D(Backbone):
    """3D ResNeXt; the defaults are MARS's ResNeXt-101.

    Args:
        num_classes: K.
        in_channels: 3 for RGB, 2 for flow.
        layers: blocks of layer1..layer4.
        widths: channels of the grouped convolutions of layer1..layer4; outputs have twice as many.
        stem: channels of the first convolution.
        stem_kernel: side of its kernel, odd.
        cardinality: groups of the grouped convolutions.
    """

    levels: ClassVar = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")

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
        self.cardinality = cardinality
        self.conv1 = FormedConv3d(
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

    @property
    def depth(self) -> int:
        """The 101 of ResNeXt-101: three convolutions per block, the first, and the classifier."""
        return 3 * sum(isinstance(module, Bottleneck) for module in self.modules()) + 2

    def title(self) -> str:
        """Return a name such as 3D ResNeXt-101 (32 groups)."""
        return f"3D ResNeXt-{self.depth} ({self.cardinality} groups)"


def resnext3d_101(num_classes: int, in_channels: int = 3) -> ResNeXt3D:
    """Make MARS's 3D ResNeXt-101: 32 groups, blocks 3, 4, 23, 3, 2048 features."""
    return ResNeXt3D(num_classes, in_channels)


def read_architecture(weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Read the options of a :class:`ResNeXt3D` from shapes; None for any other network."""
    shapes = [tuple(weights[key].shape) if key in weights else () for key in TELLING]
    if [len(shape) for shape in shapes] != [5, 5, 5, 5, 5, 2]:
        return None
    (stem, channels, *kernel), *grouped, _ = shapes
    groups = {shape[0] // shape[1] for shape in grouped}
    if channels not in CHANNELS.values() or len(set(kernel)) > 1 or len(groups) > 1:
        return None
    blocks = [{k.split(".")[1] for k in weights if k.startswith(f"layer{i}.")} for i in range(1, 5)]
    return {
        "layers": [len(numbers) for numbers in blocks],
        "widths": [shape[0] for shape in grouped],
        "stem": stem,
        "stem_kernel": kernel[0],
        "cardinality": groups.pop(),
    }
