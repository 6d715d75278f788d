"""One trainer for every stream: teacher, RGB, MARS and Dual-action Stream."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dsnet import clips, diagnostics, models, randomness, resuming, splits
from dsnet.diagnostics import TrainingError
from dsnet.distributed import Processes, joined, synchronise_batch_norm
from dsnet.inference import choose_device, clip_logits, to_device
from dsnet.losses import Distillation
from dsnet.models import checkpoints
from dsnet.provenance import alone, canonical, file_digest, record, replacing
from dsnet.schedule import Schedule
from dsnet.steps import Classification, Step
from dsnet.store import Reader

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
        Run(spec, reader, output, sources, chosen, workers, processes, init, teacher).fit()


class Run:
    """The state of one training."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        reader: Reader,
        output: Path,
        sources: Mapping[str, Any],
        device: torch.device,
        workers: int,
        processes: Processes,
        init: PathLike | None,
        teacher: PathLike | None,
    ) -> None:
        self.spec, self.output, self.sources, self.device = spec, output, sources, device
        self.processes = processes
        self.options = spec["stream"]["training"]
        self.seed = spec["run"]["seed"]
        self.classes = reader.extra["classes"]
        self.data = reader.spec  # how frames and flow were made: predicting repeats it
        randomness.seed_everything(self.seed)
        self.network = models.build(spec["model"], spec["stream"]["input"], len(self.classes))
        if init is not None:
            models.start_from(self.network, init)
        if processes.count > 1 and self.options["sync_batch_norm"]:
            synchronise_batch_norm(self.network, device)
        self.task: Classification | Distillation = Classification(spec["stream"]["input"])
        if teacher is not None:
            self.task = Distillation(models.load_model(teacher)[0], spec["stream"]["losses"])
        to_device(self.network, device)
        to_device(self.task, device)
        self._freeze()
        self.training, self.selection = self._loaders(reader, workers)
        self.step = Step(self.network, self.task, self.options, device, processes)
        self.schedule = Schedule(self.step.optimizer, self.options, len(self.training))
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] | None = None
        self.warnings: list[str] = []
        self.provenance = record(device=str(device), processes=processes.count)

    def _freeze(self) -> None:
        """Leave only the modules named ``trainable`` to be trained."""
        names = self.options["trainable"]
        self.frozen: list[nn.Module] = []
        if names is None:
            return
        children = dict(self.network.named_children())
        unknown = sorted(set(names) - set(children))
        if unknown:
            raise TrainingError(
                f"training.trainable: the network has no {', '.join(unknown)}; "
                f"it has {', '.join(children)}"
            )
        for name, child in children.items():
            if name not in names:
                child.requires_grad_(False)
                self.frozen.append(child)

    def _loaders(self, reader: Reader, workers: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
        run, options = self.spec["run"], self.options
        table = clips.table(reader)
        parts = splits.parts(table, run["split"], run["protocol"], self.spec["validation_share"])
        labels = dict(zip(table["id"], table["label"], strict=True))

        def videos(part: str, modalities: tuple[str, ...]) -> clips.Videos:
            ids = parts[part]
            return clips.Videos(
                reader,
                ids,
                [labels[id] for id in ids],
                modalities,
                run["clip_length"],
                self.spec["clips"],
            )

        training = clips.TrainingClips(
            videos("train", self.task.inputs), self.seed, self.spec["flip"]
        )
        selection = clips.TestClips(
            videos("validation", (self.spec["stream"]["input"],)), options["selection_clips"]
        )
        log.info("%d videos to train, %d to select by", len(training), len(parts["validation"]))
        for data in (training.videos, selection.videos) if self.processes.first else ():
            data.verify()
        return (
            clips.training_loader(training, options["batch_size"], workers, self.processes),
            clips.scoring_loader(selection, options["batch_size"], workers, self.processes),
        )

    # --- the loop --------------------------------------------------------------------------

    def fit(self) -> None:
        """Train all epochs that are left and write the results."""
        self.output.mkdir(parents=True, exist_ok=True)
        first = self._resume()
        epochs = self.options["epochs"]
        only = self.processes.first  # it writes, and shows how far it is
        with SummaryWriter(str(self.output / "tensorboard")) if only else nullcontext() as board:
            for row in self.history:
                _to_board(board, row)
            name = self.spec["run"]["stream"]
            bar = tqdm(range(first, epochs), name, unit="epoch", disable=None if only else True)
            for epoch in bar:
                try:
                    row = self._epoch(epoch)
                except TrainingError as error:
                    raise TrainingError(f"{error}; {self._last_good()}") from error
                self.history.append(row)
                self._keep_if_best(row)
                _to_board(board, row)
                bar.set_postfix(loss=f"{row['train_loss']:.3f}", val=f"{row['val_top1']:.1f}")
                log.info("%s", " ".join(f"{key}={value:.4g}" for key, value in row.items()))
                if only:
                    resuming.save(self.output, self._state())
        if only:
            self._write()
            resuming.remove(self.output)

    def _last_good(self) -> str:
        if not self.history:
            return "no epoch was complete before"
        last = self.output / resuming.LAST
        return (
            f"the last good checkpoint, after epoch {len(self.history)}, is {last}; other "
            f"settings begin anew, or from a copy of it that the stream's pretrained names"
        )

    def _epoch(self, epoch: int) -> dict[str, float]:
        started = time.perf_counter()
        train = self._train_epoch(epoch)
        lr = self.step.optimizer.param_groups[0]["lr"]
        val = self._select(f"epoch {epoch + 1}")
        self.schedule.after_epoch(val["val_loss"])
        collapse = diagnostics.collapse(
            train["top1"], train.get("grad_layer4"), len(self.classes), epoch + 1
        )
        if collapse:
            self.warnings.append(collapse)
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
        """One pass over the training videos: mean loss, terms, top-1, first step's gradients."""
        self.network.train()
        if self.options["frozen_statistics"] == "keep":
            for module in self.frozen:
                module.eval()
        batches = self.training.batch_sampler
        assert isinstance(batches, clips.EpochBatches)
        batches.epoch = epoch
        sums: dict[str, float] = defaultdict(float)
        gradients: dict[str, float] = {}
        for step, (batch, labels) in enumerate(self.training):
            batch = {
                name: clips.normalise(clip, name, self.spec["clips"], self.device)
                for name, clip in batch.items()
            }
            labels = labels.to(self.device)
            self.schedule.before_step(epoch * len(self.training) + step)
            logits, terms = self.step.forward(batch, labels)
            values = diagnostics.check_finite(terms, f"epoch {epoch + 1}, step {step + 1}")
            share = len(labels) / batches.sizes[step]
            if step == 0:
                gradients = self.step.gradient_norms(terms, share)
            self.step.update(terms, share)
            for name, value in values.items():
                sums[name] += len(labels) * value
            sums["right"] += int((logits.argmax(dim=1) == labels).sum())
        seen = sum(batches.sizes)
        means = {name: value / seen for name, value in self.processes.sums(sums).items()}
        right = means.pop("right")
        return {
            "loss": sum(means.values()),
            "top1": 100 * right,
            **{f"loss_{name}": value for name, value in means.items()},
            **gradients,
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

    # --- what is kept ----------------------------------------------------------------------

    def _keep_if_best(self, row: Mapping[str, float]) -> None:
        """Keep the weights of the highest selection accuracy; among equals of the lowest loss."""
        rank = (row["val_top1"], -row["val_loss"])
        if self.best is None or rank > tuple(self.best["rank"]):
            weights = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
            self.best = {"rank": list(rank), "epoch": row["epoch"], "state_dict": weights}

    def _about(self) -> dict[str, Any]:
        """What every file of the network says of it."""
        return {
            "format": checkpoints.FORMAT,
            "version": checkpoints.VERSION,
            "arch": dict(self.spec["model"]),
            "input": self.spec["stream"]["input"],
            "classes": list(self.classes),
            "warnings": self.warnings,
            "spec": dict(self.spec),
            "data": self.data,
            "sources": dict(self.sources),
            "provenance": self.provenance,
        }

    def _state(self) -> dict[str, Any]:
        return {
            **self._about(),
            "state_dict": self.network.state_dict(),
            "epoch": len(self.history),
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "best": self.best,
            "random": randomness.state(),
        }

    def _resume(self) -> int:
        """Take up what an interrupted training of the same sources left; the epoch to go on at."""
        state = resuming.load(self.output, self.sources)
        if state is None:
            return 0
        self.network.load_state_dict(state["state_dict"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.step.scaler.load_state_dict(state["scaler"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.best = state["history"], state["best"]
        self.warnings = state["warnings"]
        randomness.restore(state["random"])
        log.info("going on after epoch %d of an interrupted training", len(self.history))
        return len(self.history)

    def _write(self) -> None:
        assert self.best is not None
        last = {k: v.detach().cpu() for k, v in self.network.state_dict().items()}
        best = self.options["select"] == "best"
        checkpoints.save(
            self.output / "model.pt",
            {
                **self._about(),
                "state_dict": self.best["state_dict"] if best else last,
                "epoch": self.best["epoch"] if best else len(self.history),
                "best": self.best,
                "last": {"epoch": len(self.history), "state_dict": last},
            },
        )
        with replacing(self.output / "history.csv") as temporary:
            pd.DataFrame(self.history).to_csv(temporary, index=False)


def _to_board(board: SummaryWriter | None, row: Mapping[str, float]) -> None:
    if board is None:
        return
    for name, value in row.items():
        if name != "epoch":
            board.add_scalar(name.replace("_", "/", 1), value, int(row["epoch"]))
