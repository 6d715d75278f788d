"""Results of a run: the accuracy of every stream and fusion, and the videos it gets right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsnet.fusion import read
from dsnet.scores import ScoreError, Scores, accuracies, read_scores, topk
from dsnet.tables.statistics import Estimate, estimate

Experiment = tuple[str, int, int]  # title of the data set, split, clip length
Fused = tuple[Sequence[str], str]  # streams, and kind of their fusion, empty for one stream
Streams = Mapping[str, Mapping[str, Any] | None]  # the config's; a stream that is left out is None


def titled_scores(paths: Sequence[Path], titles: Mapping[str, str]) -> list[Scores]:
    """Read ``scores.h5`` files (:func:`.read_scores`); add their data set's ``title`` to runs."""
    scores = [read_scores(path) for path in paths]
    for item in scores:
        item.run["title"] = titles[item.run["dataset"]]
    return scores


def titled_fusions(paths: Sequence[Path], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read the JSON files of fusions (:func:`dsnet.fusion.read`); add the title in the same way."""
    fusions = [read(path) for path in paths]
    for fusion in fusions:
        fusion["run"]["title"] = titles[fusion["run"]["dataset"]]
    return fusions


def listed(scores: Sequence[Scores]) -> dict[str, int]:
    """Return the number of videos that each data set lists, by its title."""
    return {item.run["title"]: item.run["n_listed"] for item in scores}


@dataclass(frozen=True)
class Result:
    """One stream or fusion of one seed on the test videos.

    Attributes:
        top1: in per cent.
        right: (V,) bool, whether each video is recognised, in the order of ``ids``.
        labels: (V,) int64, of the videos.
        ids: of the videos.
        groups: of the videos; videos of a group share a source.
        protocol: rule that selects the epoch.
        n_missing: videos that the data set lists but does not have.
        trained: whether the result depends on the seed; weights taken as they are do not.
        selection: top-1 in per cent on the part that selects the epoch; NaN for fusions.
    """

    top1: float
    right: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    protocol: str
    n_missing: int
    trained: bool
    selection: float = math.nan

    @property
    def n_videos(self) -> int:
        return len(self.right)


class Measured:
    """All results, by experiment, streams, kind of fusion (empty for one stream) and seed.

    Raises ScoreError if one is there twice.
    """

    def __init__(self, scores: Iterable[Scores], fusions: Iterable[Mapping[str, Any]]) -> None:
        self._by_key: dict[tuple[Experiment, frozenset[str], str], dict[int, Result]] = {}
        for item in scores:
            self._add(item.run, ([item.run["stream"]], ""), _of_scores(item))
        for fusion in fusions:
            run = fusion["run"]
            self._add(run, (run["streams"], run["kind"]), self._of_fusion(fusion))
        self.experiments = list(dict.fromkeys(experiment for experiment, _, _ in self._by_key))
        self.seeds = sorted({seed for results in self._by_key.values() for seed in results})

    def _add(self, run: Mapping[str, Any], names: Fused, result: Result) -> None:
        results = self._by_key.setdefault(_key(_experiment(run), names), {})
        if run["seed"] in results:
            where = describe(_experiment(run), names, run["seed"])
            raise ScoreError(
                f"two results for {where}; give each once, and every data set a title of its own"
            )
        results[run["seed"]] = result

    def _of_fusion(self, fusion: Mapping[str, Any]) -> Result:
        run = fusion["run"]
        streams = [
            self._by_key.get(_key(_experiment(run), ([name], "")), {}).get(run["seed"])
            for name in run["streams"]
        ]
        first = streams[0]
        return Result(
            fusion["top1"],
            np.array(fusion.get("right", ()), bool),
            first.labels if first else np.zeros(0, int),
            first.ids if first else (),
            first.groups if first else (),
            run["protocol"],
            run["n_missing"],
            fusion.get("fitted_on") is not None
            or any(found is None or found.trained for found in streams),
        )

    def pooled(self) -> dict[tuple[str, int], list[Experiment]]:
        """Group the experiments of different splits by data set and clip length."""
        found: dict[tuple[str, int], list[Experiment]] = {}
        for title, split, length in self.experiments:
            found.setdefault((title, length), []).append((title, split, length))
        return found

    def streams(self, experiment: Experiment) -> set[str]:
        """Return the streams with a result in an experiment, for any seed."""
        keys = [key for key in self._by_key if key[0] == experiment]
        return {name for _, streams, kind in keys if not kind for name in streams}

    def of(self, experiment: Experiment, result: Fused) -> list[Result]:
        """Return the results of all :attr:`seeds`; raise ScoreError if one is missing."""
        found = self._by_key.get(_key(experiment, result), {})
        missing = [seed for seed in self.seeds if seed not in found]
        if missing:
            where = describe(experiment, result, *missing)
            raise ScoreError(f"no result for {where}; evaluate it, or take it out of the config")
        return [found[seed] for seed in self.seeds]

    def right(self, experiment: Experiment, result: Fused) -> np.ndarray:
        """Return whether each seed gets each test video right, (S, V) bool.

        Raises ScoreError if the result of a seed is missing, or is of other videos.
        """
        results = self.of(experiment, result)
        first = results[0].ids
        if any(found.ids != first or len(found.right) != len(first) for found in results):
            where = describe(experiment, result, *self.seeds)
            raise ScoreError(f"{where}: not all were scored on the same videos, one by one")
        return np.stack([found.right for found in results])

    def accuracy(self, experiments: Sequence[Experiment], result: Fused) -> Estimate:
        """Estimate top-1 in per cent on the test videos of all ``experiments``; see :meth:`right`.

        The values of each experiment are (S, V), 100 if a video is recognised, else 0.
        """
        seeds = self.trainings(experiments, result)
        values = [
            (100.0 * self.right(e, result)[seeds], self.of(e, result)[0].groups)
            for e in experiments
        ]
        return estimate(values, (0, 100))

    def macro(self, experiments: Sequence[Experiment], result: Fused) -> float:
        """Compute macro accuracy in per cent on the test videos of all ``experiments``.

        It is the mean over the classes that have test videos of their top-1, and over seeds. For
        errors see :meth:`right`.
        """
        right = np.concatenate([self.right(e, result) for e in experiments], axis=1).mean(axis=0)
        labels = np.concatenate([self.of(e, result)[0].labels for e in experiments])
        return 100 * float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))

    def trainings(self, experiments: Sequence[Experiment], *results: Fused) -> slice:
        """Select the seeds that count: one if all ``results`` are of weights taken as they are."""
        found = [r for e in experiments for result in results for r in self.of(e, result)]
        return slice(None) if any(result.trained for result in found) else slice(1)

    def same(self, name: str, experiment: Experiment, result: Fused) -> int | str:
        """Return an attribute of the results of all seeds; raise ScoreError if they differ."""
        values = sorted({getattr(found, name) for found in self.of(experiment, result)})
        if len(values) > 1:
            where = describe(experiment, result, *self.seeds)
            raise ScoreError(f"{name} differs between the seeds of {where}: {values}")
        return values[0]


def named(row: Mapping[str, Any]) -> Fused:
    """Return streams and kind of a result in the config: stream, and optionally fuse and by."""
    if not row.get("fuse"):
        return (row["stream"],), ""
    return (row["stream"], *row["fuse"]), row.get("by") or "average"


def describe(experiment: Experiment, result: Fused, *seeds: int) -> str:
    """Describe a result in words, for messages."""
    (title, split, length), (streams, kind) = experiment, result
    what = " + ".join(streams) + (f" ({kind} fusion)" if kind else "")
    which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return f"{what} on {title}, split {split}, {length}f, {which}"


def _of_scores(item: Scores) -> Result:
    part, selection = item.parts["test"], item.parts.get("validation")
    return Result(
        accuracies(part.videos, part.labels)["top1"],
        topk(part.videos, part.labels, 1),
        part.labels,
        part.ids,
        part.groups,
        item.run["protocol"],
        item.run["n_missing"],
        item.spec is None or item.spec.stream.training.epochs > 0,
        accuracies(selection.videos, selection.labels)["top1"] if selection else math.nan,
    )


def _experiment(run: Mapping[str, Any]) -> Experiment:
    return run["title"], run["split"], run["clip_length"]


def _key(experiment: Experiment, result: Fused) -> tuple[Experiment, frozenset[str], str]:
    streams, kind = result
    return experiment, frozenset(streams), kind
