"""Answers to claims, and results in groups; all splits and seeds of a data set together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dsnet.scores import Scores
from dsnet.tables.measured import Experiment, Fused, Measured, Streams, named
from dsnet.tables.significance import HEADERS, adjusted, compare, render_pairs
from dsnet.tables.statistics import LEVEL, deviation
from dsnet.tables.text import (
    MACRO,
    RANDOM,
    TextTable,
    accuracy,
    interval,
    per_cent,
    render_plain,
    uneven,
)

CLAIM_COLUMNS = (
    *("dataset", "clip_length", "claim", "answer", "method", "against", "within"),
    *("difference", "low", "high", "p", "p_holm", "splits", "seeds", "n_videos"),
)
STUDY_COLUMNS = (
    *("dataset", "clip_length", "group", "method", "top1", "top1_std", "low", "high"),
    *("selection", "splits", "seeds", "n_videos", "macro"),
)
NO_ANSWER = "one training each: no answer"


def claims(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    streams: Streams,
    rows: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """Answer whether claims hold here, for every data set and clip length.

    For arguments and errors see :func:`~dsnet.tables.table1`. ``rows`` are ``tables.claims`` of the
    config: claim, the results method and against, and optionally within.

    Returns:
        Columns :data:`CLAIM_COLUMNS`, see :func:`dsnet.tables.significance.compare`. ``p_holm`` is
        adjusted for all claims of the data set and clip length. ``answer`` is ``undecided`` if
        ``p_holm`` is not under 0.05. Otherwise it is ``supported`` if the difference is above zero
        or, with ``within``, smaller than that, else ``not supported``. For one seed it is
        :data:`NO_ANSWER`.
    """
    measured = Measured(scores, fusions)
    table = []
    for (title, length), places in measured.pooled().items():
        pairs = []
        for row in rows:
            method, ours = _result(measured, places, streams, row["method"])
            against, theirs = _result(measured, places, streams, row["against"])
            within = row.get("within")
            pairs.append(
                {
                    **{"dataset": title, "clip_length": length, "claim": row["claim"]},
                    **{"method": method, "against": against, "within": within},
                    **compare(measured, places, ours, theirs, within),
                    "splits": len(places),
                }
            )
        table += [{**pair, "answer": _answer(pair)} for pair in adjusted(pairs)]
    return pd.DataFrame(table, columns=list(CLAIM_COLUMNS)).astype({"within": float})


def _answer(pair: Mapping[str, Any]) -> str:
    if pair["seeds"] < 2:
        return NO_ANSWER
    if not pair["p_holm"] < LEVEL:  # also for NaN
        return "undecided"
    difference, within = pair["difference"], pair["within"]
    holds = difference > 0 if within is None else abs(difference) < within
    return "supported" if holds else "not supported"


def _result(
    measured: Measured, places: Sequence[Experiment], streams: Streams, row: Mapping[str, Any]
) -> tuple[str, Fused]:
    """Return title, and streams and kind, of a result in the config.

    For a list of streams, it is the one with the highest accuracy on the part that selects the
    epoch, over all splits and seeds; the first one among equals.
    """
    titles = {name: stream["title"] for name, stream in streams.items() if stream}
    if isinstance(row["stream"], list):
        best = max(row["stream"], key=lambda name: _selection(measured, places, ((name,), "")))
        return f"{titles[best]} (best of {len(row['stream'])})", ((best,), "")
    names, kind = named(row)
    title = " + ".join(titles[name] for name in names)
    return f"{title} ({kind})" if kind else title, (names, kind)


def _selection(measured: Measured, places: Sequence[Experiment], result: Fused) -> float:
    """Return the mean accuracy in per cent on the selection part; NaN for a fusion."""
    return float(np.mean([found.selection for e in places for found in measured.of(e, result)]))


def study(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    streams: Streams,
    groups: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """Collect results in groups, for every data set and clip length.

    For arguments and errors see :func:`~dsnet.tables.table1`. ``groups`` are ``tables.study`` of
    the config: group, and rows of results.

    Returns:
        Columns :data:`STUDY_COLUMNS`: ``top1`` on the test videos of all splits in per cent, the
        mean over seeds, with its sample standard deviation and interval; ``selection``, the mean on
        the part that selects the epoch, for the choice of settings; ``macro``, see
        :meth:`.Measured.macro`.
    """
    measured = Measured(scores, fusions)
    table = []
    for (title, length), places in measured.pooled().items():
        about = {"dataset": title, "clip_length": length, "splits": len(places)}
        for group in groups:
            for row in group["rows"]:
                method, result = _result(measured, places, streams, row)
                names = {"group": group["group"], "method": method}
                table.append({**about, **names, **_pooled(measured, places, result)})
    return pd.DataFrame(table, columns=list(STUDY_COLUMNS))


def _pooled(measured: Measured, places: Sequence[Experiment], result: Fused) -> dict[str, Any]:
    """Return the cells of one result, with the test videos of all splits together."""
    found = measured.accuracy(places, result)
    low, high = found.interval()
    pooled = np.concatenate([100.0 * measured.right(place, result) for place in places], axis=1)
    return {
        **{"top1": found.mean, "top1_std": deviation(pooled.mean(axis=1)), "low": low},
        **{"high": high, "selection": _selection(measured, places, result)},
        **{"seeds": pooled.shape[0], "n_videos": pooled.shape[1]},
        "macro": measured.macro(places, result),
    }


def render_claims(table: pd.DataFrame) -> TextTable:
    """Format the table of :func:`claims`, with notes for the reader."""
    notes = [
        f"An answer needs p (Holm) under {LEVEL}; without it a claim is undecided. Supported: the "
        "difference is above zero. Not supported: it is below.",
        "Of a claim that two methods differ by less than some points, supported: the difference is "
        "within them; not supported: it is larger (two one-sided t tests, Schuirmann 1987).",
    ]
    if table["within"].isna().all():
        table, notes = table.drop(columns="within"), notes[:1]
    title = "Claims: difference of top-1 accuracy"
    return render_pairs(table, title, notes, "claims of a data set and clip length")


def render_study(table: pd.DataFrame) -> TextTable:
    """Format the table of :func:`study`, with notes for the reader."""
    rows = table.to_dict("records")
    shown = table.assign(
        top1=[accuracy(row) for row in rows],
        low=[interval(row) for row in rows],
        selection=[per_cent(row["selection"]) for row in rows],
        macro=[per_cent(row["macro"]) for row in rows],
    ).drop(columns=["top1_std", "high"] + ["macro"] * (not uneven(rows)))
    notes = [
        "Mean ± sample standard deviation over seeds. The test videos of all splits count "
        f"together. {RANDOM}",
        *[MACRO] * uneven(rows),
    ]
    return render_plain(shown, "Top-1 accuracy on the test videos, in groups", notes, HEADERS)
