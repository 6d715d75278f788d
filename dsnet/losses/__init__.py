"""Distillation losses, each in a file of its own that cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dsnet import registry
from dsnet.registry import LOSSES

if TYPE_CHECKING:
    from dsnet.losses.distillation import Distillation
    from dsnet.models.backbone import Backbone

__all__ = ["LOSSES", "build"]


def build(
    teacher: Backbone,
    losses: Mapping[str, Mapping[str, Any]],
    plugins: Mapping[str, str] | None = None,
) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        losses: the config's ``losses`` of the stream: a name to its ``weight`` or ``share``, and
            the arguments of its class.
        plugins: places of the losses that are not of :data:`LOSSES` (see :mod:`dsnet.registry`).

    Raises:
        PluginError: a user's loss cannot be imported, or not be made of its arguments.
    """
    from dsnet.losses.distillation import Distillation

    terms, own = {}, plugins or {}
    for name, entry in losses.items():
        options = {key: value for key, value in entry.items() if key not in ("weight", "share")}
        place = own.get(name, name)
        terms[name] = registry.make(f"losses.{name}", "LOSSES", place, **options)
    shares = {name: entry["share"] for name, entry in losses.items() if entry.get("share")}
    weights = {name: entry["weight"] for name, entry in losses.items() if name not in shares}
    return Distillation(teacher, terms, weights, shares)
