"""Fusion of two streams from their scores alone: by average and by attention."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dsnet.models import AttentionFusion
from dsnet.provenance import record, replacing
from dsnet.scores import Part, accuracies, aligned, per_class, read_scores, topk

log = logging.getLogger(__name__)
PathLike = str | os.PathLike[str]


def fuse(
    a: PathLike, b: PathLike, kind: str, options: Mapping[str, Any], output: PathLike
) -> dict[str, Any]:
    """Fuse the video scores of two streams and write what came out as JSON.

    Args:
        a: ``scores.h5`` of the first stream.
        b: ``scores.h5`` of the second, of the same data set, split, clip length and seed.
        kind: ``average`` or ``attention``.
        options: the config's ``fusion``.
        output: the JSON file.

    Raises:
        ValueError: the streams were evaluated on different videos or in different runs.
    """
    scores = read_scores(a), read_scores(b)
    runs = [{k: v for k, v in s.run.items() if k != "stream"} for s in scores]
    if runs[0] != runs[1]:
        raise ValueError(f"{a} and {b} are of different runs: {runs[0]} and {runs[1]}")
    test = aligned(scores, "test")
    if kind == "average":
        fused, weights = average(*test), None
    else:
        fused, weights = attention(aligned(scores, "train"), test, options, runs[0]["seed"])
    labels = test[0].labels
    run = {**runs[0], "streams": [s.run["stream"] for s in scores], "kind": kind}
    result = {
        "run": run,
        "n_videos": len(labels),
        **accuracies(fused, labels),
        "per_class": per_class(fused, labels),
        "right": topk(fused, labels, 1).tolist(),
        "weights": None if weights is None else summary(weights, labels, fused.shape[1]),
        "spec": {**options, "kind": kind},
        "provenance": record(),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    log.info("%s of %s: top-1 %.2f", kind, run["streams"], result["top1"])
    return result


def average(a: Part, b: Part) -> np.ndarray:
    """The mean of two streams' video scores, (V, K) float32."""
    return (a.videos + b.videos) / 2


def attention(
    train: list[Part], test: list[Part], options: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train :class:`AttentionFusion` on the train scores, by cross-entropy; apply it to the test's.

    The streams are frozen: only their scores are seen. Returns the fused video scores, (V, K)
    float32, and the weights of the two streams, (V, 2) float32.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    inputs = [torch.from_numpy(part.videos) for part in train]
    labels = torch.from_numpy(train[0].labels)
    module = AttentionFusion(inputs[0].shape[1], options["hidden"])
    optimizer = torch.optim.Adam(
        module.parameters(), lr=options["lr"], weight_decay=options["weight_decay"]
    )
    for _ in range(options["epochs"]):
        for chosen in torch.randperm(len(labels)).split(options["batch_size"]):
            loss = F.cross_entropy(module(inputs[0][chosen], inputs[1][chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    a, b = (torch.from_numpy(part.videos) for part in test)
    with torch.no_grad():
        return module(a, b).numpy(), module.weights(a, b).numpy()


def summary(weights: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Mean weights of the two streams, over all videos and over those of each class."""
    return {
        "mean": weights.mean(axis=0).tolist(),
        "per_class": [
            weights[labels == label].mean(axis=0).tolist() if (labels == label).any() else None
            for label in range(classes)
        ],
    }
