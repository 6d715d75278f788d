"""Whether two methods differ beyond chance: paired on the same videos, over all seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dsnet.scores import Scores, topk
from dsnet.tables.text import TextTable, render_plain

COLUMNS = (
    *("dataset", "split", "clip_length", "method", "against", "difference", "low", "high", "p"),
    *("seeds", "n_videos"),
)
RESAMPLES = 2000


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of McNemar's test that two methods are right equally often.

    The exact binomial version (McNemar 1947): of the videos that only one of them gets right, each
    is as likely to be either's.

    Args:
        a: (V,) bool, whether the first method is right.
        b: (V,) bool, the same of the second, on the same videos.
    """
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**n)


def combined(p: Sequence[float]) -> float:
    """One p for tests that are not independent, such as those of several seeds.

    Twice the median, which is valid whatever the dependence (Rüschendorf 1982); a single one is
    left as it is.
    """
    return min(1.0, 2 * float(np.median(p))) if len(p) > 1 else float(p[0])


def bootstrap(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of (S, V) differences over seeds and videos.

    Both seeds and videos are drawn anew, with replacement (Efron and Tibshirani 1993).
    """
    rng = np.random.default_rng(seed)
    seeds, videos = differences.shape
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows = differences[rng.integers(0, seeds, seeds)]
        means[i] = rows.mean(axis=0)[rng.integers(0, videos, videos)].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def significance(
    scores: Sequence[Scores], streams: Mapping[str, Mapping[str, Any] | None]
) -> pd.DataFrame:
    """Every pair of RGB streams of an experiment, the later of the config's against the earlier.

    Args:
        scores: scores of every stream, data set, split, clip length and seed.
        streams: the config's streams.

    Returns:
        Columns :data:`COLUMNS`: ``difference`` of the mean top-1 in percentage points with its
        interval (:func:`bootstrap`), and McNemar's ``p``, :func:`combined` over the seeds.

    Raises:
        ValueError: two streams were scored on different videos or with different seeds.
    """
    right: dict[tuple[Any, ...], dict[str, dict[int, tuple[Any, np.ndarray]]]] = {}
    for item in scores:
        run, part = item.run, item.parts["test"]
        found = right.setdefault((run["title"], run["split"], run["clip_length"]), {})
        entry = (part.ids, topk(part.videos, part.labels, 1))
        found.setdefault(run["stream"], {})[run["seed"]] = entry
    shown = [name for name, stream in streams.items() if stream and stream["input"] == "rgb"]
    rows = []
    for experiment, found in right.items():
        for against, method in combinations([name for name in shown if name in found], 2):
            names = [(streams[name] or {})["title"] for name in (method, against)]
            rows.append((*experiment, *names, *_compare(found[method], found[against], names)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compare(
    ours: Mapping[int, tuple[Any, np.ndarray]],
    theirs: Mapping[int, tuple[Any, np.ndarray]],
    names: Sequence[str],
) -> tuple[float, float, float, float, int, int]:
    """Difference, interval, p, seeds and videos."""
    if sorted(ours) != sorted(theirs) or any(ours[s][0] != theirs[s][0] for s in ours):
        raise ValueError(f"{' and '.join(names)} were not scored on the same videos and seeds")
    pairs = [(ours[seed][1], theirs[seed][1]) for seed in sorted(ours)]
    differences = 100.0 * np.stack([a.astype(float) - b for a, b in pairs])
    p = combined([mcnemar(a, b) for a, b in pairs])
    low, high = bootstrap(differences)
    return float(differences.mean()), low, high, p, *differences.shape


def render_significance(table: pd.DataFrame) -> TextTable:
    """The table with headings, and how to read it."""
    shown = table.assign(
        difference=[f"{value:+.1f}" for value in table["difference"]],
        low=[
            f"{low:+.1f} to {high:+.1f}"
            for low, high in zip(table["low"], table["high"], strict=True)
        ],
        p=[f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in table["p"]],
    ).drop(columns="high")
    headers = {
        "dataset": "Data set",
        "split": "Split",
        "clip_length": "Frames",
        "method": "Method",
        "against": "Against",
        "difference": "Difference (points)",
        "low": "95 % interval",
        "p": "p",
        "seeds": "Seeds",
        "n_videos": "Test videos",
    }
    notes = [
        "The interval is of a bootstrap over videos and seeds, p of McNemar's exact test on the "
        "same videos, over several seeds twice the median.",
        f"{len(table)} pairs are compared: with that many, some p under 0.05 are due to chance.",
    ]
    return render_plain(shown, "Pairs of methods: difference of top-1 accuracy", notes, headers)
