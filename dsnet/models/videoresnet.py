"""torchvision's 18-layer video ResNets (Tran et al. 2018) with its parameter names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from dsnet import vision
from dsnet.models.backbone import Backbone


class VideoResNet(Backbone):
    """A video ResNet of torchvision, with basic blocks, two in each of layer1..layer4.

    The input of torchvision's weights is (x/255 - mean)/std for pixels x of 0..255. The planes of
    flow are divided by the mean of RGB's three numbers, so that flow has the same size beside RGB
    as in MARS, which divides neither. Source: TSN (Wang et al. 2016) does so.

    Args:
        num_classes: K.
        in_channels: 3 for RGB, 2 for flow.
    """

    levels: ClassVar = ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool")
    first: ClassVar = "stem.0"
    statistics: ClassVar = {
        "rgb_mean": [255 * 0.43216, 255 * 0.394666, 255 * 0.37645],
        "rgb_std": [255 * 0.22803, 255 * 0.22145, 255 * 0.216989],
        "flow_mean": 127.5,
        "flow_std": 255 * (0.22803 + 0.22145 + 0.216989) / 3,
    }
    made_by: ClassVar[str]
    stem: nn.Sequential
    fc: nn.Linear

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        network = getattr(vision.module("models.video"), self.made_by)(num_classes=num_classes)
        for name, child in network.named_children():
            self.add_module(name, child)
        conv = self.stem[0]
        assert isinstance(conv, nn.Conv3d)
        if in_channels != conv.in_channels:
            self.stem[0] = _with_channels(conv, in_channels)

    def forward_features(self, x: Tensor) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        """Compute logits (N, K) and the features of all ``levels``, in order.

        The input is (N, in_channels, T, H, W). ``stem``, which has no max pool, and ``layer1`` to
        ``layer4`` are (N, C, T, H, W), ``avgpool`` is (N, C).
        """
        features: OrderedDict[str, Tensor] = OrderedDict()
        for level in self.levels:
            x = features[level] = getattr(self, level)(x)
        x = features["avgpool"] = x.flatten(1)
        return self.fc(x), features

    def folds(self) -> Iterator[tuple[str, str]]:
        """Yield every convolution and its batch norm, the next module that has no children."""
        leaves = [(name, m) for name, m in self.named_modules() if not list(m.children())]
        for (first, conv), (second, norm) in pairwise(leaves):
            if isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
                yield first, second

    def title(self) -> str:
        """Return torchvision's name."""
        return self.made_by


def _with_channels(conv: nn.Conv3d, channels: int) -> nn.Conv3d:
    """Draw a first convolution as torchvision does, for another number of channels."""
    form = {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding")}
    drawn = nn.Conv3d(channels, conv.out_channels, **form, bias=False)
    nn.init.kaiming_normal_(drawn.weight, mode="fan_out", nonlinearity="relu")
    return drawn


class R3D18(VideoResNet):
    """R3D-18: convolutions over time and space in every layer."""

    made_by = "r3d_18"


class MC318(VideoResNet):
    """MC3-18: convolutions over time in the stem and layer1 alone."""

    made_by = "mc3_18"


class R2Plus1D18(VideoResNet):
    """R(2+1)D-18: convolutions over space, then over time."""

    made_by = "r2plus1d_18"
