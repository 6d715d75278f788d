"""Fusion of streams from their scores alone: by average and by attention."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from dsnet.provenance import record, replacing
from dsnet.scores import ScoreError, accuracies, aligned, per_class, read_scores, topk

log = logging.getLogger(__name__)
PathLike = str | os.PathLike[str]


def fuse(
    paths: Sequence[PathLike], kind: str, options: Mapping[str, Any], output: PathLike
) -> dict[str, Any]:
    """Fuse the video scores of two or more streams and write what came out as JSON.

    Args:
        paths: ``scores.h5`` of each stream, of the same data set, split, clip length and seed.
        kind: ``average`` or ``attention``.
        options: the config's ``fusion``; an average needs none.
        output: the JSON file.

    Raises:
        ScoreError: the streams were evaluated on different videos or in different runs.
        RemakeError: one of ``paths`` is damaged.
    """
    scores = [read_scores(path) for path in paths]
    runs = [{k: v for k, v in s.run.items() if k != "stream"} for s in scores]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        if run != runs[0]:
            raise ScoreError(f"{paths[0]} and {path} are of different runs: {runs[0]} and {run}")
    test = aligned(scores, "test")
    weights, fitted_on = None, None
    # Each is imported where it is used: averaging does without PyTorch.
    if kind == "average":
        from dsnet.fusion.average import average

        fused = average(test)
    else:
        from dsnet.fusion.attention import FITTED, attention, summary

        known = aligned(scores, FITTED[options["fit"]])
        fused, each = attention(known, test, options, runs[0]["seed"])
        weights = summary(each, test[0].labels, fused.shape[1])
        fitted_on = {"part": options["fit"], "n_videos": len(known[0].labels)}
        log.info("attention fitted on the scores of %(n_videos)d %(part)s videos", fitted_on)
    labels = test[0].labels
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
        "provenance": record(),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    log.info("%s of %s: top-1 %.2f", kind, run["streams"], result["top1"])
    return result
