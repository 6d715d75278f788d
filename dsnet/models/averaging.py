"""The first convolution of a network that starts from weights for another input."""

from __future__ import annotations

from torch import Tensor


def averaged(weight: Tensor, channels: int) -> Tensor:
    """Make kernels for ``channels`` input channels, all alike, of those for others.

    They are the mean over the input channels, as in temporal segment networks (Wang et al. 2016,
    section 3.2, "cross modality pre-training"), times the old number of channels over the new one.
    So an input that is the same in all channels gives the same output.

    Args:
        weight: (O, C, ...), of a convolution of one group.
        channels: C' of the result, (O, C', ...).
    """
    kernels = weight.sum(dim=1, keepdim=True) / channels
    return kernels.repeat_interleave(channels, dim=1)
