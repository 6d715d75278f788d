"""Cost of the jobs of a run, as Snakemake measured it (``results/benchmarks``)."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from pathlib import Path

import pandas as pd

from dsnet.errors import UserError
from dsnet.provenance import opened

# Rules that have a stage of their own, in order. The other rules draw figures or write tables.
STAGES = (
    *("videos", "manifest", "frames", "flow", "pack", "train", "evaluate", "fuse"),
    *("latency", "similarity"),
)
OTHERS = "tables and figures"
COLUMNS = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "memory_mb"}


class CostError(UserError):
    """A folder without costs."""


def jobs(folder: Path) -> pd.DataFrame:
    """Read the cost of every job of a run, in the order of the stages.

    ``folder`` is ``results/benchmarks``. It has one ``.tsv`` per job, in folders named like the
    results.

    Returns:
        ``stage`` (of :data:`STAGES`, or :data:`OTHERS`), ``place`` (the path in ``folder`` without
        ``.tsv``), ``seconds`` (wall), ``cpu_seconds`` and ``memory_mb`` (the largest resident set).
        A value is NaN if the job ended before Snakemake measured it.

    Raises:
        CostError: the folder has none.
        RemakeError: one cannot be read.
    """
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise CostError(f"{folder} has no *.tsv; run `snakemake --cores all` first")
    found = pd.DataFrame(map(_measured, files)).rename(columns=COLUMNS)
    places = [file.relative_to(folder).with_suffix("") for file in files]
    found.insert(0, "stage", [_stage(place) for place in places])
    found.insert(1, "place", [place.as_posix() for place in places])
    order = [*STAGES, OTHERS].index
    return found.sort_values(
        "stage", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )


def _measured(file: Path) -> pd.Series:
    with opened(file, "measurement of Snakemake") as content:
        # A repeated benchmark has several lines; the last one counts. "-" means not measured.
        row = pd.read_csv(BytesIO(content), sep="\t", na_values=["-"]).iloc[-1]
        return row[list(COLUMNS)].astype(float)


def _stage(place: Path) -> str:
    """Return the rule that wrote a benchmark: the name of the file, or of its folder."""
    names = place.name, place.parent.name.replace("fusion", "fuse")
    return next((name for name in names if name in STAGES), OTHERS)


def belonging(found: pd.DataFrame, datasets: Collection[str], made: Collection[str]) -> pd.Series:
    """Return which rows of :func:`jobs` belong to an experiment, bool.

    The folder may also have rows of earlier experiments. The page of provenance does not count: it
    is written before its own cost is known.

    Args:
        found: the jobs.
        datasets: names of the experiment's data sets.
        made: folders of its streams, such as ``motions/split1/16f/seed0/ds``.
    """

    runs = {place.rpartition("/")[0] for place in made}

    def belongs(place: str, stage: str) -> bool:
        first, _, rest = place.partition("/")
        if stage in ("train", "evaluate"):
            return place.rpartition("/")[0] in made
        if stage == "fuse":
            # An earlier dsnet had a job for each fusion.
            run, _, job = place.rpartition("/fusion/")
            return run in runs and job.startswith("fuse")
        return first in ("figures", *datasets) or (not rest and place != "provenance")

    return pd.Series(map(belongs, found["place"], found["stage"]), index=found.index, dtype=bool)
