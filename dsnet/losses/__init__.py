"""Distillation losses; the file of each loss cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsnet import registry
from dsnet.registry import LOSSES

if TYPE_CHECKING:
    from dsnet.experiment.networks import Term
    from dsnet.losses.distillation import Distillation
    from dsnet.models.backbone import Backbone

__all__ = ["LOSSES", "build"]


def build(
    teacher: Backbone,
    terms: Mapping[str, Term],
    plugins: Mapping[str, str] | None = None,
    second: Backbone | None = None,
) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        second: a second teacher, see :class:`.Distillation`.
        terms: settings of the stream's losses by name.
        plugins: places of losses that are not in :data:`LOSSES` (see :mod:`dsnet.registry`).

    Raises:
        PluginError: a user's loss cannot be imported, or its arguments do not fit.
    """
    from dsnet.losses.distillation import Distillation

    made, own = {}, plugins or {}
    for name, term in terms.items():
        place = own.get(name, name)
        made[name] = registry.make(f"losses.{name}", "LOSSES", place, **term.arguments())
    shares = {name: term.share for name, term in terms.items() if term.share}
    weights = {name: term.weight for name, term in terms.items() if name not in shares}
    fading = [name for name, term in terms.items() if term.fade]
    return Distillation(teacher, made, weights, shares, fading, second)
