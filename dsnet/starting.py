"""What a run of the workflow does before its first job."""

from __future__ import annotations

import argparse
import fcntl
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import IO

from snakemake.exceptions import WorkflowError

from dsnet.errors import UserError
from dsnet.experiment import ConfigError, Experiment
from dsnet.experiment.data import Entry
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.fetching.sources import SOURCES
from dsnet.provenance import canonical
from dsnet.releases import PretrainedError, locate
from dsnet.store import Reader, StoreError


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


def become_own_array_task() -> None:
    """In a task of a Slurm job array, go on as the job of this task.

    The executor starts every task as the job of the first one, lets it run the command of its own
    job, and then judges it by the first one's output: a task that ends before the first one fails,
    and one that fails removes what the first one made (snakemake-executor-plugin-slurm, issue 447).
    As the job that it is, a task is judged by its own output.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--slurm-jobstep-array-execs")
    commands = parser.parse_known_args()[0].slurm_jobstep_array_execs
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if commands and task != os.environ.get("SLURM_ARRAY_TASK_MIN"):
        from snakemake_executor_plugin_slurm_jobstep import parse_array_execs

        command = zlib.decompress(bytes.fromhex(parse_array_execs(commands)[task]))
        os.execvp("sh", ["sh", "-c", command.decode()])


def forget_killed_runs(folder: Path) -> IO[str]:
    """Remove the lock that a killed run left, unless another run is alive.

    Every run shares a lock on one file, which the kernel releases however the run ends: who can
    have it alone is the only one. Where the file system has no such locks, `snakemake --unlock`
    remains.

    Args:
        folder: Snakemake's own, ``.snakemake``; made if it is not there.

    Returns:
        The file, to be kept open as long as the run lives.
    """
    folder.mkdir(exist_ok=True)
    alive = open(folder / "alive", "a")  # noqa: SIM115
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in folder.glob("locks/*.lock"):
            lock.unlink(missing_ok=True)
    with suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_SH)
    return alive


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
    if entry.kind in SOURCES:
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


def end_the_future(results: Path) -> None:
    """Give results that are dated in the future, as after a clock went back, the present time.

    Snakemake would let every job fail whose output is older than its input.
    """
    now = time.time()
    for path in results.rglob("*"):
        with suppress(OSError):  # another user's, or gone
            if path.lstat().st_mtime > now:
                os.utime(path, follow_symlinks=False)
