"""Whether two methods differ beyond chance: paired on the same videos, over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dsnet.scores import ScoreError, Scores
from dsnet.tables.measured import Experiment, Fused, Measured, Streams, describe
from dsnet.tables.statistics import bootstrap, combined, mcnemar
from dsnet.tables.text import TextTable, render_plain

COLUMNS = (
    *("dataset", "split", "clip_length", "method", "against", "difference", "low", "high", "p"),
    *("seeds", "n_videos"),
)
HEADERS = {
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
HOW_TO_READ = (
    "The interval is of a bootstrap over videos and seeds, p of McNemar's exact test on the same "
    "videos, over several seeds twice the median."
)


def significance(scores: Sequence[Scores], streams: Streams) -> pd.DataFrame:
    """Every pair of RGB streams of an experiment, the later of the config's against the earlier.

    Args:
        scores: scores of every stream, data set, split, clip length and seed.
        streams: the config's streams.

    Returns:
        Columns :data:`COLUMNS`: ``difference`` of the mean top-1 in percentage points with its
        interval (:func:`bootstrap`), and McNemar's ``p``, :func:`combined` over the seeds.

    Raises:
        ScoreError: two streams were scored on different videos or with different seeds.
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
        ScoreError: a result is missing, or the two were scored on different videos.
    """
    pairs = []
    for experiment in experiments:
        if measured.of(experiment, *method)[0].ids != measured.of(experiment, *against)[0].ids:
            names = [describe(experiment, *result, *measured.seeds) for result in (method, against)]
            raise ScoreError(f"{' and '.join(names)} were not scored on the same videos")
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
