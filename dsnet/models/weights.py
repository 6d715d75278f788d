"""Copying of weights between networks: which tensors, and which rows of the classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from dsnet.models.backbone import Backbone


def tensors(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state_dict, alone or in a dictionary, without ``module.``."""
    state = content.get("state_dict", content)
    return {
        key.removeprefix("module."): value
        for key, value in (state.items() if isinstance(state, Mapping) else ())
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def in_order(
    model: Backbone, weights: dict[str, Tensor], names: Sequence[str], classes: Sequence[str]
) -> dict[str, Tensor]:
    """Reorder the classifier's rows in ``weights`` from ``names`` to ``classes``."""
    if list(names) == list(classes) or sorted(names) != sorted(classes):
        return weights
    rows = [names.index(name) for name in classes]
    last = f"{model.classifier}."
    return {key: t[rows] if key.startswith(last) else t for key, t in weights.items()}


def differing(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """Return the keys of ``own`` that are absent or of another shape; counters do not count."""
    return [
        key
        for key, value in own.items()
        if (key in theirs and theirs[key].shape != value.shape)
        or (key not in theirs and not key.endswith("num_batches_tracked"))
    ]


def surplus(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """Return the keys of ``theirs`` that modules of ``own`` lack, as those of further blocks."""
    modules = {key.partition(".")[0] for key in own}
    return [key for key in theirs if key not in own and key.partition(".")[0] in modules]


def misfits(model: Backbone, theirs: Mapping[str, Tensor]) -> list[str]:
    """Return the keys by which ``theirs`` are the weights of another network than ``model``."""
    own = model.state_dict()
    keys = (*differing(own, theirs), *surplus(own, theirs))
    return [key for key in keys if not may_differ(model, key)]


def may_differ(model: Backbone, key: str) -> bool:
    """Return whether a tensor may have another shape and then stay as drawn.

    These are the first convolution, which has the channels of the input, and the classifier.
    """
    return key == f"{model.first}.weight" or key.startswith(f"{model.classifier}.")


def take_up(model: Backbone, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy all ``weights`` that fit into ``model``; return the keys that stay as drawn."""
    own = model.state_dict()
    drawn = differing(own, weights)
    fitting = {key: weights[key] for key in own if key in weights and key not in drawn}
    model.load_state_dict(fitting, strict=False)
    return drawn
