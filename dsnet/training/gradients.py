"""The gradients of the terms of a loss, and losses that are not finite."""

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


def check_finite(
    terms: Mapping[str, Tensor], epoch: int, step: int | None = None
) -> dict[str, float]:
    """The values of scalar ``terms``, fetched from their device together.

    Args:
        terms: of the loss, by name.
        epoch: where they are from, counted from 1.
        step: likewise; ``None`` for the selection part.

    Raises:
        TrainingError: one of them is not finite; the message names it.
    """
    values = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"the term {name} of the loss is {value} at epoch {epoch}, "
                + ("on the selection part" if step is None else f"step {step}")
                + "; a lower lr, training.clip_gradient or a lower weight of the term helps"
            )
    return values


def gradient_norms(
    network: Backbone, terms: Mapping[str, Tensor], processes: Processes = ALONE
) -> dict[str, float]:
    """``grad_{term}``, the norm of each term's gradient, and one of their sum's, ``grad_layer4``.

    Gradients of several processes are added up. The graph of the ``terms``, scalars, is kept.
    The latter is that of the network's deepest level, layer4 in a 3D ResNeXt. Parameters that are
    not trained do not count; where that level has none that is, there is no such norm. A term that
    no trained parameter has a part in has the norm 0.
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
        processes.add_up(found.values())
        norms[f"grad_{term}"] = _norm(found.values())
        for name, grad in found.items():
            if name.startswith(f"{level}."):
                deepest[name] = deepest[name] + grad if name in deepest else grad
    return {**norms, **({f"grad_{level}": _norm(deepest.values())} if deepest else {})}


def shares(norms: Mapping[str, float], terms: Iterable[str]) -> dict[str, float]:
    """``share_{term}``: the norm ``grad_{term}`` of each term's gradient as a part of their sum."""
    total = sum(norms[f"grad_{term}"] for term in terms)
    return {f"share_{term}": norms[f"grad_{term}"] / total if total else 0.0 for term in terms}


def _norm(tensors: Iterable[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))
