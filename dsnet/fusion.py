"""Fusion of streams from their scores alone: by average and by attention."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dsnet.provenance import record, replacing
from dsnet.scores import Part, ScoreError, accuracies, aligned, per_class, read_scores, topk

log = logging.getLogger(__name__)
PathLike = str | os.PathLike[str]
# The part of scores.h5 that the attention is fitted on, by the config's fusion.fit.
FITTED = {"train": "train", "held-out": "validation"}


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
    if kind == "average":
        fused, weights, fitted_on = average(test), None, None
    else:
        known = aligned(scores, FITTED[options["fit"]])
        fused, weights = attention(known, test, options, runs[0]["seed"])
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
        "weights": None if weights is None else summary(weights, labels, fused.shape[1]),
        "spec": {**options, "kind": kind},
        "provenance": record(),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    log.info("%s of %s: top-1 %.2f", kind, run["streams"], result["top1"])
    return result


def average(parts: Sequence[Part]) -> np.ndarray:
    """The mean of the streams' video scores, (V, K) float32.

    Summed in float64, where the order of the streams leaves no trace and equal scores stay equal.
    """
    videos = np.stack([part.videos for part in parts])
    return videos.mean(axis=0, dtype=np.float64).astype(np.float32)


def attention(
    known: Sequence[Part], test: Sequence[Part], options: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit :class:`AttentionFusion` to ``known`` scores, by cross-entropy; apply it to the test's.

    The streams are frozen: only their scores are seen. Streams know their training videos by heart,
    so that scores of held-out videos say more of what a stream is worth in the test. Cross-fitting,
    which gives all training videos such scores, would train every stream once more for each fold.

    Returns the fused video scores, (V, K) float32, and the weights of the S streams, (V, S)
    float32.
    """
    # Importing PyTorch takes longer than averaging, which does without.
    import torch
    from torch.nn import functional as F

    from dsnet.models import AttentionFusion

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    inputs = [torch.from_numpy(part.videos) for part in known]
    labels = torch.from_numpy(known[0].labels)
    module = AttentionFusion(inputs[0].shape[1], options["hidden"], len(inputs))
    optimizer = torch.optim.Adam(
        module.parameters(), lr=options["lr"], weight_decay=options["weight_decay"]
    )
    for _ in range(options["epochs"]):
        for chosen in torch.randperm(len(labels)).split(options["batch_size"]):
            loss = F.cross_entropy(module(*(scores[chosen] for scores in inputs)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    shown = [torch.from_numpy(part.videos) for part in test]
    with torch.no_grad():
        return module(*shown).numpy(), module.weights(*shown).numpy()


def summary(weights: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Mean weights of the streams, over all videos and over those of each class."""
    return {
        "mean": weights.mean(axis=0).tolist(),
        "per_class": [
            weights[labels == label].mean(axis=0).tolist() if (labels == label).any() else None
            for label in range(classes)
        ],
    }
