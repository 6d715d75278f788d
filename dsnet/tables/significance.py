"""Comparison of pairs of methods on the same seeds and videos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from dsnet.scores import ScoreError, Scores
from dsnet.tables.measured import Experiment, Fused, Measured, Streams, describe
from dsnet.tables.statistics import estimate, holm
from dsnet.tables.text import NOTHING, RANDOM, TextTable, render_plain, signed

COLUMNS = (
    *("dataset", "split", "clip_length", "method", "against", "difference", "low", "high", "p"),
    *("p_holm", "seeds", "n_videos"),
)
HEADERS = {
    **{"dataset": "Data set", "split": "Split", "splits": "Splits", "clip_length": "Frames"},
    **{"claim": "Claim", "answer": "Answer", "group": "Group"},
    **{"method": "Method", "against": "Against", "within": "Within (points)"},
    **{"difference": "Difference (points)", "top1": "Top-1 (%)", "low": "95 % interval"},
    **{"p": "p", "p_holm": "p (Holm)", "selection": "Selection part (%)"},
    "macro": "Macro (%)",
    **{"seeds": "Seeds", "n_videos": "Test videos"},
}


def significance(scores: Sequence[Scores], streams: Streams) -> pd.DataFrame:
    """Compare every pair of RGB streams of an experiment, the later one against the earlier.

    Returns :data:`COLUMNS`, see :func:`compare`. ``p_holm`` is adjusted for all pairs of a data
    set, split and clip length. Raises ScoreError if two streams were scored on different videos or
    with different seeds.
    """
    measured = Measured(scores, ())
    titles = {name: s["title"] for name, s in streams.items() if s and s["input"] == "rgb"}
    rows = []
    for experiment in measured.experiments:
        where = dict(zip(COLUMNS, experiment, strict=False))
        pairs = []
        found = [name for name in titles if name in measured.streams(experiment)]
        for against, method in combinations(found, 2):
            pair = compare(measured, [experiment], ((method,), ""), ((against,), ""))
            names = {"method": titles[method], "against": titles[against]}
            pairs.append({**where, **names, **pair})
        rows += adjusted(pairs)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def adjusted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add ``p_holm`` to the rows of one family."""
    p = holm([row["p"] for row in rows])
    return [{**row, "p_holm": value} for row, value in zip(rows, p, strict=True)]


def compare(
    measured: Measured,
    experiments: Sequence[Experiment],
    method: Fused,
    against: Fused,
    within: float | None = None,
) -> dict[str, Any]:
    """Compare two results on the same seeds and videos, all splits together.

    Args:
        measured: results of every seed.
        experiments: splits of one data set.
        method: streams and the kind of their fusion, empty for a single stream.
        against: the same.
        within: percentage points; then the question is whether the two differ by less.

    Returns:
        ``difference`` of the mean top-1 in percentage points, ``low`` and ``high`` of its interval,
        two-sided ``p``, ``seeds``, ``n_videos``. The null hypothesis of ``p`` is that the
        difference is 0. With ``within``, it is that the difference is exactly as large. Then ``p``
        is twice the larger p of two one-sided tests (Schuirmann 1987), because a larger difference
        is an answer too. For one seed, interval and ``p`` are NaN.

    Raises:
        ScoreError: a result is missing, or the two were scored on different videos.
    """
    splits, seeds = [], measured.trainings(experiments, method, against)
    for experiment in experiments:
        ours, theirs = (measured.of(experiment, result)[0] for result in (method, against))
        if ours.ids != theirs.ids:
            names = [describe(experiment, result, *measured.seeds) for result in (method, against)]
            raise ScoreError(f"{' and '.join(names)} were not scored on the same videos")
        a, b = (measured.right(experiment, result)[seeds] for result in (method, against))
        splits.append((100.0 * (a.astype(float) - b), ours.groups))
    found = estimate(splits, (-100, 100))
    low, high = found.interval()
    return {
        **{"difference": found.mean, "low": low, "high": high},
        "p": found.p(found.mean if within is None else within - abs(found.mean)),
        "seeds": len(splits[0][0]),
        "n_videos": sum(values.shape[1] for values, _ in splits),
    }


def render_significance(table: pd.DataFrame) -> TextTable:
    """Format the table of :func:`significance`, with notes for the reader."""
    title = "Pairs of methods: difference of top-1 accuracy"
    return render_pairs(table, title, (), "pairs of a data set, split and clip length")


def render_pairs(table: pd.DataFrame, title: str, notes: Sequence[str], family: str) -> TextTable:
    """Format differences with their sign, intervals in one column, and p as papers do.

    ``table`` has rows of :func:`compare` with ``p_holm``, adjusted for the ``family``. ``title`` is
    the first sentence of the caption, and ``notes`` precede those on the statistics.
    """
    ends = zip(table["low"], table["high"], strict=True)
    columns = {
        "difference": [signed(value) for value in table["difference"]],
        "low": [
            NOTHING if pd.isna(low) else f"{signed(low)} to {signed(high)}" for low, high in ends
        ],
        **{name: [_p(value) for value in table[name]] for name in ("p", "p_holm")},
    }
    notes = (
        *notes,
        f"Both methods are compared on the same seeds and test videos. {RANDOM}",
        "The variance is the sum of a part of the seeds and a part of the groups. Each part has a "
        "t quantile of its own (Banerjee 1960). p is two-sided, of the same t.",
        f"p (Holm) counts all {family} (Holm 1979): at most 5 % of such tables have a false "
        "answer. Intervals are not adjusted.",
    )
    return render_plain(table.assign(**columns).drop(columns="high"), title, notes, HEADERS)


def _p(value: float) -> str:
    if pd.isna(value):
        return NOTHING
    return f"{value:.3f}" if value >= 0.001 else "<\N{NO-BREAK SPACE}0.001"
