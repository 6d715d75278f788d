"""A stream's loss: cross-entropy, and what its features are to take over from a teacher's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        teacher: network of the flow stream.
        terms: losses by name, such as ``mae``. Each maps the :data:`.Features` of the student and
            of the teacher to a scalar. One whose ``forward`` has an argument ``labels`` gets them,
            int64 (N,), by this name. Parameters of its own are trained with the student.
        weights: a weight for each term.
        shares: for some terms the part of the gradient that they get instead. Their weight is 1
            until :meth:`balance` sets it.
    """

    inputs: Sequence[str] = ("rgb", "flow")
    teacher: Frozen
    weights: Tensor

    def __init__(
        self,
        teacher: Backbone,
        terms: Mapping[str, nn.Module],
        weights: Mapping[str, float],
        shares: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.teacher = Frozen(teacher)
        self.terms = nn.ModuleDict(terms)
        self.labelled = {
            n for n, loss in terms.items() if "labels" in signature(loss.forward).parameters
        }
        self._side: torch.cuda.Stream | None = None
        self.shares: Mapping[str, float] = dict(shares or {})
        self.start = [1.0 if name in self.shares else weights[name] for name in terms]
        # A tensor, since compiled code would be made again for every new number.
        self.register_buffer("weights", torch.tensor(self.start, dtype=torch.float32), False)

    def forward(
        self, student: Backbone, clips: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (N, K) and the weighted terms, scalars by name; the loss is their sum."""
        run = self._overlapping if clips["flow"].is_cuda else self._one_by_one
        logits, features, targets = run(student, clips)
        features = {**features, "logits": logits}
        terms = {"ce": F.cross_entropy(logits, labels)}
        for weight, (name, loss) in zip(self.weights, self.terms.items(), strict=True):
            more = {"labels": labels} if name in self.labelled else {}
            terms[name] = weight * loss(features, targets, **more)
        return logits, terms

    def balance(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Set the weights of terms with a share; return the factor that each term's changes by.

        Afterwards the norm of a term with a share is that part of the sum of all norms. A term
        whose gradient is zero keeps its weight and does not count. All keep theirs where a norm is
        not finite, or nothing but terms with a share has a gradient.

        Args:
            norms: the norm of the gradient of every weighted term, ``ce`` among them.
        """
        shares = {name: share for name, share in self.shares.items() if norms[name] > 0}
        given = sum(norm for name, norm in norms.items() if name not in shares)
        if not given or not all(map(math.isfinite, norms.values())):
            return {}
        total = given / (1 - sum(shares.values()))
        factors = {name: share * total / norms[name] for name, share in shares.items()}
        # Not in place: the graph of the terms needs the weights that they were made with.
        self.weights = self.weights * self.weights.new_tensor(
            [factors.get(name, 1.0) for name in self.terms]
        )
        return factors

    def reset(self) -> None:
        """Give the terms with a share a weight of 1 again, so that no epoch depends on the last."""
        self.weights = self.weights.new_tensor(self.start)

    def _one_by_one(
        self, student: Backbone, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """The student's logits and features, and the teacher's features."""
        return *student.forward_features(clips["rgb"]), self.teacher(clips["flow"])

    def _overlapping(
        self, student: Backbone, clips: Mapping[str, Tensor]
    ) -> tuple[Tensor, Features, Features]:
        """The same with both forward passes at once, on a GPU."""
        flow = clips["flow"]
        # Always the same stream, for each keeps memory of its own.
        self._side = side = self._side or torch.cuda.Stream(flow.device)
        main = torch.cuda.current_stream(flow.device)
        side.wait_stream(main)  # the clips must be there
        with torch.cuda.stream(side):
            targets = self.teacher(flow)
        logits, features = student.forward_features(clips["rgb"])
        main.wait_stream(side)
        # Or their memory could be given to others while the other stream still uses it.
        flow.record_stream(side)
        for target in targets.values():
            target.record_stream(main)
        return logits, features, targets
