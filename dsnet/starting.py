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

from dsnet.config import Config, ConfigError, flow_spec, frames_spec, kinds
from dsnet.errors import UserError
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


def check_folders(config: Config, fetched: str) -> None:
    """See that the data sets to run have their folders.

    Args:
        fetched: path of the file that says that the workflow has fetched ``{dataset}``.

    Raises:
        ConfigError: one is missing, and will not be fetched; says what to do.
    """
    for dataset in config["datasets"]:
        entry, mark = config["catalogue"][dataset], Path(fetched.format(dataset=dataset))
        if entry["kind"] == "motions" or (entry["fetch"] and not mark.exists()):
            continue
        for key in ("videos", "lists"):
            if entry[key] and not os.path.isdir(entry[key]):
                raise ConfigError(
                    f"catalogue.{dataset}.{key}: there is no folder {entry[key]} (looked in "
                    f"{os.getcwd()}); {_hint(entry, mark)}"
                )


def _hint(entry: Config, mark: Path) -> str:
    if entry["fetch"]:
        return f"delete {mark} to have it fetched again"
    hint = "put or link it there, or set the key to where it is"
    if entry["kind"] in SOURCES:
        hint += f"; `dsnet fetch {entry['kind']}` or fetch: true gets it"
    return hint


def check_data(config: Config) -> None:
    """See that a folder of data that other results share has the frames and flow of this run.

    Snakemake would make them anew over those of the others, which costs days.

    Raises:
        ConfigError: they were made with other settings; says what to do.
    """
    if config["data"] == config["results"]:
        return
    frames, flow = frames_spec(config), flow_spec(config)
    made = {
        "clips.h5": {"rgb": frames, "flow": flow},
        "frames/0000.h5": frames,
        "flow/0000.h5": flow,
    }
    for dataset, (name, spec) in product(config["datasets"], made.items()):
        path = Path(config["data"]) / dataset / name
        with suppress(StoreError, FileNotFoundError):  # a damaged one is made again by its job
            if canonical(Reader(path).spec) != canonical(spec):
                raise ConfigError(
                    f"data: {path} was made with other settings of frames or flow, and other "
                    f"results use it; set data to another folder, or frames and flow to\n  "
                    f"{canonical(Reader(path).spec)}"
                )


def check_pretrained(config: Config) -> None:
    """See that the weights which streams start from are there.

    Raises:
        ConfigError: some are not; says where to get them.
    """
    for name, stream in config["streams"].items():
        runs = product(config["clip_lengths"], kinds(config)) if stream["pretrained"] else ()
        for length, kind in runs:
            try:
                locate(stream["pretrained"], length, kind)
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
