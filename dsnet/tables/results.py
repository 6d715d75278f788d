"""Tables in long form from scores: mean and spread over seeds beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from dsnet.releases import name_of
from dsnet.scores import ScoreError, Scores
from dsnet.tables.measured import Experiment, Fused, Measured, Streams, named
from dsnet.tables.statistics import deviation

TABLE1_COLUMNS = (
    *("dataset", "split", "clip_length", "method", "column", "top1", "top1_std", "seeds"),
    *("n_videos", "paper_top1", "source", "protocol", "n_missing", "pretrain"),
    *("low", "high", "streams", "macro"),
)
TABLE2_COLUMNS = (
    *("method", "top1", "top1_std", "seeds", "paper_top1"),
    *("dataset", "split", "clip_length", "n_videos", "protocol", "n_missing", "low", "high"),
    "macro",
)
COUNTS = ("split", "clip_length", "seeds", "n_videos", "n_missing")
PAPER_SPLIT = 1  # both tables of the paper


def _row(measured: Measured, experiment: Experiment, result: Fused) -> dict[str, Any]:
    """Return the cells of one result in both tables; for errors see :class:`Measured`."""
    top1 = [found.top1 for found in measured.of(experiment, result)]
    shared = ("n_videos", "protocol", "n_missing")
    same = {name: measured.same(name, experiment, result) for name in shared}
    low, high = measured.accuracy([experiment], result).interval()
    return {
        **dict(zip(("dataset", "split", "clip_length"), experiment, strict=True)),
        **same,
        **{"top1": float(np.mean(top1)), "top1_std": deviation(top1), "seeds": len(top1)},
        **{"low": low, "high": high},
        "macro": measured.macro([experiment], result),
    }


def _paper(name: str) -> pd.DataFrame:
    """Read a table of the paper, a file of this package."""
    with resources.files("dsnet").joinpath("paper", name).open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _frame(rows: list[dict[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Make a table of rows; a count may be empty, and otherwise is a whole number."""
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype(dict.fromkeys([c for c in columns if c in COUNTS], "Int64"))


def table1(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    streams: Streams,
    two_stream: Sequence[str],
    students: Sequence[str],
    kinds: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Make Table 1 in long form: a row per result, measured ones first, then the paper's own.

    The paper's are of the data sets that were measured, by title.

    Args:
        scores: scores of every stream, data set, split, clip length and seed.
        fusions: the content of the fusion files; only averages are used.
        streams: the config's streams, in the order of the rows.
        two_stream: the RGB and the flow stream of the classic two-stream method.
        students: RGB streams of the second block. Each is fused with the first of ``two_stream``,
            with its teacher (or the second of ``two_stream`` without one), and with both.
        kinds: kinds of the data sets by title, for ``{dataset}`` in ``pretrained``.

    Returns:
        Columns :data:`TABLE1_COLUMNS`, accuracies in per cent. ``top1_std`` is the sample standard
        deviation over the seeds, ``low`` and ``high`` the 95 % interval; all three are empty for
        one seed. ``paper_top1`` is the paper's number for the same data set, split, method and
        column. ``streams`` are the streams of the cell, joined by ``+``. ``macro`` is the macro
        accuracy (:meth:`.Measured.macro`).

    Raises:
        ScoreError: a result of some seed is missing, is there twice, or does not say which videos
            it has right; or two streams share a title.
    """
    measured = Measured(scores, fusions)
    paper = _paper("table1.csv")
    numbers = paper.set_index(["dataset", "method", "column"])["top1"].to_dict()
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for experiment in measured.experiments:
        title, split, length = experiment
        kind = (kinds or {}).get(title, "")
        for method, column, names in _cells(streams, two_stream, students, length):
            key = (*experiment, method, column)
            if key in rows:
                raise ScoreError(
                    f"two streams have the title of {method!r}; tables need distinct ones"
                )
            own = names[:1] if column.startswith("Mimic") else names  # without those fused with it
            pretrain = [_pretrain(streams, name, length, kind) for name in own]
            known = numbers.get((title, method, column)) if split == PAPER_SPLIT else None
            rows[key] = {
                **_row(measured, experiment, (names, "average" if len(names) > 1 else "")),
                **{"method": method, "column": column, "paper_top1": known, "source": "measured"},
                **{"streams": "+".join(names), "pretrain": "+".join(dict.fromkeys(pretrain))},
            }
    cited = paper[paper["dataset"].isin([title for title, _, _ in measured.experiments])]
    return _frame([*rows.values(), *_reported(cited)], TABLE1_COLUMNS)


def _cells(
    streams: Streams, two_stream: Sequence[str], students: Sequence[str], length: int
) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """Yield method, column and streams of every measured cell of Table 1 at one clip length."""
    rgb, flow = two_stream
    method = f"Two streams ({length}f)"
    yield method, "RGB", (rgb,)
    yield method, "Flow", (flow,)
    yield method, "RGB+Flow", (rgb, flow)
    for name in students:
        stream = streams[name] or {}
        method, teacher = f"{stream['title']} ({length}f)", stream.get("teacher") or flow
        yield method, "Mimic", (name,)
        yield method, "Mimic+RGB", (name, rgb)
        yield method, "Mimic+Flow", (name, teacher)
        yield method, "Mimic+RGB+Flow", (name, rgb, teacher)


def _pretrain(streams: Streams, name: str, length: int, kind: str) -> str:
    """Return the checkpoint that a stream goes back to through other streams, or ``none``."""
    stream: Mapping[str, Any] = {"init": name}
    while stream.get("init"):
        stream = streams[stream["init"]] or {}
    checkpoint = stream.get("pretrained") or "none"
    return PurePath(name_of(checkpoint, length, kind)).name


def _reported(paper: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of the paper's Table 1."""
    lengths = paper["method"].str.extract(r"\((\d+)f\)$", expand=False).astype("Int64")
    table = paper.assign(split=PAPER_SPLIT, clip_length=lengths, source="reported")
    return table.assign(paper_top1=paper["top1"]).to_dict("records")


def table2(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """Make Table 2, the ablation, for the data set, split and clip length of the first result.

    Args:
        scores: scores of the streams, every seed; other experiments are ignored.
        fusions: the content of the fusion files of the same experiment.
        rows: ``tables.ablation`` of the config: method, stream and optionally fuse (a list) and by.

    Returns:
        Columns :data:`TABLE2_COLUMNS`, as in :func:`table1`. But ``paper_top1`` is the paper's
        number for the method on UCF-101, split 1, 16 frames, and only for that data set.

    Raises:
        ScoreError: see :func:`table1`, titles aside.
    """
    measured = Measured(scores, fusions)
    numbers = _paper("table2.csv").set_index(["dataset", "method"])["top1"].to_dict()
    table = []
    for row in rows if measured.experiments else ():
        cells = _row(measured, measured.experiments[0], named(row))
        known = numbers.get((cells["dataset"], row["method"]))
        table.append({**cells, "method": row["method"], "paper_top1": known})
    return _frame(table, TABLE2_COLUMNS)
