"""What a run measured: the accuracy of every stream and fusion, and which videos it gets right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsnet.scores import ScoreError, Scores, accuracies, topk
from dsnet.tables.statistics import Estimate, estimate

Experiment = tuple[str, int, int]  # title of the data set, split, clip length
Fused = tuple[Sequence[str], str]  # streams, and the kind of their fusion, empty for one stream
Streams = Mapping[str, Mapping[str, Any] | None]  # the config's; those left out are None


@dataclass(frozen=True)
class Result:
    """One stream or fusion of one seed on the test videos.

    Attributes:
        top1: in per cent.
        n_videos: V.
        protocol: by which the epoch was selected.
        n_missing: videos that the data set lists and that were not there.
        right: (V,) bool, in the order of ``ids``; ``None`` for fusions that do not say.
        ids: of the test videos.
        groups: of the test videos; videos of a group share a source.
        trained: whether it depends on the seed; weights that are taken as they are do not.
        selection: top-1 in per cent on the part that selects the epoch; ``None`` for fusions.
    """

    top1: float
    n_videos: int
    protocol: str
    n_missing: int
    right: np.ndarray | None
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    trained: bool
    selection: float | None


class Measured:
    """Every result, by experiment, streams, kind of fusion (empty for one stream) and seed.

    Raises:
        ScoreError: two results are of the same experiment, streams, kind and seed.
    """

    def __init__(self, scores: Iterable[Scores], fusions: Iterable[Mapping[str, Any]]) -> None:
        self._by_key: dict[tuple[Experiment, frozenset[str], str], dict[int, Result]] = {}
        for item in scores:
            self._add(item.run, [item.run["stream"]], "", _of_scores(item))
        for fusion in fusions:
            run = fusion["run"]
            self._add(run, run["streams"], run["kind"], self._of_fusion(fusion))
        self.experiments = list(dict.fromkeys(experiment for experiment, _, _ in self._by_key))
        self.seeds = sorted({seed for results in self._by_key.values() for seed in results})

    def _add(
        self, run: Mapping[str, Any], streams: Sequence[str], kind: str, result: Result
    ) -> None:
        results = self._by_key.setdefault((_experiment(run), frozenset(streams), kind), {})
        if run["seed"] in results:
            where = describe(_experiment(run), streams, kind, run["seed"])
            raise ScoreError(
                f"two results for {where}; give each once, and every data set a title of its own"
            )
        results[run["seed"]] = result

    def _of_fusion(self, fusion: Mapping[str, Any]) -> Result:
        run = fusion["run"]
        right = fusion.get("right")
        streams = [
            self._by_key.get((_experiment(run), frozenset([name]), ""), {}).get(run["seed"])
            for name in run["streams"]
        ]
        stream = streams[0]
        return Result(
            fusion["top1"],
            fusion["n_videos"],
            run["protocol"],
            run["n_missing"],
            None if right is None else np.array(right, bool),
            stream.ids if stream else (),
            stream.groups if stream else (),
            run["kind"] == "attention" or any(found is None or found.trained for found in streams),
            None,
        )

    def pooled(self) -> dict[tuple[str, int], list[Experiment]]:
        """By data set and clip length, the experiments of its splits."""
        found: dict[tuple[str, int], list[Experiment]] = {}
        for title, split, length in self.experiments:
            found.setdefault((title, length), []).append((title, split, length))
        return found

    def streams(self, experiment: Experiment) -> set[str]:
        """The streams that an experiment has a result of, for any seed."""
        keys = [key for key in self._by_key if key[0] == experiment]
        return {name for _, streams, kind in keys if not kind for name in streams}

    def right(self, experiment: Experiment, streams: Sequence[str], kind: str) -> np.ndarray:
        """(S, V) bool: whether each seed gets each test video right.

        Raises:
            ScoreError: a seed's result is absent, or was measured on other videos.
        """
        results = self.of(experiment, streams, kind)
        for result in results:
            silent = result.right is None or len(result.ids) != len(result.right)
            if silent or result.ids != results[0].ids:
                where = describe(experiment, streams, kind, *self.seeds)
                raise ScoreError(f"{where}: not all were scored on the same videos, one by one")
        return np.stack([result.right for result in results if result.right is not None])

    def accuracy(
        self, experiments: Sequence[Experiment], streams: Sequence[str], kind: str
    ) -> Estimate:
        """The top-1 accuracy in per cent on the test videos of all ``experiments``.

        See :meth:`right` for the errors.
        """
        names = streams, kind
        seeds = self.trainings(experiments, names)
        values = [
            (100.0 * self.right(e, *names)[seeds], self.groups(e, *names)) for e in experiments
        ]
        return estimate(values, (0, 100))

    def trainings(self, experiments: Sequence[Experiment], *results: Fused) -> slice:
        """The seeds that count: one where all ``results`` are weights taken as they are.

        These are copies of one training, whatever the seed.
        """
        found = [r for e in experiments for result in results for r in self.of(e, *result)]
        return slice(None) if any(result.trained for result in found) else slice(1)

    def groups(self, experiment: Experiment, streams: Sequence[str], kind: str) -> tuple[str, ...]:
        """The group of each test video; see :meth:`of` for the errors."""
        return self.of(experiment, streams, kind)[0].groups

    def of(self, experiment: Experiment, streams: Sequence[str], kind: str) -> list[Result]:
        """The results of all seeds, in the order of :attr:`seeds`.

        Raises:
            ScoreError: there is none for one of the run's seeds.
        """
        found = self._by_key.get((experiment, frozenset(streams), kind), {})
        missing = [seed for seed in self.seeds if seed not in found]
        if missing:
            where = describe(experiment, streams, kind, *missing)
            raise ScoreError(f"no result for {where}; evaluate it, or take it out of the config")
        return [found[seed] for seed in self.seeds]

    def same(
        self, name: str, experiment: Experiment, streams: Sequence[str], kind: str
    ) -> int | str:
        """The value of an attribute that all seeds' results must share.

        Raises:
            ScoreError: the seeds were measured on different videos or by different protocols.
        """
        values = sorted({getattr(result, name) for result in self.of(experiment, streams, kind)})
        if len(values) > 1:
            where = describe(experiment, streams, kind, *self.seeds)
            raise ScoreError(f"{name} differs between the seeds of {where}: {values}")
        return values[0]


def named(row: Mapping[str, Any]) -> Fused:
    """Streams and kind of a result that the config names: stream, and optionally fuse and by."""
    if not row.get("fuse"):
        return (row["stream"],), ""
    return (row["stream"], *row["fuse"]), row.get("by") or "average"


def _of_scores(item: Scores) -> Result:
    part = item.parts["test"]
    selection = item.parts.get("validation")
    return Result(
        accuracies(part.videos, part.labels)["top1"],
        len(part.ids),
        item.run["protocol"],
        item.run["n_missing"],
        topk(part.videos, part.labels, 1),
        part.ids,
        part.groups,
        item.spec is None or item.spec.stream.training.epochs > 0,
        accuracies(selection.videos, selection.labels)["top1"] if selection else None,
    )


def _experiment(run: Mapping[str, Any]) -> Experiment:
    return run["title"], run["split"], run["clip_length"]


def describe(experiment: Experiment, streams: Sequence[str], kind: str, *seeds: int) -> str:
    """A result in words, for messages."""
    title, split, length = experiment
    what = " + ".join(streams) + (f" ({kind} fusion)" if kind else "")
    which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return f"{what} on {title}, split {split}, {length}f, {which}"
