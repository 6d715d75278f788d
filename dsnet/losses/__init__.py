"""Distillation losses; the file of each loss cites its equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsnet import registry
from dsnet.registry import LOSSES

if TYPE_CHECKING:
    from dsnet.experiment.terms import Term
    from dsnet.losses.distillation import Distillation
    from dsnet.models.backbone import Backbone

__all__ = ["LOSSES", "build"]


def build(
    teacher: Backbone,
    terms: Mapping[str, Term],
    plugins: Mapping[str, str] | None = None,
    second: Backbone | None = None,
    clip: tuple[int, int, int] = (16, 112, 112),
    inputs: tuple[str, str] = ("rgb", "flow"),
) -> Distillation:
    """Build a stream's loss against ``teacher``.

    Args:
        second: a second teacher, see :class:`.Distillation`.
        terms: settings of the stream's losses by name.
        plugins: places of losses that are not in :data:`LOSSES` (see :mod:`dsnet.registry`).
        clip: frames, height and width of a clip. If a loss has an argument ``level_channels``, it
            gets the channels of the teacher's features by level, which such a clip tells.
        inputs: what the student sees, and what the teacher sees.

    Raises:
        PluginError: a user's loss cannot be imported, or its arguments do not fit.
    """
    from dsnet.losses.distillation import Distillation

    made, own = {}, plugins or {}
    offers = {"level_channels": lambda: _level_channels(teacher, clip)}
    for name, term in terms.items():
        place, where = own.get(name, name), f"losses.{name}"
        made[name] = registry.make(where, "LOSSES", place, offers=offers, **term.arguments())
    shares = {name: term.share for name, term in terms.items() if term.share}
    weights = {name: term.weight for name, term in terms.items() if name not in shares}
    fading = [name for name, term in terms.items() if term.fade]
    return Distillation(teacher, made, weights, shares, fading, second, inputs)


def _level_channels(teacher: Backbone, clip: tuple[int, int, int]) -> dict[str, int]:
    """Return the channels of the teacher's features by level, ``logits`` included."""
    from dsnet.models.frozen import Frozen

    first = teacher.get_parameter(f"{teacher.first}.weight")
    features = Frozen(teacher)(first.new_zeros(1, first.shape[1], *clip))
    return {level: x.shape[1] for level, x in features.items()}
