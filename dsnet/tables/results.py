"""Long-form tables from scores: mean and spread over seeds beside the paper's numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from dsnet.scores import Scores, accuracies

Experiment = tuple[str, int, int]  # title of the data set, split, clip length

TABLE1_COLUMNS = (
    *("dataset", "split", "clip_length", "method", "column", "top1", "top1_std", "seeds"),
    *("n_videos", "paper_top1", "source", "protocol", "n_missing", "pretrain"),
)
TABLE2_COLUMNS = (
    *("method", "top1", "top1_std", "seeds", "paper_top1"),
    *("dataset", "split", "clip_length", "n_videos", "protocol", "n_missing"),
)
COUNTS = ("split", "clip_length", "seeds", "n_videos", "n_missing")
PAPER_SPLIT = 1  # both of the paper's tables are of split 1


@dataclass(frozen=True)
class _Result:
    """Top-1 in per cent of one stream or fusion of one seed, and what it was measured on."""

    top1: float
    n_videos: int
    protocol: str
    n_missing: int


class _Results:
    """Every accuracy measured, by experiment, streams, kind of fusion and seed.

    Raises:
        ValueError: two results are of the same experiment, streams, kind and seed.
    """

    def __init__(self, scores: Iterable[Scores], fusions: Iterable[Mapping[str, Any]]) -> None:
        self._by_key: dict[tuple[Experiment, frozenset[str], str], dict[int, _Result]] = {}
        for item in scores:
            part = item.parts["test"]
            top1 = accuracies(part.videos, part.labels)["top1"]
            self._add(item.run, [item.run["stream"]], "", top1, len(part.ids))
        for fusion in fusions:
            run = fusion["run"]
            self._add(run, run["streams"], run["kind"], fusion["top1"], fusion["n_videos"])
        self.experiments = list(dict.fromkeys(experiment for experiment, _, _ in self._by_key))
        self.seeds = sorted({seed for results in self._by_key.values() for seed in results})

    def _add(
        self, run: Mapping[str, Any], streams: Sequence[str], kind: str, top1: float, videos: int
    ) -> None:
        experiment = (run["title"], run["split"], run["clip_length"])
        results = self._by_key.setdefault((experiment, frozenset(streams), kind), {})
        if run["seed"] in results:
            raise ValueError(f"two results for {_describe(experiment, streams, kind, run['seed'])}")
        results[run["seed"]] = _Result(top1, videos, run["protocol"], run["n_missing"])

    def row(self, experiment: Experiment, streams: Sequence[str], kind: str) -> dict[str, Any]:
        """The cells of one result that both tables have.

        Raises:
            ValueError: there is none for one of the run's seeds, or the seeds were measured on
                different videos or by different protocols.
        """
        found = self._by_key.get((experiment, frozenset(streams), kind), {})
        missing = [seed for seed in self.seeds if seed not in found]
        if missing:
            where = _describe(experiment, streams, kind, *missing)
            raise ValueError(f"no result for {where}; evaluate it, or take it out of the config")
        results = [found[seed] for seed in self.seeds]
        row: dict[str, Any] = dict(
            zip(("dataset", "split", "clip_length"), experiment, strict=True)
        )
        for name in ("n_videos", "protocol", "n_missing"):
            values = sorted({getattr(result, name) for result in results})
            if len(values) > 1:
                where = _describe(experiment, streams, kind, *self.seeds)
                raise ValueError(f"{name} differs between the seeds of {where}: {values}")
            row[name] = values[0]
        top1 = [result.top1 for result in results]
        spread = float(np.std(top1, ddof=1)) if len(top1) > 1 else float("nan")
        return {**row, "top1": float(np.mean(top1)), "top1_std": spread, "seeds": len(top1)}


def _describe(experiment: Experiment, streams: Sequence[str], kind: str, *seeds: int) -> str:
    title, split, length = experiment
    what = " + ".join(streams) + (f" ({kind} fusion)" if kind else "")
    which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return f"{what} on {title}, split {split}, {length}f, {which}"


def _paper(name: str) -> pd.DataFrame:
    """One of the paper's tables, as it lies in the package."""
    with resources.files("dsnet").joinpath("paper", name).open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _frame(rows: list[dict[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table; counts may be empty and stay whole numbers."""
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype(dict.fromkeys([c for c in columns if c in COUNTS], "Int64"))


def table1(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    streams: Mapping[str, Mapping[str, Any] | None],
    two_stream: Sequence[str],
) -> pd.DataFrame:
    """Table 1 in long form: a row per result, measured ones first, then the paper's own.

    Args:
        scores: scores of every stream, data set, split, clip length and seed.
        fusions: the fusion files as dictionaries; only the averages are used.
        streams: the config's streams, in the order of the rows.
        two_stream: the RGB and the flow stream of the classic two-stream method. Every other
            RGB stream is a row of the second block, fused with the first of these and with its
            teacher (or the second of these when it has none).

    Returns:
        Columns :data:`TABLE1_COLUMNS`, accuracies in per cent. ``top1_std`` is the sample
        standard deviation over the seeds, empty for one seed. ``paper_top1`` is set where the
        paper has the same data set, split, method and column.

    Raises:
        ValueError: a result is missing for some seed, is there twice, or two streams share a
            title.
    """
    results = _Results(scores, fusions)
    paper = _paper("table1.csv")
    numbers = paper.set_index(["dataset", "method", "column"])["top1"].to_dict()
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for experiment in results.experiments:
        title, split, length = experiment
        for method, column, names in _cells(streams, two_stream, length):
            if (*experiment, method, column) in rows:
                raise ValueError(
                    f"two streams have the title of {method!r}; tables need distinct ones"
                )
            own = names[:1] if column.startswith("Mimic") else names  # not what it is fused with
            known = numbers.get((title, method, column)) if split == PAPER_SPLIT else None
            rows[(*experiment, method, column)] = {
                **results.row(experiment, names, "average" if len(names) > 1 else ""),
                "method": method,
                "column": column,
                "paper_top1": known,
                "source": "measured",
                "pretrain": "+".join(dict.fromkeys(_pretrain(streams, n, length) for n in own)),
            }
    return _frame([*rows.values(), *_reported(paper)], TABLE1_COLUMNS)


def _cells(
    streams: Mapping[str, Mapping[str, Any] | None], two_stream: Sequence[str], length: int
) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """Method, column and streams of every measured cell of Table 1 at one clip length."""
    rgb, flow = two_stream
    method = f"Two streams ({length}f)"
    yield from [
        (method, "RGB", (rgb,)),
        (method, "Flow", (flow,)),
        (method, "RGB+Flow", (rgb, flow)),
    ]
    for name, stream in streams.items():
        if stream is None or stream["input"] != "rgb" or name == rgb:
            continue
        method = f"{stream['title']} ({length}f)"
        yield method, "Mimic", (name,)
        yield method, "Mimic+RGB", (name, rgb)
        yield method, "Mimic+Flow", (name, stream.get("teacher") or flow)


def _pretrain(streams: Mapping[str, Mapping[str, Any] | None], name: str, length: int) -> str:
    """The checkpoint that a stream's weights go back to through other streams, or ``none``."""
    stream: Mapping[str, Any] = {"init": name}
    while stream.get("init"):
        stream = streams[stream["init"]] or {}
    checkpoint = stream.get("pretrained") or "none"
    return PurePath(checkpoint.replace("{clip_length}", str(length))).name


def _reported(paper: pd.DataFrame) -> list[dict[Any, Any]]:
    """The paper's Table 1 as rows of ours."""
    rows = []
    for row in paper.to_dict("records"):
        length = re.search(r"\((\d+)f\)$", row["method"])
        rows.append(
            {
                **row,
                "split": PAPER_SPLIT,
                "clip_length": int(length[1]) if length else None,
                "paper_top1": row["top1"],
                "source": "reported",
            }
        )
    return rows


def table2(
    scores: Sequence[Scores],
    fusions: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """Table 2, the ablation, on the data set, split and clip length of the first result.

    Args:
        scores: scores of the streams, every seed; those of other experiments are ignored.
        fusions: the fusion files as dictionaries, of the same experiment.
        rows: ``tables.ablation`` of the config: method, stream and optionally fuse and by.

    Returns:
        Columns :data:`TABLE2_COLUMNS`. ``paper_top1`` is the paper's number for the method,
        which is of UCF-101, split 1, 16 frames, whatever the data set is here.

    Raises:
        ValueError: a result is missing for some seed, or is there twice.
    """
    results = _Results(scores, fusions)
    numbers = _paper("table2.csv").set_index("method")["top1"].to_dict()
    table: list[dict[Any, Any]] = []
    for row in rows if results.experiments else ():
        names, kind = [row["stream"]], ""
        if row.get("fuse"):
            names, kind = [row["stream"], row["fuse"]], row.get("by") or "average"
        method = row["method"]
        known = {"method": method, "paper_top1": numbers.get(method)}
        table.append({**results.row(results.experiments[0], names, kind), **known})
    return _frame(table, TABLE2_COLUMNS)
