"""Cost of the jobs of a run, as Snakemake measured each (``results/benchmarks``)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from dsnet.errors import UserError

# Rules with a stage of their own, in order; the others draw or write tables.
STAGES = (
    *("videos", "manifest", "frames", "flow", "pack", "train", "evaluate", "fuse"),
    *("latency", "similarity"),
)
OTHERS = "tables and figures"
COLUMNS = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "memory_mb"}


class CostError(UserError):
    """No costs to read."""


def jobs(folder: Path) -> pd.DataFrame:
    """Read the cost of every job of a run, in the order of the stages.

    Args:
        folder: ``results/benchmarks``, with a ``.tsv`` of every job, in folders named like those
            of the results.

    Returns:
        ``stage`` (of :data:`STAGES`, or :data:`OTHERS`), ``place`` (the path in ``folder`` without
        ``.tsv``), ``seconds`` (wall), ``cpu_seconds`` and ``memory_mb`` (the largest resident
        set); NaN where a job ended before Snakemake looked at it.

    Raises:
        CostError: there is nothing in ``folder``.
    """
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise CostError(f"{folder} has no *.tsv; run `snakemake --cores all` first")
    # The last line, where a rule repeats its benchmark; "-" is what was not measured.
    rows = [pd.read_csv(file, sep="\t", na_values=["-"]).iloc[-1] for file in files]
    found = pd.DataFrame(rows)[list(COLUMNS)].astype(float).rename(columns=COLUMNS)
    places = [file.relative_to(folder).with_suffix("") for file in files]
    found.insert(0, "stage", [_stage(place) for place in places])
    found.insert(1, "place", [place.as_posix() for place in places])
    order = [*STAGES, OTHERS].index
    return found.sort_values(
        "stage", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )


def _stage(place: Path) -> str:
    """The rule whose job wrote a benchmark: the name of the file, or of its folder."""
    names = place.name, place.parent.name.replace("fusion", "fuse")
    return next((name for name in names if name in STAGES), OTHERS)


def belonging(found: pd.DataFrame, datasets: Collection[str], made: Collection[str]) -> pd.Series:
    """Say which rows of :func:`jobs` belong to an experiment, bool.

    Others are left from earlier ones, with other data sets, streams or seeds, in the same folder.
    The page of provenance is not measured before it is written.

    Args:
        found: the jobs.
        datasets: names of the experiment's data sets.
        made: the folders of its streams and its fusions without suffix, as in
            ``motions/split1/16f/seed0/ds``.
    """

    def belongs(place: str, stage: str) -> bool:
        first, _, rest = place.partition("/")
        if stage in ("train", "evaluate"):
            return place.rpartition("/")[0] in made
        if stage == "fuse":
            return place in made
        return first in ("figures", *datasets) or (not rest and place != "provenance")

    return pd.Series(map(belongs, found["place"], found["stage"]), index=found.index, dtype=bool)
