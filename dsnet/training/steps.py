"""One training step: the loss of a batch, its gradients and the update of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from dsnet.arithmetic import computing_in
from dsnet.models.backbone import Backbone
from dsnet.processes import ALONE, Processes
from dsnet.training.gradients import TrainingError, gradient_norms

if TYPE_CHECKING:
    from dsnet.experiment.networks import Recipe


class Task(Protocol):
    """The loss of a stream; :class:`Classification` is an example.

    Attributes: ``inputs``, the modalities that it needs; ``shares``, the share of the gradient of
    some terms; ``terms``, modules with parameters to train.
    """

    inputs: Sequence[str]
    shares: Mapping[str, float]
    terms: nn.ModuleDict

    def __call__(
        self, network: Backbone, batch: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits (N, K) and the terms of the loss, scalars by name.

        Labels are int64 (N,) or, of mixed clips, (N, K).
        """

    def balance(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Give the terms their shares; return the factors by which they change."""

    def reset(self, done: float) -> dict[str, float]:
        """Undo :meth:`balance` for an epoch; return the weights that fade, by name.

        ``done`` goes from 0 in the first epoch to 1 in the last.
        """


class Classification(nn.Module):
    """Cross-entropy alone: the :class:`Task` of a stream without a teacher."""

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.inputs: Sequence[str] = (modality,)
        self.shares: Mapping[str, float] = {}
        self.terms = nn.ModuleDict()
        self.cross_entropy: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy

    def forward(
        self, network: Backbone, batch: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits (N, K) and the only term."""
        logits = network(batch[self.inputs[0]])
        return logits, {"ce": self.cross_entropy(logits, labels)}

    def balance(self, norms: Mapping[str, float]) -> dict[str, float]:
        """Return no factors."""
        return {}

    def reset(self, done: float) -> dict[str, float]:
        """Return no weights."""
        return {}


class _Loss(nn.Module):
    """Network and task as one module, as DistributedDataParallel needs it.

    Of the task only what is trained is part of it: a teacher is of no concern to the others.
    """

    def __init__(self, network: Backbone, task: Task) -> None:
        super().__init__()
        self.network, self.terms = network, task.terms
        self._task = (task,)  # in a tuple it is no submodule

    def forward(
        self, batch: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self._task[0](self.network, batch, labels)


class Step:
    """Forward, backward and update for single batches, in one process or several.

    Args:
        network: on ``device``; its parameters that need gradients are trained.
        task: gives the terms of the loss, on ``device``; the terms' parameters are trained too.
        options: the config's ``training``.
        device: where network and task are.
        processes: those that share every batch.

    Attributes: ``optimizer`` and ``scaler``, parts of the training's state.
    """

    def __init__(
        self,
        network: Backbone,
        task: Task,
        options: Recipe,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        self.network, self.task, self.device, self.processes = network, task, device, processes
        self.clip_gradient = options.clip_gradient
        self.precision = options.precision
        forward: nn.Module = _Loss(network, task)
        if options.compile:
            # Each term's gradient goes through the graph before the gradient of their sum. So no
            # backward pass may overwrite its input. PyTorch detects this only in freshly compiled
            # code, and the key of its cache does not contain the setting.
            functorch.donated_buffer = False
            torch.compiler.config.cache_key_tag = "dsnet: nothing is overwritten"
            forward = torch.compile(forward)  # type: ignore[assignment]
        if processes.count > 1:
            gpus = [device] if device.type == "cuda" else None
            # Statistics of batch norm are computed by all processes, or shared after each epoch.
            forward = DistributedDataParallel(
                forward, gpus, broadcast_buffers=False, gradient_as_bucket_view=True
            )
        self._forward = forward
        both = (*network.parameters(), *task.terms.parameters())
        self.trained = [parameter for parameter in both if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(
            self.trained,
            lr=options.lr,
            momentum=options.momentum,
            dampening=options.dampening,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "float16")

    def forward(
        self, batch: Mapping[str, Tensor], labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits (N, K) and the terms of the loss, scalars by name, of this process.

        ``batch``: (N, C, T, H, W) by modality; ``labels``: int64 (N,), or (N, K) if mixed.
        """
        with computing_in(self.precision, self.device):
            return self._forward(batch, labels)

    def start_epoch(self, done: float) -> dict[str, float]:
        """Undo :meth:`balance`; for ``done`` and what is returned see :meth:`Task.reset`."""
        return self.task.reset(done)

    def balance(
        self, terms: Mapping[str, Tensor], share: float
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Give the terms the shares of the gradient that the task wants, if any.

        For ``share`` see :meth:`update`. Returns the terms with their new weights, and their
        :func:`.gradients.gradient_norms` over the whole batch.
        """
        terms, norms = dict(terms), self._gradient_norms(terms, share)
        if self.task.shares:
            factors = self.task.balance({name: norms[f"grad_{name}"] for name in terms})
            terms = {name: factors.get(name, 1) * value for name, value in terms.items()}
            norms = self._gradient_norms(terms, share)
        return terms, norms

    def _gradient_norms(self, terms: Mapping[str, Tensor], share: float) -> dict[str, float]:
        scale = float(self.scaler.get_scale())
        scaled = {name: scale * share * value for name, value in terms.items()}
        norms = gradient_norms(self.network, scaled, self.processes)
        return {name: norm / scale for name, norm in norms.items()}

    def update(self, terms: Mapping[str, Tensor], share: float) -> Tensor:
        """Take a step down the gradient of the terms' sum; return whether it was clipped, a scalar.

        The terms are means over this process's clips, and ``share`` is its share of the batch. So
        the sum over processes of terms times shares is the mean over the batch.
        """
        # DistributedDataParallel averages the gradients, but their sum is needed.
        loss = torch.stack(list(terms.values())).sum() * (share * self.processes.count)
        clipped = torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.clip_gradient is not None:
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.clip_grad_norm_(self.trained, self.clip_gradient)
            clipped = norm > self.clip_gradient
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return clipped


def freeze(network: nn.Module, trainable: Sequence[str] | None) -> list[nn.Module]:
    """Freeze all children except those named ``trainable``, and return them; None freezes none.

    Raises TrainingError if the network has no child of that name.
    """
    if trainable is None:
        return []
    children = dict(network.named_children())
    unknown = sorted(set(trainable) - set(children))
    if unknown:
        raise TrainingError(
            f"training.trainable: the network has no {', '.join(unknown)}; "
            f"it has {', '.join(children)}"
        )
    return [
        child.requires_grad_(False) for name, child in children.items() if name not in trainable
    ]
