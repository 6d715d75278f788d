"""Whether the streams of two runs of one experiment differ, such as runs with different flow.

    python benchmarks/compare_runs.py RESULTS_A RESULTS_B DATASET [--split 1] [--length 16]

Prints Markdown: top-1 of each, the difference B - A with its 95 % interval and p, as
`results/tables/significance` has them for the streams of one run, and p adjusted for all streams
(Holm 1979). One seed has neither interval nor p.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dsnet.scores import Part, read_scores, topk
from dsnet.tables.statistics import estimate, holm


def tested(run: Path, stream: str) -> list[Part]:
    """The scores of the test videos, by seed."""
    paths = sorted(run.glob(f"seed*/{stream}/scores.h5"))
    return [read_scores(path).parts["test"] for path in paths]


def right(parts: list[Part]) -> np.ndarray:
    """(seeds, videos): 100 for the test videos that a stream gets right, else 0."""
    return 100.0 * np.stack([topk(part.videos, part.labels, 1) for part in parts])


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
    rows, p = [], []
    for stream in sorted(names[0] & names[1]):
        parts = [tested(run, stream) for run in runs]
        a, b = map(right, parts)
        found = estimate([(b - a, parts[0][0].groups)], (-100, 100))
        low, high = found.interval()
        means = [values.mean(axis=1) for values in (a, b)]
        shown = [
            f"{m.mean():.1f}" + (f" ± {m.std(ddof=1):.1f}" if len(m) > 1 else "") for m in means
        ]
        p.append(found.p(found.mean))
        rows.append(
            f"| {stream} | {' | '.join(shown)} | {found.mean:+.1f} | {low:+.1f} to {high:+.1f} "
            f"| {p[-1]:.3f} |"
        )
    print("| stream | first | second | difference | 95 % interval | p | p (Holm) |")
    print("|---|---|---|---|---|---|---|")
    for row, adjusted in zip(rows, holm(p), strict=True):
        print(f"{row} {adjusted:.3f} |")


if __name__ == "__main__":
    main()
