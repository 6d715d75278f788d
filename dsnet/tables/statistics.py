"""Spread over seeds, intervals, and tests that are paired on the same videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000  # of the bootstrap


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; NaN of a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


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
