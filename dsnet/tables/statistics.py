"""Means with intervals and p; both seeds and groups of videos are random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

LEVEL = 0.05  # share of false answers, and of intervals that miss the mean
SMALLEST = 1e-9  # smaller p are not distinguished
Values = tuple[np.ndarray, Sequence[str]]  # (S, V) of one split, and the group of each video
Part = tuple[float, float]  # a part of a variance, and its degrees of freedom


def deviation(values: Sequence[float]) -> float:
    """Compute the sample standard deviation; NaN for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def wilson(share: float, count: int) -> tuple[float, float]:
    """Compute the 95 % interval of a share of ``count`` independent videos (Wilson 1927).

    It is good for few videos, and has a width even if all are right or all are wrong. ``share`` may
    be a mean over trainings on the same videos. Then the interval is about other videos and the
    same trainings, and is rather too wide. NaN without videos.
    """
    if not count:
        return float("nan"), float("nan")
    z = float(ndtri(1 - LEVEL / 2))
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    low, high = ((middle + side * half) / (1 + z**2 / count) for side in (-1, 1))
    return max(low, 0.0), min(high, 1.0)  # rounding can pass them


@dataclass(frozen=True)
class Estimate:
    """A mean with a variance that is the sum of independent parts.

    Attributes:
        mean: in the unit of the values.
        parts: the parts of its variance with their degrees of freedom; NaN if unknown.
        bounds: smallest and largest possible mean.
    """

    mean: float
    parts: tuple[Part, ...]
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def half_width(self, level: float = LEVEL) -> float:
        """Compute half the interval that misses the mean with probability ``level`` at most.

        √(Σ t² v), with the t quantile of each part's own degrees of freedom (Banerjee 1960). The
        bound holds for normal values and any ratio of the parts. Satterthwaite's approximation does
        not keep it with three seeds.
        """
        return math.sqrt(sum(float(stdtrit(df, level / 2)) ** 2 * v for v, df in self.parts))

    def interval(self) -> tuple[float, float]:
        """Compute the 95 % interval, cut at the bounds; NaN if a part is NaN."""
        half = self.half_width()
        low, high = np.clip([self.mean - half, self.mean + half], *self.bounds)
        return float(low), float(high)

    def p(self, distance: float) -> float:
        """Compute two-sided p for a value at this ``distance`` from the mean; NaN if a part is NaN.

        It is the level at which the interval reaches that value.
        """

        def excess(log_p: float) -> float:
            return self.half_width(math.exp(log_p)) - abs(distance)

        if math.isnan(self.half_width()):
            return float("nan")
        if not distance:
            return 1.0
        smallest = math.log(SMALLEST)
        return SMALLEST if excess(smallest) <= 0 else math.exp(brentq(excess, smallest, 0.0))


def estimate(splits: Sequence[Values], bounds: tuple[float, float]) -> Estimate:
    """Estimate the mean over seeds and videos of all splits, with random seeds and groups.

    The variance is the sum of the variance of the seeds' means and of the groups' means (Owen
    2007). What varies by seed and group together is in both, so the sum is rather too large.

    Args:
        splits: (S, V) for each split, and the groups of its videos. A group may have videos in
            several splits. The trainings of a split are its own.
        bounds: smallest and largest possible value.

    Returns:
        The mean, its two parts and its bounds. The seeds' part is NaN for one seed. The groups'
        part is NaN if all videos of a split are one group.
    """
    mean = float(np.concatenate([values for values, _ in splits], axis=1).mean())
    variance, df = groups_part(splits)
    # Two more videos at the bounds (Bonett and Price 2012). Without them the interval is too short
    # if few videos differ, and has no width if none do.
    videos = sum(values.shape[1] for values, _ in splits)
    extremes = 2 * ((bounds[1] - bounds[0]) / 2 / (videos + 2)) ** 2
    return Estimate(mean, (seeds_part(splits), (variance + extremes, df)), bounds)


def seeds_part(splits: Sequence[Values]) -> Part:
    """Estimate the variance of the mean due to seeds.

    Splits have their own trainings, so their variances add up, with Satterthwaite's (1946) degrees
    of freedom.
    """
    videos = sum(values.shape[1] for values, _ in splits)
    seeds = splits[0][0].shape[0]
    if seeds < 2:
        return float("nan"), float("nan")
    of_splits = [
        (v.shape[1] / videos) ** 2 * float(v.mean(axis=1).var(ddof=1)) / seeds for v, _ in splits
    ]
    total, squares = sum(of_splits), sum(v**2 for v in of_splits)
    return total, (seeds - 1) * (total**2 / squares if squares else len(splits))


def groups_part(splits: Sequence[Values]) -> Part:
    """Estimate the variance of the mean due to groups of videos, of different sizes.

    It uses the sum of each group's deviations from the mean of its split (Bell and McCaffrey 2002,
    CR2 for independent videos). The degrees of freedom are the effective number of groups (Carter,
    Schnepel and Steigerwald 2017) minus the number of splits.
    """
    codes = pd.factorize(np.concatenate([np.asarray(groups, object) for _, groups in splits]))[0]
    deviations = np.concatenate([v.mean(axis=0) - v.mean() for v, _ in splits])
    ends = np.cumsum([values.shape[1] for values, _ in splits])
    shares = [np.bincount(c)[c] / len(c) for c in np.split(codes, ends[:-1])]
    sizes = np.bincount(codes).astype(float)
    # Share of a group in the mean that its videos deviate from.
    leverage = np.bincount(codes, np.concatenate(shares)) / sizes
    if (leverage > 1 - 1e-9).any():
        return float("nan"), float("nan")
    sums = np.bincount(codes, deviations) / len(codes)
    effective = (sizes**2).sum() ** 2 / (sizes**4).sum()
    df = effective - len(splits)
    return float((sums**2 / (1 - leverage)).sum()), float(df) if df > 0 else float("nan")


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p for all of a family (Holm 1979); NaN stay as they are and do not count.

    If an adjusted p under :data:`LEVEL` is an answer, the chance of any false answer is at most
    :data:`LEVEL`, for any dependence.
    """
    given = np.asarray(p, float)
    order = np.argsort(given)[: int((~np.isnan(given)).sum())]
    adjusted = given.copy()
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * given[order]), 1.0)
    return [float(value) for value in adjusted]
