"""Distillation losses by name, each in a file of its own that cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dsnet import registry
from dsnet.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from dsnet.losses.distillation import Distillation
    from dsnet.models.resnext3d import ResNeXt3D

LOSSES = {
    "mse": "dsnet.losses.mse:FeatureMSE",
    "mae": "dsnet.losses.mae:MultiLevelMAE",
    "gram": "dsnet.losses.gram:GramDistance",
}


class LossError(UserError):
    """A loss that cannot be made of what the configuration says."""


def build(
    teacher: ResNeXt3D,
    losses: Mapping[str, Mapping[str, Any]],
    plugins: Mapping[str, str] | None = None,
) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        losses: the config's ``losses`` of the stream: a name to its ``weight`` or ``share``, and
            the arguments of its class.
        plugins: places of the losses that are not of :data:`LOSSES` (see :mod:`dsnet.registry`).

    Raises:
        PluginError: a user's loss cannot be imported.
        LossError: a loss cannot be made of its arguments.
    """
    from dsnet.losses.distillation import Distillation

    places = {**LOSSES, **(plugins or {})}
    terms = {name: _make(name, places[name], entry) for name, entry in losses.items()}
    shares = {name: entry["share"] for name, entry in losses.items() if entry.get("share")}
    weights = {name: entry["weight"] for name, entry in losses.items() if name not in shares}
    return Distillation(teacher, terms, weights, shares)


def _make(name: str, place: str, entry: Mapping[str, Any]) -> nn.Module:
    arguments = {key: value for key, value in entry.items() if key not in ("weight", "share")}
    try:
        return registry.load(place)(**arguments)
    except (TypeError, ValueError) as error:
        raise LossError(f"losses.{name}: {place} cannot be made: {error}") from error
