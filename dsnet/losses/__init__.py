"""Distillation losses by name, each in a file of its own that cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dsnet import registry

if TYPE_CHECKING:
    from dsnet.losses.distillation import Distillation
    from dsnet.models.resnext3d import ResNeXt3D

LOSSES = {
    "mse": "dsnet.losses.mse:FeatureMSE",
    "mae": "dsnet.losses.mae:MultiLevelMAE",
    "gram": "dsnet.losses.gram:GramDistance",
}


def build(teacher: ResNeXt3D, losses: Mapping[str, Mapping[str, Any]]) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        losses: the config's ``losses`` of the stream: a name of :data:`LOSSES` to its ``weight`` or
            ``share``, and the arguments of its class.
    """
    from dsnet.losses.distillation import Distillation

    terms = {
        name: registry.load(LOSSES[name])(
            **{key: value for key, value in entry.items() if key not in ("weight", "share")}
        )
        for name, entry in losses.items()
    }
    shares = {name: entry["share"] for name, entry in losses.items() if entry.get("share")}
    weights = {name: entry["weight"] for name, entry in losses.items() if name not in shares}
    return Distillation(teacher, terms, weights, shares)
