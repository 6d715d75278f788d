"""Fusion of streams from their scores alone; each kind is a class in its own file.

A fusion maps the scores of S streams, each (V, K) float32, to (V, K) float32. If it learns, it has
``fit(scores, labels, seed)``. If it weighs the streams, it may have ``weights(scores)``, (V, S).
"""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dsnet import registry
from dsnet.disk import PathLike
from dsnet.errors import RemakeError
from dsnet.experiment.specs import FusionsSpec
from dsnet.fusion.summary import summary
from dsnet.provenance import file_digest, opened, record, replacing
from dsnet.scores import ScoreError, Scores, accuracies, aligned, per_class, read_scores, topk

log = logging.getLogger(__name__)
Fusion = Callable[[Sequence[np.ndarray]], np.ndarray]
# Folder of finished fusions beside the outputs of their job.
KEPT = ".made"
# Part of the scores that a fusion is fitted on, by the config's fusion.fit.
FITTED = {"train": "train", "held-out": "validation"}


def fuse_all(spec: FusionsSpec, paths: Sequence[PathLike], outputs: Sequence[PathLike]) -> None:
    """Make the fusions of ``spec`` from the ``scores.h5`` of its streams.

    Snakemake removes the outputs before a job. So each is kept in :data:`KEPT` beside them, and is
    taken from there if its scores, settings and code are as they were. The first error is raised
    when the other fusions are made.

    Raises what :func:`fuse` raises, and RemakeError if one of ``paths`` is damaged.
    """
    path_of = dict(zip(spec.streams, paths, strict=True))
    sums = {name: file_digest(path) for name, path in path_of.items()}
    read = functools.cache(lambda name: read_scores(path_of[name]))
    failed: list[Exception] = []
    for each, output in zip(spec.fusions, map(Path, outputs), strict=True):
        kept = output.parent / KEPT / output.name
        kind = spec.kinds[each.kind]
        sources = {"scores": [sums[name] for name in each.streams], "code": kind.code}
        options = kind.spec.values()
        try:
            if not _is_of(kept, sources, {**options, "kind": each.kind}):
                fuse([read(name) for name in each.streams], each.kind, options, kept, sources)
            with replacing(output) as temporary:
                shutil.copyfile(kept, temporary)
        except Exception as error:
            log.error("%s: %s", output, error)
            failed.append(error)
    if failed:
        raise failed[0]


def _is_of(kept: Path, sources: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Return whether a kept fusion is whole, and made of ``sources`` by ``spec``."""
    try:
        found = read(kept)
    except (FileNotFoundError, RemakeError):
        return False
    return (found.get("sources"), found["spec"]) == (sources, spec)


def fuse(
    scores: Sequence[Scores],
    kind: str,
    options: Mapping[str, Any],
    output: PathLike,
    sources: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fuse the video scores of two or more streams and write the result as JSON.

    Args:
        scores: of each stream, of the same data set, split, clip length and seed.
        kind: ``average``, ``attention``, or a name of a user's.
        options: values of its :class:`dsnet.experiment.specs.FusionSpec`.
        output: the JSON file.
        sources: digests of what the fusion is made of.

    Raises:
        ScoreError: the streams were evaluated on different videos or in different runs.
        PluginError: the fusion's class cannot be imported, or its options do not fit.
    """
    runs = [{k: v for k, v in s.run.items() if k != "stream"} for s in scores]
    for other, run in zip(scores[1:], runs[1:], strict=True):
        if run != runs[0]:
            first, second = (s.run["stream"] for s in (scores[0], other))
            raise ScoreError(f"{first} and {second} are of different runs: {runs[0]} and {run}")
    fusion, fitted_on = fitted(scores, kind, options)
    test = aligned(scores, "test")
    videos, labels = [part.videos for part in test], test[0].labels
    fused, weights = fusion(videos), None
    if hasattr(fusion, "weights"):
        weights = summary(fusion.weights(videos), labels, fused.shape[1])
    run = {**runs[0], "streams": [s.run["stream"] for s in scores], "kind": kind}
    result = {
        "run": run,
        "classes": list(scores[0].classes),
        "n_videos": len(labels),
        **accuracies(fused, labels),
        "per_class": per_class(fused, labels),
        "right": topk(fused, labels, 1).tolist(),
        "fitted_on": fitted_on,
        "weights": weights,
        "spec": {**options, "kind": kind},
        "sources": sources,
        "provenance": record(),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    log.info("%s of %s: top-1 %.2f", kind, run["streams"], result["top1"])
    return result


def fitted(
    scores: Sequence[Scores], kind: str, options: Mapping[str, Any]
) -> tuple[Fusion, dict[str, Any] | None]:
    """Make a fusion and fit it, if it learns; return it and which scores it was fitted on.

    Raises ScoreError if the streams were evaluated on different videos, and PluginError if its
    class cannot be made of its options.
    """
    own = {key: value for key, value in options.items() if key not in ("fit", "place", "kind")}
    fusion = registry.make(f"fusion {kind}", "FUSIONS", options.get("place", kind), **own)
    if not hasattr(fusion, "fit"):
        return fusion, None
    known = aligned(scores, FITTED[options["fit"]])
    fusion.fit([part.videos for part in known], known[0].labels, scores[0].run["seed"])
    fitted_on = {"part": options["fit"], "n_videos": len(known[0].labels)}
    log.info("%s fitted on the scores of %d %s videos", kind, len(known[0].labels), options["fit"])
    return fusion, fitted_on


def read(path: PathLike) -> dict[str, Any]:
    """Read a file of :func:`fuse`; RemakeError if it is none, or damaged."""
    with opened(path, "file of a fusion") as content:
        found = json.loads(content)
        run, classes, videos = found["run"], len(found["classes"]), found["n_videos"]
        per_cent = [found["top1"], *(each for each in found["per_class"] if each is not None)]
        right = found.get("right")
        if len(found["per_class"]) != classes or (right is not None and len(right) != videos):
            raise ValueError("expected a number for every class and video")
        if videos and not all(0 <= each <= 100 for each in per_cent):
            raise ValueError("expected accuracies from 0 to 100")
        if {*map(type, right or ())} - {bool} or not run["streams"] or not found["spec"]:
            raise ValueError("expected streams, a spec, and whether each video is right")
    return found


def load(path: PathLike) -> tuple[Fusion, list[Path]]:
    """Load the fusion of a file of :func:`fuse`, and return the folders of its streams.

    It is fitted again to the scores in these folders. Raises FileNotFoundError if the scores of a
    stream are gone, and what :func:`read` and :func:`fitted` raise.
    """
    content = read(path)
    streams, spec = content["run"]["streams"], content["spec"]
    folders = [Path(path).parent.parent / name for name in streams]
    scores = [read_scores(folder / "scores.h5") for folder in folders]
    return fitted(scores, spec["kind"], spec)[0], folders
