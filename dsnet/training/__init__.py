"""One trainer for all streams."""

from __future__ import annotations

import logging
import shutil
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dsnet import clips
from dsnet.arithmetic import set_up
from dsnet.devices import check_precision, choose_device
from dsnet.disk import PathLike
from dsnet.distributed import joined
from dsnet.experiment.specs import TrainSpec
from dsnet.processes import Processes
from dsnet.provenance import alone, canonical, file_digest, record
from dsnet.training import diagnostics, preparation, randomness, resuming
from dsnet.training.averaging import Average
from dsnet.training.gradients import TrainingError
from dsnet.training.results import Results, to_board
from dsnet.training.trainer import Trainer

__all__ = ["TrainingError", "train"]

log = logging.getLogger(__name__)


def train(
    spec: TrainSpec,
    clips_path: PathLike,
    output: PathLike,
    code: str = "",
    init: PathLike | None = None,
    teacher: PathLike | None = None,
    device: str = "auto",
    workers: int = 0,
    threads: int = 1,
    second_teacher: PathLike | None = None,
) -> None:
    """Train one stream and write ``model.pt``, ``history.csv`` and ``tensorboard/``.

    If there are no epochs to train, the stream has the weights of ``init``, and the history is
    empty. Each of several processes that torchrun started computes its share of every batch, and
    the first writes the files.

    An interrupted training goes on after its last complete epoch. It gives the numbers of an
    undisturbed one: on a CPU to the last bit, on a GPU as far as its kernels are deterministic.

    Args:
        spec: see :class:`dsnet.experiment.specs.TrainSpec`.
        clips_path: ``clips.h5``.
        output: folder of the files.
        code: digest of the code; an interrupted training goes on only with the same code.
        init: ``model.pt`` or ``.pth`` to start from.
        teacher: ``model.pt`` of the stream to distill from, with the other input.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: processes that prepare clips, for each training process.
        threads: CPU threads of the network, for each training process.
        second_teacher: ``model.pt`` of a stream with the same input, whose logits teach too.

    Raises:
        TrainingError: a loss is not finite, or the spec trains a module that does not exist.
        DeviceError: the device does not exist, or does not support the spec's precision.
        CheckpointError: ``init`` or a teacher cannot be used.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    output = Path(output)
    with joined() as processes, alone(output / "model.pt") if processes.first else nullcontext():
        chosen = choose_device(device, processes)
        processes.wait()  # a job of a killed run may still be writing
        log.info(
            "training %s on %s, %d processes of %d threads",
            canonical(spec.run.values()),
            chosen,
            processes.count,
            threads,
        )
        reader = clips.open_clips(clips_path)
        sources = {
            "spec": spec.values(),
            "code": code,
            "clips": reader.digest,
            "init": init and file_digest(init),
            "teacher": teacher and file_digest(teacher),
        }
        if second_teacher is not None:
            sources["second_teacher"] = file_digest(second_teacher)
        provenance = record(device=str(chosen), processes=processes.count)
        results = Results(output, spec, reader, sources, provenance)
        options, classes = spec.stream.training, reader.extra["classes"]
        if options.epochs:
            check_precision(options.precision, chosen)
            set_up(options, chosen)
            randomness.seed_everything(spec.run.seed)
            network = preparation.make_network(spec, classes, chosen, processes, init)
            task = preparation.make_task(spec, chosen, teacher, reader, second_teacher)
            if options.autotune and chosen.type == "cuda":
                preparation.tune(network, task, spec, processes)
            augmentation = preparation.make_augmentation(spec, network)
            loaders = clips.stream_loaders(
                spec, reader, task.inputs, workers, processes, augmentation
            )
            seen, judged = (len(loader.dataset.videos.ids) for loader in loaders)  # type: ignore[attr-defined]
            log.info("%d videos to train, %d to select by", seen, judged)
            mixup = preparation.make_mixup(spec, task, len(classes), processes)
            average = Average(network, options.ema) if options.ema else None
            trainer = Trainer(network, task, *loaders, spec, chosen, processes, mixup, average)
            _fit(trainer, results, processes)
        elif processes.first:
            assert init is not None  # the configuration makes sure of it
            (output / "tensorboard").mkdir(parents=True, exist_ok=True)
            results.write(preparation.taken_network(spec, classes, init, reader.spec))
            resuming.remove(output)


def _fit(trainer: Trainer, results: Results, processes: Processes) -> None:
    """Train the epochs that are left, with a checkpoint after each, and write the results."""
    folder, spec = results.folder, results.spec
    folder.mkdir(parents=True, exist_ok=True)
    first, epochs = _resume(trainer, results, processes), trainer.schedule.epochs
    classes = len(results.reader.extra["classes"])
    only = processes.first  # it writes the files and shows the progress
    if only:  # the rows of an interrupted training are written again
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    with (
        SummaryWriter(str(folder / "tensorboard")) if only else nullcontext() as board,
        resuming.Saver(folder, results.best["epoch"] if results.best else None) as saver,
    ):
        for row in results.history:
            to_board(board, row)
        name = spec.run.stream
        bar = tqdm(range(first, epochs), name, unit="epoch", disable=None if only else True)
        for epoch in bar:
            try:
                row = trainer.epoch(epoch)
            except TrainingError as error:
                saver.wait()
                good = resuming.last_good(folder, len(results.history))
                raise TrainingError(f"{error}; {good}") from error
            results.add(row, trainer.judged)
            collapse = diagnostics.collapse(row, classes, trainer.network.deepest())
            if collapse:
                results.warnings.append(collapse)
                log.warning("%s", collapse)
            to_board(board, row)
            bar.set_postfix(loss=f"{row['train_loss']:.3f}", val=f"{row['val_top1']:.1f}")
            # The live view (logger/) finds this line by the name of this logger and reads its keys.
            shown = {**row, "epochs": epochs}
            log.info("%s", " ".join(f"{key}={value:.4g}" for key, value in shown.items()))
            if only:
                state = {**results.about(), **results.state(), **trainer.state()}
                saver.save(state)
        saver.wait()
    if only:
        results.write(trainer.judged)
        resuming.remove(folder)


def _resume(trainer: Trainer, results: Results, processes: Processes) -> int:
    """Restore an interrupted training of the same sources; return the epoch to go on at."""
    state = resuming.load(results.folder, results.sources)
    processes.wait()  # the first one removes the checkpoint when no epoch is left
    if state is None:
        return 0
    trainer.restore(state)
    results.restore(state)
    log.info("going on after epoch %d of an interrupted training", len(results.history))
    return len(results.history)
