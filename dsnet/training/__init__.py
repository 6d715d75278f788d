"""One trainer for every stream: teacher, RGB, MARS and Dual-action Stream."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dsnet import clips
from dsnet.distributed import Processes, joined
from dsnet.inference import choose_device, clip_logits
from dsnet.provenance import alone, canonical, file_digest, record
from dsnet.store import Reader
from dsnet.training import diagnostics, preparation, randomness, resuming
from dsnet.training.diagnostics import TrainingError
from dsnet.training.results import Results, to_board
from dsnet.training.schedule import Schedule
from dsnet.training.steps import Step

__all__ = ["TrainingError", "train"]

log = logging.getLogger(__name__)
PathLike = str | os.PathLike[str]


def train(
    spec: Mapping[str, Any],
    clips_path: PathLike,
    output: PathLike,
    code: str = "",
    init: PathLike | None = None,
    teacher: PathLike | None = None,
    device: str = "auto",
    workers: int = 0,
    threads: int = 1,
) -> None:
    """Train one stream and write ``model.pt``, ``history.csv`` and ``tensorboard/``.

    With no epochs to train, the weights of ``init`` are the stream's as they are; the history is
    then empty, and no video is looked at.

    Of several processes that torchrun started each prepares and computes its share of every batch,
    and the first writes the files.

    An interrupted training goes on after its last complete epoch, with the numbers of an
    undisturbed one: on a CPU to the last bit, on a GPU as far as its kernels are deterministic.

    Args:
        spec: :func:`dsnet.config.train_spec`.
        clips_path: ``clips.h5``.
        output: folder for the three.
        code: digest of the code; an interrupted training is taken up only by the same.
        init: ``model.pt`` or ``.pth`` to start from.
        teacher: ``model.pt`` of the flow stream to distill from.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: processes that prepare clips, of each process that trains.
        threads: CPU threads of the network's arithmetic, of each process that trains.

    Raises:
        TrainingError: a loss is not finite, or the spec trains a module that is not there.
        DeviceError: the device is not there, or not made for the spec's precision.
        CheckpointError: ``init`` or ``teacher`` cannot be used.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    output = Path(output)
    with joined() as processes, alone(output / "model.pt") if processes.first else nullcontext():
        chosen = choose_device(device, processes)
        processes.wait()  # a job of a killed run may be writing still
        log.info(
            "training %s on %s, %d processes of %d threads",
            canonical(spec["run"]),
            chosen,
            processes.count,
            threads,
        )
        reader = clips.open_clips(clips_path)
        sources = {
            "spec": spec,
            "code": code,
            "clips": reader.digest,
            "init": init and file_digest(init),
            "teacher": teacher and file_digest(teacher),
        }
        provenance = record(device=str(chosen), processes=processes.count)
        results = Results(output, spec, reader, sources, provenance)
        if spec["stream"]["training"]["epochs"]:
            Trainer(spec, reader, results, chosen, workers, processes, init, teacher).fit()
        elif processes.first:
            assert init is not None  # or the configuration is refused
            (output / "tensorboard").mkdir(parents=True, exist_ok=True)
            results.write(preparation.taken_network(spec, reader.extra["classes"], init))
            resuming.remove(output)


class Trainer:
    """One training: its network, task and clips, and the loop over the epochs."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        reader: Reader,
        results: Results,
        device: torch.device,
        workers: int,
        processes: Processes,
        init: PathLike | None,
        teacher: PathLike | None,
    ) -> None:
        self.spec, self.results, self.device, self.processes = spec, results, device, processes
        self.options = options = spec["stream"]["training"]
        names = reader.extra["classes"]
        self.classes = len(names)
        randomness.seed_everything(spec["run"]["seed"])
        self.network = preparation.make_network(spec, names, device, processes, init)
        self.frozen = preparation.freeze(self.network, options["trainable"])
        self.task = preparation.make_task(spec["stream"], device, teacher)
        self.training, self.selection = preparation.make_loaders(
            spec, reader, self.task.inputs, workers, processes
        )
        self.step = Step(self.network, self.task, options, device, processes)
        self.schedule = Schedule(self.step.optimizer, options, len(self.training))

    def fit(self) -> None:
        """Train all epochs that are left and write the results."""
        results, folder = self.results, self.results.folder
        folder.mkdir(parents=True, exist_ok=True)
        first, epochs = self._resume(), self.options["epochs"]
        name = self.spec["run"]["stream"]
        only = self.processes.first  # it writes, and shows how far it is
        with SummaryWriter(str(folder / "tensorboard")) if only else nullcontext() as board:
            for row in results.history:
                to_board(board, row)
            bar = tqdm(range(first, epochs), name, unit="epoch", disable=None if only else True)
            for epoch in bar:
                try:
                    row = self._epoch(epoch)
                except TrainingError as error:
                    good = resuming.last_good(folder, len(results.history))
                    raise TrainingError(f"{error}; {good}") from error
                results.add(row, self.network)
                to_board(board, row)
                bar.set_postfix(loss=f"{row['train_loss']:.3f}", val=f"{row['val_top1']:.1f}")
                # dsnet.live.trainings reads this line, and under this logger's name.
                log.info("%s", " ".join(f"{key}={value:.4g}" for key, value in row.items()))
                if only:
                    resuming.save(folder, self._state())
        if only:
            results.write(self.network)
            resuming.remove(folder)

    def _epoch(self, epoch: int) -> dict[str, float]:
        started = time.perf_counter()
        train = self._train_epoch(epoch)
        # Where each process normalises by its own clips, their statistics differ.
        self.processes.agree(self.network.buffers())
        lr = self.step.optimizer.param_groups[0]["lr"]
        val = self._select(f"epoch {epoch + 1}")
        self.schedule.after_epoch(val["val_loss"])
        collapse = diagnostics.collapse(
            train["top1"], train.get("grad_layer4"), self.classes, epoch + 1
        )
        if collapse:
            self.results.warnings.append(collapse)
            log.warning("%s", collapse)
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
        """One pass over the training videos.

        Returns mean ``loss``, terms and ``top1``, the part of the steps that were ``clipped``, and
        of the first step the norm of each term's gradient and its share of their sum.
        """
        self.network.train()
        if self.options["frozen_statistics"] == "keep":
            for module in self.frozen:
                module.eval()
        batches = self.training.batch_sampler
        assert isinstance(batches, clips.EpochBatches)
        batches.epoch = epoch
        sums: dict[str, float] = defaultdict(float)
        gradients = {"none yet": math.nan}
        self.step.start_epoch()
        for step, (batch, labels) in enumerate(self.training):
            batch = {
                name: clips.normalise(clip, name, self.spec["clips"], self.device)
                for name, clip in batch.items()
            }
            labels = labels.to(self.device)
            self.schedule.before_step(epoch * len(self.training) + step)
            logits, terms = self.step.forward(batch, labels)
            share = len(labels) / batches.sizes[step]
            # Once, but for the first steps in float16, whose gradients may overflow.
            if not all(map(math.isfinite, gradients.values())):
                terms, gradients = self.step.balance(terms, share)
            values = diagnostics.check_finite(terms, f"epoch {epoch + 1}, step {step + 1}")
            sums["clipped"] += len(labels) * self.step.update(terms, share)
            for name, value in values.items():
                sums[name] += len(labels) * value
            sums["right"] += int((logits.argmax(dim=1) == labels).sum())
        seen = sum(batches.sizes)
        means = {name: value / seen for name, value in self.processes.sums(sums).items()}
        right, clipped = means.pop("right"), means.pop("clipped")
        return {
            "loss": sum(means.values()),
            "top1": 100 * right,
            **{f"loss_{name}": value for name, value in means.items()},
            **gradients,
            **diagnostics.shares(gradients, means),
            "clipped": clipped,
        }

    @torch.no_grad()
    def _select(self, where: str) -> dict[str, float]:
        """Loss and top-1 of the selection part's video scores.

        Raises:
            TrainingError: the scores are not finite, though the loss was: the last step was too
                large, or the batch-norm statistics overflowed.
        """
        scores, owners = clip_logits(self.network, self.selection, self.device, self.processes)
        data = self.selection.dataset
        assert isinstance(data, clips.TestClips)
        labels = np.array(data.videos.labels)
        mean = np.stack([scores[owners == video].mean(axis=0) for video in range(len(labels))])
        loss = F.cross_entropy(torch.from_numpy(mean), torch.from_numpy(labels))
        diagnostics.check_finite({"ce on the selection part": loss}, where)
        return {"val_loss": float(loss), "val_top1": 100 * float((mean.argmax(1) == labels).mean())}

    def _state(self) -> dict[str, Any]:
        """All that an epoch changes; :meth:`_resume` takes it up."""
        return {
            **self.results.about(),
            "state_dict": self.network.state_dict(),
            "epoch": len(self.results.history),
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.results.history,
            "best": self.results.best,
            "random": randomness.state(),
        }

    def _resume(self) -> int:
        """Take up what an interrupted training of the same sources left; the epoch to go on at."""
        results = self.results
        state = resuming.load(results.folder, results.sources)
        self.processes.wait()  # the first one removes it when no epoch is left
        if state is None:
            return 0
        self.network.load_state_dict(state["state_dict"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.step.scaler.load_state_dict(state["scaler"])
        self.schedule.load_state_dict(state["schedule"])
        results.history, results.best = state["history"], state["best"]
        results.warnings = state["warnings"]
        randomness.restore(state["random"])
        log.info("going on after epoch %d of an interrupted training", len(results.history))
        return len(results.history)
