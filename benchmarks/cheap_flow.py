"""What a cheap flow costs: the teacher's and the student's accuracy on the flow of each algorithm.

    python benchmarks/cheap_flow.py [--cores 2] [--dry-run] [--experiments NAME ...]

The flow belongs to the whole experiment. So the workflow runs once for every data set and
algorithm, with `results` of its own, for the flow stream and the student `ds` alone. Then it prints
Markdown: video top-1 in per cent on the test part, mean and standard deviation over the seeds; the
mean difference from TV-L1, seed by seed; the CPU seconds of the flow jobs. A run that was
interrupted goes on. Start it in the folder of the Snakefile. RAFT takes part where its weights are
(--algorithms tvl1 dis farneback raft).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import yaml

from dsnet.costs import jobs
from dsnet.scores import accuracies, read_scores

# Overlays by data set; the default experiment needs none.
EXPERIMENTS = {
    "motions": [],
    "weizmann": ["experiments/weizmann.yaml"],
    "egogestar": ["experiments/egogestar.yaml"],
}
ALGORITHMS = ("tvl1", "dis", "farneback")
STREAMS = ("flow", "ds")


class Run:
    """The experiment of a data set with the flow of an algorithm."""

    def __init__(self, folder: Path, dataset: str, algorithm: str, seeds: list[int]) -> None:
        self.dataset, self.algorithm, self.seeds = dataset, algorithm, seeds
        self.results = folder / dataset / algorithm

    def scores(self, stream: str) -> list[Path]:
        """The scores of a stream, of every seed."""
        place = self.results / self.dataset / "split1/16f"
        return [place / f"seed{seed}" / stream / "scores.h5" for seed in self.seeds]

    def make(self, more: list[str], cores: int, dry: bool) -> None:
        """Run the workflow, after EXPERIMENTS with the overlays ``more``."""
        self.results.mkdir(parents=True, exist_ok=True)
        overlay = self.results / "overlay.yaml"
        changes = {
            "results": str(self.results),
            "data": str(self.results),
            "seeds": self.seeds,
            "flow": {"algorithm": self.algorithm},
        }
        overlay.write_text(yaml.safe_dump(changes), encoding="utf-8")
        targets = [str(path) for stream in STREAMS for path in self.scores(stream)]
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *targets]
        command += ["--dry-run"] if dry else []
        overlays = [*EXPERIMENTS[self.dataset], *more, str(overlay)]
        subprocess.run([*command, "--configfile", *overlays], check=True)

    def top1(self, stream: str) -> list[float]:
        """Video top-1 in per cent of every seed."""
        parts = [read_scores(path).parts["test"] for path in self.scores(stream)]
        return [accuracies(part.videos, part.labels)["top1"] for part in parts]

    def seconds(self) -> float:
        """CPU seconds of the flow jobs."""
        found = jobs(self.results / "benchmarks")
        return float(found.loc[found["stage"] == "flow", "cpu_seconds"].sum())


def report(runs: list[Run]) -> None:
    """Print the table; the first run of a data set is what the others are compared with."""
    print("| data set | flow | CPU s | " + " | ".join(f"{s} | difference" for s in STREAMS) + " |")
    print("|---|---|---|" + "---|---|" * len(STREAMS))
    for run in runs:
        first = next(other for other in runs if other.dataset == run.dataset)
        cells = []
        for stream in STREAMS:
            own, base = run.top1(stream), first.top1(stream)
            spread = statistics.stdev(own) if len(own) > 1 else 0.0
            change = statistics.mean(a - b for a, b in zip(own, base, strict=True))
            cells += [f"{statistics.mean(own):.1f} ± {spread:.1f}", f"{change:+.1f}"]
        head = [run.dataset, run.algorithm, f"{run.seconds():.0f}"]
        print(f"| {' | '.join([*head, *cells])} |")


def main() -> None:
    """Run all, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--dry-run", action="store_true", help="only say what would run")
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--algorithms", nargs="+", default=ALGORITHMS, help="the first is the base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--configfile", nargs="+", default=[], help="more overlays")
    parser.add_argument("--results", type=Path, default=Path("results/cheap-flow"))
    options = parser.parse_args()
    runs = [
        Run(options.results, dataset, algorithm, options.seeds)
        for dataset in options.experiments
        for algorithm in options.algorithms
    ]
    for run in runs:
        run.make(options.configfile, options.cores, options.dry_run)
    if not options.dry_run:
        report(runs)


if __name__ == "__main__":
    main()
