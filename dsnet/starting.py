"""Checks before the first job of a run of the workflow."""

from __future__ import annotations

import _thread
import os
import shlex
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.exceptions import WorkflowError

from dsnet import gpus, registry
from dsnet.disk import existing
from dsnet.errors import UserError
from dsnet.experiment import ConfigError, Experiment
from dsnet.experiment.data import FETCHED, Entry
from dsnet.releases import PretrainedError, locate, locate_raft

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def explained() -> Iterator[None]:
    """Turn UserError into Snakemake's WorkflowError, which is shown without a traceback."""
    try:
        yield
    except UserError as error:
        raise WorkflowError(str(error)) from None


def handle_sigterm_apart() -> None:
    """Have Snakemake's handler of SIGTERM run in a thread of its own.

    The handler takes a lock of the scheduler. Python runs handlers in the main thread, which may
    hold this lock already, and would then wait for itself for ever.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        with suppress(ValueError):  # another thread runs Snakemake, which has then no handler
            # Not by threading, which has locks of its own.
            signal.signal(signal.SIGTERM, lambda *about: _thread.start_new_thread(handler, about))


def check_folders(experiment: Experiment, fetched: str) -> None:
    """Raise ConfigError if a data set lacks its folder and will not be fetched.

    ``fetched`` is the path of the file that marks ``{dataset}`` as fetched by the workflow.
    """
    for dataset, entry in experiment.entries().items():
        mark = Path(fetched.format(dataset=dataset))
        if entry.kind == "motions" or (entry.fetch and not mark.exists()):
            continue
        for key, folder in entry.folders().items():
            if not os.path.isdir(folder):
                raise ConfigError(
                    f"catalogue.{dataset}.{key}: there is no folder {folder} (looked in "
                    f"{os.getcwd()}); {_hint(entry, mark)}"
                )


def _hint(entry: Entry, mark: Path) -> str:
    if entry.fetch:
        return f"delete {mark} to have it fetched again"
    hint = "put or link it there, or set the key to where it is"
    if entry.kind in FETCHED:
        hint += f"; `dsnet fetch {entry.kind}` or fetch: true gets it"
    return hint


def check_videos(experiment: Experiment) -> list[str]:
    """Return what is unusual in the listed videos of the data sets that are users' own, by lines.

    Raises UserError if they cannot be trained and tested on. Only names are read.
    """
    from dsnet.datasets import catalogue  # pandas takes long

    lines = []
    for dataset, entry in experiment.entries().items():
        if entry.kind in registry.DATASETS and entry.kind not in ("motions", *FETCHED):
            listing = catalogue.listing(entry.values())
            lines += [f"{dataset}: {line}" for line in unusual(experiment, dataset, listing)]
    return lines


def unusual(experiment: Experiment, dataset: str, listing: pd.DataFrame) -> list[str]:
    """Return what is unusual in the ``listing`` of a data set, by lines.

    Raises DataSetError or SplitError if it cannot be trained and tested on with this experiment's
    protocol and splits.
    """
    from dsnet import splits
    from dsnet.datasets import catalogue
    from dsnet.datasets.listing import check_classes

    check_classes(dataset, listing)
    for split in experiment.splits:
        try:
            splits.parts(listing, split, experiment.protocol, experiment.validation_share)
        except splits.SplitError as error:
            raise splits.SplitError(f"{dataset}: {error}") from None
    return catalogue.remarks(experiment.catalogue[dataset].values(), listing)


def check_gpus(experiment: Experiment, jobs: Iterable[Any]) -> None:
    """Raise GpuError if one of Snakemake's ``jobs`` asks for GPUs that this machine lacks.

    A job's resource ``gpu`` does not tell: Snakemake lowers it to what there is.
    """
    for stream in {job.wildcards.stream for job in jobs if job.rule.name in ("train", "evaluate")}:
        training = experiment.streams[stream].training
        gpus.check(training.n_gpus(), training.device)


def check_pretrained(experiment: Experiment) -> None:
    """Raise ConfigError if weights of the flow, or that a stream starts from, do not exist."""
    if experiment.flow.algorithm == "raft":
        try:
            locate_raft(experiment.flow.raft.model, experiment.flow.raft.weights)
        except PretrainedError as error:
            raise ConfigError(str(error)) from None
    for name, stream in experiment.streams.items():
        if stream.pretrained is None:
            continue
        for length, kind in product(experiment.clip_lengths, experiment.kinds()):
            try:
                locate(stream.pretrained, length, kind)
            except PretrainedError as error:
                raise ConfigError(f"streams.{name}.{error}") from None


def check_writable(results: Path) -> None:
    """Raise UserError if the results cannot be written."""
    place = existing(results)
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(
            f"results: {place} cannot be written to ({error.strerror}); make it writable, or set "
            f"the key results to another folder"
        ) from None


def check_dates(results: Path) -> None:
    """Raise UserError if a result has a date in the future, as after a clock was set back.

    Snakemake fails a job, after it has run, if its output is older than its input.
    """
    for path in results.rglob("*"):
        with suppress(FileNotFoundError):  # another run, or a job of a killed one, may be writing
            if path.lstat().st_mtime > time.time():
                raise UserError(
                    f"results: {path} is dated in the future, and jobs that use it would fail; "
                    f"check this machine's clock, then give such files the present time:\n"
                    f"  find {shlex.quote(str(results))} -newermt now -exec touch -h {{}} +"
                )
