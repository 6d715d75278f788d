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
}
OTHERS = "tables and figures"


def jobs(results: Path) -> pd.DataFrame:
    """Every job of a run: its rule, wall seconds, CPU seconds and largest memory in MB."""
    files = sorted((results / "benchmarks").rglob("*.tsv"))
    if not files:
        raise SystemExit(f"{results}/benchmarks has no *.tsv; run `snakemake --cores all` first")
    found = pd.concat([pd.read_csv(file, sep="\t") for file in files], ignore_index=True)
    found["rule"] = [rule(file.relative_to(results / "benchmarks")) for file in files]
    return found[["rule", "s", "cpu_time", "max_rss"]]


def rule(path: Path) -> str:
    """The rule whose job wrote a benchmark: the name of the file, or of its folder."""
    for name in (path.stem, path.parent.name.replace("fusion", "fuse")):
        if name in MODULES:
            return name
    return OTHERS


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
    found = jobs(parser.parse_args().results)
    print(machine("snakemake", "torch") + "\n")
    print("| rule | jobs | seconds | of it starting | CPU seconds | longest job, s | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    total = 0.0
    for name in (*MODULES, OTHERS):
        part = found[found["rule"] == name]
        if len(part):
            start = len(part) * starting(MODULES.get(name))
            total += start
            print(row(name, part, start))
    print(row("all", found, total))
    print(f"\n{found['s'].sum() / 3600:.3f} core-hours")


def row(name: str, part: pd.DataFrame, start: float) -> str:
    """A line of the table."""
    seconds = part["s"].sum()
    return (
        f"| {name} | {len(part)} | {seconds:.0f} | {start / seconds:.0%} "
        f"| {part['cpu_time'].sum():.0f} | {part['s'].max():.1f} | {part['max_rss'].max():.0f} |"
    )


if __name__ == "__main__":
    main()
