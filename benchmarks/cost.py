"""What a finished run cost, rule by rule, from what Snakemake measured of every job.

    python benchmarks/cost.py [RESULTS]

Prints Markdown; docs/performance.md keeps that of the default run. "Starting" is the share of a job
that does nothing yet: Python and the imports of its verb, measured here anew. CPU seconds are short
of those of programs that a job starts and that soon end (ffmpeg), which Snakemake may not see.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
from machine import machine

from dsnet import costs

# What the verb of a rule imports; the other rules draw or write tables.
MODULES = {
    "videos": "dsnet.datasets.motions",
    "manifest": "dsnet.datasets",
    "frames": "dsnet.shards",
    "flow": "dsnet.shards",
    "pack": "dsnet.shards",
    "train": "dsnet.training",
    "evaluate": "dsnet.evaluation",
    "fuse": "dsnet.fusion",
    "latency": "dsnet.latency",
    "similarity": "dsnet.similarity",
}


def starting(module: str | None) -> float:
    """CPU seconds of a process that imports a module, the smaller of two."""
    found = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        what = f"import {module}" if module else "import dsnet.figures, dsnet.tables"
        subprocess.run([sys.executable, "-c", what], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", type=Path, default=Path("results"))
    try:
        found = costs.jobs(parser.parse_args().results / "benchmarks")
    except costs.CostError as error:
        raise SystemExit(str(error)) from None
    print(machine("snakemake", "torch") + "\n")
    print("| rule | jobs | seconds | of it starting | CPU seconds | longest job, s | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    total = 0.0
    for name in (*costs.STAGES, costs.OTHERS):
        part = found[found["stage"] == name]
        if len(part):
            start = len(part) * starting(MODULES.get(name))
            total += start
            print(row(name, part, start))
    print(row("all", found, total))
    print(f"\n{found['seconds'].sum() / 3600:.3f} core-hours")


def row(name: str, part: pd.DataFrame, start: float) -> str:
    """A line of the table."""
    seconds, cpu = part["seconds"].sum(), part["cpu_seconds"].sum()
    return (
        f"| {name} | {len(part)} | {seconds:.0f} | {start / seconds:.0%} "
        f"| {cpu:.0f} | {part['seconds'].max():.1f} | {part['memory_mb'].max():.0f} |"
    )


if __name__ == "__main__":
    main()
