"""Distillation losses by name, each in a file of its own that cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsnet import registry
from dsnet.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from dsnet.experiment.networks import Term
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
    terms: Mapping[str, Term],
    plugins: Mapping[str, str] | None = None,
) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        terms: the settings of the stream's losses by name.
        plugins: places of the losses that are not of :data:`LOSSES` (see :mod:`dsnet.registry`).

    Raises:
        PluginError: a user's loss cannot be imported.
        LossError: a loss cannot be made of its arguments.
    """
    from dsnet.losses.distillation import Distillation

    places = {**LOSSES, **(plugins or {})}
    made = {name: _make(name, places[name], term) for name, term in terms.items()}
    shares = {name: term.share for name, term in terms.items() if term.share}
    weights = {name: term.weight for name, term in terms.items() if name not in shares}
    return Distillation(teacher, made, weights, shares)


def _make(name: str, place: str, term: Term) -> nn.Module:
    try:
        return registry.load(place)(**term.arguments())
    except (TypeError, ValueError) as error:
        raise LossError(f"losses.{name}: {place} cannot be made: {error}") from error
