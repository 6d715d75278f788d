"""Whether two methods differ beyond chance: paired on the same videos, over all seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dsnet.scores import Scores
from dsnet.tables.measured import Experiment, Measured, describe
from dsnet.tables.text import TextTable, render_plain

COLUMNS = (
    *("dataset", "split", "clip_length", "method", "against", "difference", "low", "high", "p"),
    *("seeds", "n_videos"),
)
RESAMPLES = 2000
HEADERS = {
    "dataset": "Data set",
    "split": "Split",
    "splits": "Splits",
    "clip_length": "Frames",
    "group": "Group",
    "claim": "Claim",
    "answer": "Answer",
    "method": "Method",
    "against": "Against",
    "difference": "Difference (points)",
    "top1": "Top-1 (%)",
    "low": "95 % interval",
    "selection": "Selection part (%)",
    "p": "p",
    "seeds": "Seeds",
    "n_videos": "Test videos",
}
HOW_TO_READ = (
    "The interval is of a bootstrap over videos and seeds, p of McNemar's exact test on the same "
    "videos, over several seeds twice the median."
)
Fused = tuple[Sequence[str], str]  # streams, and the kind of their fusion


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


def bootstrap(values: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over seeds and videos of every split.

    Both seeds and videos of each split are drawn anew, with replacement (Efron and Tibshirani
    1993): a split's trainings are its own.

    Args:
        values: (S, V) for each split.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = []
        for split in values:
            seeds, videos = split.shape
            rows = split[rng.integers(0, seeds, seeds)]
            drawn.append(rows.mean(axis=0)[rng.integers(0, videos, videos)])
        means[i] = np.concatenate(drawn).mean()
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
    measured = Measured(scores, ())
    shown = [name for name, stream in streams.items() if stream and stream["input"] == "rgb"]
    rows = []
    for experiment in measured.experiments:
        found = [name for name in shown if name in measured.streams(experiment)]
        for against, method in combinations(found, 2):
            names = [(streams[name] or {})["title"] for name in (method, against)]
            pair = compare(measured, [experiment], ((method,), ""), ((against,), ""))
            rows.append({**dict(zip(COLUMNS, (*experiment, *names), strict=False)), **pair})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare(
    measured: Measured, experiments: Sequence[Experiment], method: Fused, against: Fused
) -> dict[str, Any]:
    """Two results on the same videos, those of several splits taken together.

    Args:
        measured: results of every seed.
        experiments: splits of one data set.
        method: streams and the kind of their fusion, empty for a single stream.
        against: the same.

    Returns:
        ``difference`` of the mean top-1 in percentage points, ``low`` and ``high`` of its interval
        (:func:`bootstrap`), McNemar's ``p`` (:func:`combined` over seeds), ``seeds``, ``n_videos``.

    Raises:
        ValueError: a result is missing, or the two were scored on different videos.
    """
    pairs = []
    for experiment in experiments:
        if measured.of(experiment, *method)[0].ids != measured.of(experiment, *against)[0].ids:
            names = [describe(experiment, *result, *measured.seeds) for result in (method, against)]
            raise ValueError(f"{' and '.join(names)} were not scored on the same videos")
        pairs.append((measured.right(experiment, *method), measured.right(experiment, *against)))
    low, high = bootstrap([100.0 * (a.astype(float) - b) for a, b in pairs])
    a, b = (np.concatenate(side, axis=1) for side in zip(*pairs, strict=True))
    return {
        "difference": 100.0 * float((a.astype(float) - b).mean()),
        "low": low,
        "high": high,
        "p": combined([mcnemar(*of_seed) for of_seed in zip(a, b, strict=True)]),
        "seeds": a.shape[0],
        "n_videos": a.shape[1],
    }


def render_significance(table: pd.DataFrame) -> TextTable:
    """The table with headings, and how to read it."""
    notes = [
        HOW_TO_READ,
        f"{len(table)} pairs are compared: with that many, some p under 0.05 are due to chance.",
    ]
    title = "Pairs of methods: difference of top-1 accuracy"
    return render_plain(readable(table), title, notes, HEADERS)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Differences with their sign, intervals in one column, p as papers write it."""
    columns = {
        "difference": [f"{value:+.1f}" for value in table["difference"]],
        "low": [f"{a:+.1f} to {b:+.1f}" for a, b in zip(table["low"], table["high"], strict=True)],
        "p": [f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in table["p"]],
    }
    return table.assign(**columns).drop(columns="high")
