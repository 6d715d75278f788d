"""Stills: what a network knows from a single frame of a clip."""

from __future__ import annotations

from torch import Tensor, nn

from dsnet.errors import UserError
from dsnet.models.backbone import Backbone


def still(clips: Tensor) -> Tensor:
    """Repeat the middle frame of clips, (N, C, T, H, W), T times; its number is T // 2, from 0."""
    middle = clips.shape[2] // 2
    return clips[:, :, middle : middle + 1].expand_as(clips)


def see_stills(network: Backbone) -> None:
    """Have a network see :func:`still` of every clip.

    A hook of its first convolution does it. So the names of parameters and what is saved stay, and
    logits, features and exports are those of stills. Raises UserError if no Conv3d has the name
    that the network's attribute ``first`` says.
    """
    first = dict(network.named_modules()).get(network.first)
    if not isinstance(first, nn.Conv3d):
        raise UserError(
            f"still: {network.title()} has no Conv3d {network.first}, which its attribute first "
            f"names; give it one that sees whole clips, or set still to false"
        )
    first.register_forward_pre_hook(_see)


def _see(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (still(*inputs),)
