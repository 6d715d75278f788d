"""Gradients of the terms of a loss, and the check for values that are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from dsnet.errors import UserError
from dsnet.models.backbone import Backbone
from dsnet.processes import ALONE, Processes


class TrainingError(UserError):
    """A training that cannot go on; the message says where and why."""


def check_finite(terms: Mapping[str, float], epoch: int, step: int | None = None) -> None:
    """Raise TrainingError if one of the ``terms`` is not finite.

    ``epoch`` and ``step``, for the message, count from 1. ``step`` is None for the selection part.
    """
    for name, value in terms.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"the term {name} of the loss is {value} at epoch {epoch}, "
                + ("on the selection part" if step is None else f"step {step}")
                + "; a lower lr, training.clip_gradient or a lower weight of the term helps"
            )


def gradient_norms(
    network: Backbone, terms: Mapping[str, Tensor], processes: Processes = ALONE
) -> dict[str, float]:
    """Compute ``grad_{term}``, the norm of each term's gradient, and ``grad_{level}``.

    ``level`` is the network's deepest, layer4 in a 3D ResNeXt: the norm there of the sum of all
    terms. It is absent if that level has no trained parameter. A term without any trained parameter
    has the norm 0. Gradients of several processes are added up. The graph of the ``terms``,
    scalars, is kept.
    """
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    norms, level = {}, network.deepest()
    deepest: dict[str, Tensor] = {}
    for term, value in terms.items():
        if not value.requires_grad:
            norms[f"grad_{term}"] = 0.0
            continue
        grads = torch.autograd.grad(
            value, list(trained.values()), retain_graph=True, allow_unused=True
        )
        found = {n: g for n, g in zip(trained, grads, strict=True) if g is not None}
        processes.all_reduce(found.values())
        norms[f"grad_{term}"] = _norm(found.values())
        for name, grad in found.items():
            if name.startswith(f"{level}."):
                deepest[name] = deepest[name] + grad if name in deepest else grad
    return {**norms, **({f"grad_{level}": _norm(deepest.values())} if deepest else {})}


def shares(norms: Mapping[str, float], terms: Iterable[str]) -> dict[str, float]:
    """Compute ``share_{term}``: the norm of each term's gradient as a share of their sum."""
    total = sum(norms[f"grad_{term}"] for term in terms)
    return {f"share_{term}": norms[f"grad_{term}"] / total if total else 0.0 for term in terms}


def _norm(tensors: Iterable[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))
