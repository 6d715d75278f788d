"""The loss of a stream: cross-entropy and distillation terms against a teacher."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import signature

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsnet.losses.features import Features
from dsnet.models.backbone import Backbone
from dsnet.models.frozen import Frozen


class Distillation(nn.Module):
    """Equation 4: cross-entropy plus weighted distillation terms against a frozen teacher.

    Args:
        teacher: network of the stream that sees the other input.
        terms: losses by name, such as ``mae``. Each maps the :data:`.Features` of the student and
            of the teacher to a scalar. If its ``forward`` has an argument ``labels``, it gets the
            labels, int64 (N,). Its own parameters are trained with the student.
        weights: a weight for each term.
        shares: share of the gradient, for terms that have one instead of a weight. Their weight is
            1 until :meth:`balance` sets it.
        fading: terms whose weight or share goes to zero during the training, see :meth:`reset`.
        second: network of a stream with the student's input, frozen too. The terms get the mean of
            its logits and the teacher's as the teacher's ``logits``.
        inputs: what the student sees, and what the teacher sees.
    """

    teacher: Frozen
    weights: Tensor

    def __init__(
        self,
        teacher: Backbone,
        terms: Mapping[str, nn.Module],
        weights: Mapping[str, float],
        shares: Mapping[str, float] | None = None,
        fading: Collection[str] = (),
        second: Backbone | None = None,
        inputs: tuple[str, str] = ("rgb", "flow"),
    ) -> None:
        super().__init__()
        self.inputs: Sequence[str] = inputs
        self.own, self.other = inputs
        self.teacher = Frozen(teacher)
        self.terms = nn.ModuleDict(terms)
        self.labelled = {
            n for n, loss in terms.items() if "labels" in signature(loss.forward).parameters
        }
        self.second = Frozen(second) if second is not None else None
        self.cross_entropy: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
        self._side: torch.cuda.Stream | None = None
        self.given, self.fading = {**weights, **(shares or {})}, fading
        self.shares: Mapping[str, float] = dict(shares or {})
        # A tensor: code would be compiled again for every new Python number.
        self.register_buffer("weights", torch.zeros(len(terms)), False)
        self.reset()

    def forward(
        self, student: Backbone, clips: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits (N, K) and the weighted terms, scalars by name. The loss is their sum."""
        overlapping = clips[self.own].is_cuda and not torch.compiler.is_compiling()
        run = self._overlapping if overlapping else self._one_by_one
        logits, features, targets = run(student, clips)
        features = {**features, "logits": logits}
        terms = {"ce": self.cross_entropy(logits, labels)}
        for weight, (name, loss) in zip(self.weights, self.terms.items(), strict=True):
            more = {"labels": labels} if name in self.labelled else {}
            terms[name] = weight * loss(features, targets, **more)
        return logits, terms

    def balance(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Set the weights of terms with a share; return the factor by which each weight changes.

        ``norms`` has the norm of the gradient of every weighted term, with ``ce``. Afterwards the
        norm of a term with a share is that share of the sum of all norms. A term with a zero
        gradient keeps its weight and does not count. No weight changes if a norm is not finite, or
        if only terms with a share have a gradient.
        """
        shares = {name: share for name, share in self.shares.items() if norms[name] > 0}
        given = sum(norm for name, norm in norms.items() if name not in shares)
        if not given or not all(map(math.isfinite, norms.values())):
            return {}
        total = given / (1 - sum(shares.values()))
        factors = {name: share * total / norms[name] for name, share in shares.items()}
        # Not in place: the graph of the terms needs the old weights.
        self.weights = self.weights * self.weights.new_tensor(
            [factors.get(name, 1.0) for name in self.terms]
        )
        return factors

    def reset(self, done: float = 0) -> dict[str, float]:
        """Set weights and shares for an epoch; return the weights that fade, by name.

        ``done`` is 0 in the first epoch and 1 in the last. What fades is (1 + cos(π done)) / 2 of
        what was given. The weight of a term with a share becomes 1. No epoch depends on the one
        before.
        """
        left = 0.5 * (1 + math.cos(math.pi * done))
        now = {n: value * left if n in self.fading else value for n, value in self.given.items()}
        self.shares = {name: now[name] for name in self.shares}
        start = {name: 1.0 if name in self.shares else now[name] for name in self.terms}
        self.weights = self.weights.new_tensor(list(start.values()))
        return {name: start[name] for name in self.fading if name not in self.shares}

    def _one_by_one(
        self, student: Backbone, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """Return the student's logits and features, and the teacher's features."""
        return *student.forward_features(clips[self.own]), self._targets(clips)

    def _targets(self, clips: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the student is compared with: the teacher's features, and logits."""
        targets = self.teacher(clips[self.other])
        if self.second is not None:
            both = [targets["logits"], self.second(clips[self.own])["logits"]]
            targets["logits"] = torch.stack(both).mean(dim=0)
        return targets

    def _overlapping(
        self, student: Backbone, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """Return the same, with both forward passes at once, on a GPU."""
        device = clips[self.own].device
        # Always the same stream: each stream has its own pool of memory.
        self._side = side = self._side or torch.cuda.Stream(device)
        main = torch.cuda.current_stream(device)
        side.wait_stream(main)  # the clips must be ready
        with torch.cuda.stream(side):
            targets = self._targets(clips)
        logits, features = student.forward_features(clips[self.own])
        main.wait_stream(side)
        # Otherwise the allocator could reuse their memory while the other stream still needs it.
        for clip in clips.values():
            clip.record_stream(side)
        for target in targets.values():
            target.record_stream(main)
        return logits, features, targets
