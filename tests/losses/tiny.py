"""A network and clips small enough to distill in a test."""

import torch

from dsnet.models import ResNeXt3D


def small(channels):
    torch.manual_seed(channels)
    return ResNeXt3D(4, channels, (1, 1, 1, 1), (4, 4, 8, 8), stem=4, cardinality=2)


def clips():
    """Two clips of four frames, of RGB and flow."""
    torch.manual_seed(1)
    return {"rgb": torch.randn(2, 3, 4, 24, 24), "flow": torch.randn(2, 2, 4, 24, 24)}
