"""3D ResNeXt (Hara et al. 2018, after Xie et al. 2017) with MARS's parameter names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from dsnet.models.backbone import CHANNELS
from dsnet.models.convolutions import FormedConv3d
from dsnet.models.resnet3d import Bottleneck, ResNet3D

EXPANSION = 2
TELLING = ("conv1.weight", *(f"layer{i}.0.conv2.weight" for i in range(1, 5)), "fc.weight")


def block(width: int, cardinality: int, channels: int, stride: int) -> Bottleneck:
    """Make a bottleneck: convolutions 1x1x1, grouped 3x3x3 and 1x1x1."""
    return Bottleneck(
        nn.Conv3d(channels, width, 1, bias=False),
        FormedConv3d(width, width, 3, stride=stride, padding=1, groups=cardinality, bias=False),
        EXPANSION,
    )


class ResNeXt3D(ResNet3D):
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
        first = FormedConv3d(
            in_channels,
            stem,
            stem_kernel,
            stride=(1, 2, 2),
            padding=stem_kernel // 2,
            bias=False,
        )
        stages = zip(layers, (partial(block, width, cardinality) for width in widths), strict=True)
        super().__init__(num_classes, first, nn.MaxPool3d(3, stride=2, padding=1), stages)
        self.cardinality = cardinality

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
