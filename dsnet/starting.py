"""Checks of a run of the workflow before its first job."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

from snakemake.exceptions import WorkflowError

from dsnet.errors import UserError
from dsnet.experiment import ConfigError, Experiment
from dsnet.experiment.data import FETCHED, Entry
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.provenance import canonical
from dsnet.releases import PretrainedError, locate


@contextmanager
def explained() -> Iterator[None]:
    """Make of an error that a user can mend Snakemake's own, which is shown without a traceback.

    Raises:
        WorkflowError: in place of UserError, with its message.
    """
    try:
        yield
    except UserError as error:
        raise WorkflowError(str(error)) from None


def check_folders(experiment: Experiment, fetched: str) -> None:
    """See that the data sets to run have their folders.

    Args:
        fetched: path of the file that says that the workflow has fetched ``{dataset}``.

    Raises:
        ConfigError: one is missing, and will not be fetched; says what to do.
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


def check_data(experiment: Experiment) -> None:
    """See that a folder of data that other results share has the frames and flow of this run.

    Snakemake would make them anew over those of the others, which costs days.

    Raises:
        ConfigError: they were made with other settings; says what to do.
    """
    if experiment.data == experiment.results:
        return
    from dsnet.store import Reader, StoreError  # which planning needs here alone

    frames, flow = frames_spec(experiment).values(), flow_spec(experiment).values()
    made = {
        "clips.h5": {"rgb": frames, "flow": flow},
        "frames/0000.h5": frames,
        "flow/0000.h5": flow,
    }
    for dataset, (name, spec) in product(experiment.datasets, made.items()):
        path = Path(experiment.folder) / dataset / name
        with suppress(StoreError, FileNotFoundError):  # a damaged one is made again by its job
            if canonical(Reader(path).spec) != canonical(spec):
                raise ConfigError(
                    f"data: {path} was made with other settings of frames or flow, and other "
                    f"results use it; set data to another folder, or frames and flow to\n  "
                    f"{canonical(Reader(path).spec)}"
                )


def check_pretrained(experiment: Experiment) -> None:
    """See that the weights which streams start from are there.

    Raises:
        ConfigError: some are not; says where to get them.
    """
    for name, stream in experiment.streams.items():
        if stream.pretrained is None:
            continue
        for length, kind in product(experiment.clip_lengths, experiment.kinds()):
            try:
                locate(stream.pretrained, length, kind)
            except PretrainedError as error:
                raise ConfigError(f"streams.{name}.{error}") from None


def check_writable(results: Path) -> None:
    """See that the results can be written.

    Raises:
        UserError: they cannot; says why not, and what to do.
    """
    place = results
    while not place.exists():
        place = place.parent
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(
            f"results: {place} cannot be written to ({error.strerror}); make it writable, or set "
            f"the key results to another folder"
        ) from None


def check_dates(results: Path) -> None:
    """See that no result is dated in the future, as after a clock was set back.

    Snakemake lets a job fail, after it ran, when its output is older than its input.

    Raises:
        UserError: one is; says what to do.
    """
    now = time.time()
    for path in results.rglob("*"):
        with suppress(FileNotFoundError):  # a job of a killed run may still be writing
            if path.lstat().st_mtime > now:
                raise UserError(
                    f"results: {path} is dated in the future, and jobs that use it would fail; "
                    f"check this machine's clock, then give such files the present time:\n"
                    f"  find {shlex.quote(str(results))} -newermt now -exec touch -h {{}} +"
                )
