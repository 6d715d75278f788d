"""Training of one network, one epoch at a time."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from dsnet.clips.feeding import fetched, on_device
from dsnet.clips.loading import EpochBatches
from dsnet.clips.videos import ScoringClips
from dsnet.inference import clip_logits
from dsnet.models.backbone import Backbone
from dsnet.processes import Processes
from dsnet.training import randomness
from dsnet.training.gradients import check_finite, shares
from dsnet.training.schedule import Schedule
from dsnet.training.steps import Step, Task, freeze

if TYPE_CHECKING:
    from dsnet.experiment.specs import TrainSpec
    from dsnet.training.averaging import Average
    from dsnet.training.noise import Mixup


class Trainer:
    """A network, its task and its clips; :meth:`epoch` is one pass over the training videos.

    Args:
        network: what is trained, on ``device``.
        task: gives its loss, on ``device``.
        training: batches of :func:`dsnet.clips.training_loader`.
        selection: batches of :func:`dsnet.clips.scoring_loader`, for the selection of the epoch.
        spec: see :class:`dsnet.experiment.specs.TrainSpec`.
        device: where everything is computed.
        processes: those that train together.
        mixup: mixes the clips of every batch, if any.
        average: of the weights of ``network``, if any.

    Attributes: ``judged``, the network that is selected and kept: the average if there is one.

    Raises:
        TrainingError: the spec trains a module that does not exist.
    """

    def __init__(
        self,
        network: Backbone,
        task: Task,
        training: DataLoader[Any],
        selection: DataLoader[Any],
        spec: TrainSpec,
        device: torch.device,
        processes: Processes,
        mixup: Mixup | None = None,
        average: Average | None = None,
    ) -> None:
        self.network, self.training, self.selection = network, training, selection
        self.device, self.processes, self.seed = device, processes, spec.run.seed
        self.mixup, self.average = mixup, average
        self.judged = average.network if average else network
        self.options = spec.stream.training
        self.settings = spec.clips.model_copy(update=network.statistics)
        self.frozen = freeze(network, self.options.trainable)
        self.step = Step(network, task, self.options, device, processes)
        self.schedule = Schedule(self.step.optimizer, self.options, len(training))

    def epoch(self, epoch: int) -> dict[str, float]:
        """Train epoch ``epoch``, from 0, score the selection part, and return a history row."""
        started = time.perf_counter()
        train = self._train_epoch(epoch)
        # They may differ between processes, as without synchronised batch norm.
        terms = self.step.task.terms
        self.processes.broadcast([*self.network.buffers(), *terms.buffers()])
        if self.average:
            self.processes.broadcast(self.judged.buffers())
        lr = self.step.optimizer.param_groups[0]["lr"]
        val = self._select(epoch)
        self.schedule.after_epoch(val["val_loss"])
        seconds = time.perf_counter() - started
        return {
            "epoch": epoch + 1,
            "lr": lr,
            "train_loss": train.pop("loss"),
            "train_top1": train.pop("top1"),
            **val,
            "seconds": round(seconds, 2),
            **train,
        }

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all training videos once.

        Returns the means of ``loss``, its terms and ``top1``, the share of steps that were
        ``clipped``, and for the first step the norm of each term's gradient and its share of the
        sum; and the weight of each term whose weight fades.
        """
        self.network.train()
        if self.options.frozen_statistics == "keep":
            for module in self.frozen:
                module.eval()
        batches = self.training.batch_sampler
        assert isinstance(batches, EpochBatches)
        batches.epoch = epoch
        totals = Totals(epoch + 1, self.device.type != "cpu")
        gradients = {"none yet": math.nan}
        weights = self.step.start_epoch(epoch / max(self.schedule.epochs - 1, 1))
        for step, (batch, labels) in enumerate(
            on_device(self.training, self.settings, self.device)
        ):
            self.schedule.before_step(epoch * len(self.training) + step)
            randomness.seed_step(self.seed, epoch, step, self.processes.rank)
            if self.mixup:
                batch, labels = self.mixup(batch, labels, epoch, step)
            logits, terms = self.step.forward(batch, labels)
            share = len(labels) / batches.sizes[step]
            # In the first step, and in float16 until no gradient overflows.
            if not all(map(math.isfinite, gradients.values())):
                terms, gradients = self.step.balance(terms, share)
            is_clipped = self.step.update(terms, share)
            if self.average:
                self.average.update(self.network)
            counted = {"clipped": is_clipped, "right": n_right(logits, labels)}
            totals.add(step + 1, len(labels), {**terms, **counted})
        seen = sum(batches.sizes)
        sums = self.processes.sums(totals.sums())
        means = {name: value / seen for name, value in sums.items()}
        right, clipped = means.pop("right"), means.pop("clipped")
        return {
            "loss": sum(means.values()),
            "top1": 100 * right,
            **{f"loss_{name}": value for name, value in means.items()},
            **gradients,
            **shares(gradients, means),
            **{f"weight_{name}": value for name, value in weights.items()},
            "clipped": clipped,
        }

    @torch.no_grad()
    def _select(self, epoch: int) -> dict[str, float]:
        """Compute loss and top-1 of the selection part's video scores.

        It raises TrainingError if the scores are not finite. Then the last step was too large, or
        the batch-norm statistics overflowed.
        """
        scores, owners = clip_logits(
            self.judged, self.selection, self.device, self.processes, self.options.precision
        )
        data = self.selection.dataset
        assert isinstance(data, ScoringClips)
        labels = np.array(data.videos.labels)
        mean = np.stack([scores[owners == video].mean(axis=0) for video in range(len(labels))])
        loss = F.cross_entropy(torch.from_numpy(mean), torch.from_numpy(labels))
        check_finite({"ce": float(loss)}, epoch + 1)
        return {"val_loss": float(loss), "val_top1": 100 * float((mean.argmax(1) == labels).mean())}

    def state(self) -> dict[str, Any]:
        """Return everything that an epoch changes, as tensors and plain values."""
        average = {"average": self.average.state_dict()} if self.average else {}
        return {
            "state_dict": self.network.state_dict(),
            "terms": self.step.task.terms.state_dict(),
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": randomness.state(),
            **average,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a :meth:`state`."""
        self.network.load_state_dict(state["state_dict"])
        self.step.task.terms.load_state_dict(state["terms"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.step.scaler.load_state_dict(state["scaler"])
        self.schedule.load_state_dict(state["schedule"])
        randomness.restore(state["random"])
        if self.average:
            self.average.load_state_dict(state["average"])


class Totals:
    """Sums over the steps of an epoch; what a GPU computes is looked at a step later.

    So the processor queues the next step instead of waiting for this one. ``epoch`` and the steps
    count from 1, for messages; ``late`` is whether the numbers are on a GPU.
    """

    def __init__(self, epoch: int, late: bool) -> None:
        self.epoch, self.late = epoch, late
        self._sums: dict[str, float] = defaultdict(float)
        self._waiting: tuple[int, int, Sequence[str], Callable[[], list[float]]] | None = None

    def add(self, step: int, clips: int, values: Mapping[str, Tensor]) -> None:
        """Add the means over a step's clips; ``right`` is not a mean but a number of clips.

        Raises TrainingError if a number is not finite, of this step or of the one before.
        """
        stacked = torch.stack([value.detach().float() for value in values.values()])
        fetch = fetched(stacked)
        self._count()
        self._waiting = (step, clips, tuple(values), fetch)
        if not self.late:
            self._count()

    def sums(self) -> dict[str, float]:
        """Return the sums of all steps; raises TrainingError as :meth:`add`."""
        self._count()
        return self._sums

    def _count(self) -> None:
        if self._waiting is None:
            return
        (step, clips, names, fetch), self._waiting = self._waiting, None
        values = dict(zip(names, fetch(), strict=True))
        check_finite(values, self.epoch, step)
        for name, value in values.items():
            self._sums[name] += value if name == "right" else clips * value


def n_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Count clips whose likeliest class is right, a scalar.

    Of a mixed clip, whose labels are (N, K), counts the share that this class has in it.
    """
    found = logits.argmax(dim=1)
    if labels.ndim == 1:
        return (found == labels).sum()
    return labels.gather(1, found[:, None]).sum()


def rank(row: Mapping[str, float]) -> tuple[float, float]:
    """Return a sort key for epochs: highest selection accuracy first, then lowest loss."""
    return row["val_top1"], -row["val_loss"]
