"""What 3D ResNets of bottlenecks share: blocks, four stages of them, and the features of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from torch import Tensor, nn

from dsnet.models.backbone import Backbone


class Bottleneck(nn.Module):
    """Three convolutions, of which the third has a 1x1x1 kernel, and a shortcut of type B.

    The shortcut is projected where shapes differ.

    Args:
        conv1, conv2: the first two convolutions; the stride is in the second.
        expansion: channels of the output for each of ``conv2``.
    """

    def __init__(self, conv1: nn.Conv3d, conv2: nn.Conv3d, expansion: int) -> None:
        super().__init__()
        channels, width = conv1.in_channels, conv2.out_channels
        self.out = out = width * expansion
        self.conv1 = conv1
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = conv2
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.relu = nn.ReLU(inplace=True)
        time, height, width = conv2.stride
        stride = (time, height, width)
        self.downsample = (
            nn.Sequential(
                nn.Conv3d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm3d(out)
            )
            if stride != (1, 1, 1) or channels != out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, T, H, W) to (N, out, T', H', W'), which the stride divides."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet3D(Backbone):
    """A first convolution, a max pool, four stages of :class:`Bottleneck` and a classifier.

    Args:
        num_classes: K.
        conv1: the first convolution.
        maxpool: follows it.
        stages: for each of layer1..layer4 the number of blocks, and what makes one of the channels
            of its input and its stride.
    """

    def __init__(
        self,
        num_classes: int,
        conv1: nn.Conv3d,
        maxpool: nn.MaxPool3d,
        stages: Iterable[tuple[int, Callable[[int, int], Bottleneck]]],
    ) -> None:
        super().__init__()
        channels = conv1.out_channels
        self.conv1 = conv1
        self.bn1 = nn.BatchNorm3d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = maxpool
        for number, (blocks, make) in enumerate(stages, start=1):
            stage = []
            for block in range(blocks):
                stage.append(make(channels, 2 if number > 1 and block == 0 else 1))
                channels = stage[-1].out
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
