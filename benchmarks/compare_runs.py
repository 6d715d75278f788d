"""Whether the streams of two runs of one experiment differ, such as runs with different flow.

    python benchmarks/compare_runs.py RESULTS_A RESULTS_B DATASET [--split 1] [--length 16]

Prints Markdown: top-1 of each, the difference B - A with its 95 % bootstrap interval over videos
and seeds, and McNemar's p, as `results/tables/significance` has them for the streams of one run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dsnet.scores import read_scores, topk
from dsnet.tables.statistics import bootstrap, combined, mcnemar


def right(run: Path, stream: str) -> np.ndarray:
    """(seeds, videos) bool: which test videos a stream gets right."""
    parts = [
        read_scores(path).parts["test"] for path in sorted(run.glob(f"seed*/{stream}/scores.h5"))
    ]
    return np.stack([topk(part.videos, part.labels, 1) for part in parts])


def main() -> None:
    """Compare every stream that both runs have."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs=2, type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--length", type=int, default=16)
    options = parser.parse_args()
    where = f"{options.dataset}/split{options.split}/{options.length}f"
    runs = [results / where for results in options.results]
    names = [{path.parent.name for path in run.glob("seed*/*/scores.h5")} for run in runs]
    print("| stream | first | second | difference | 95 % interval | p |\n|---|---|---|---|---|---|")
    for stream in sorted(names[0] & names[1]):
        a, b = (right(run, stream) for run in runs)
        low, high = bootstrap([100.0 * (b.astype(float) - a)])
        p = combined([mcnemar(x, y) for x, y in zip(b, a, strict=True)])
        means = [100 * found.mean(axis=1) for found in (a, b)]
        shown = [
            f"{m.mean():.1f}" + (f" ± {m.std(ddof=1):.1f}" if len(m) > 1 else "") for m in means
        ]
        print(
            f"| {stream} | {' | '.join(shown)} | {means[1].mean() - means[0].mean():+.1f} "
            f"| {low:+.1f} to {high:+.1f} | {p:.3f} |"
        )


if __name__ == "__main__":
    main()
