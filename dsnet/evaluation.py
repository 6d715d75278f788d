"""Scoring of the clips of a split with a trained stream."""

from __future__ import annotations

import logging
import os

import numpy as np
import torch

from dsnet import clips, models, splits
from dsnet.errors import UserError
from dsnet.inference import choose_device, clip_logits, to_device
from dsnet.scores import Part, Scores, metrics, write_scores

log = logging.getLogger(__name__)


class ScoreError(UserError):
    """Scores that mean nothing."""


def evaluate(
    model: str | os.PathLike[str],
    clips_path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    device: str = "auto",
    workers: int = 0,
    threads: int = 1,
) -> Scores:
    """Score all clips of the train, validation and test videos with the selected weights.

    Args:
        model: ``model.pt``; its spec says data set, split and transforms.
        clips_path: ``clips.h5``.
        output: ``scores.h5`` to write.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: processes that prepare clips.
        threads: CPU threads of the network's arithmetic.

    Raises:
        ScoreError: the network puts out NaN or infinity.
        CheckpointError: ``model`` is not a model file.
        StoreError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    network, content = models.load_model(model)
    to_device(network, chosen)
    spec, run = content["spec"], content["spec"]["run"]
    reader = clips.open_clips(clips_path)
    table = clips.table(reader)
    labels = dict(zip(table["id"], table["label"], strict=True))
    chosen_parts = splits.parts(table, run["split"], run["protocol"], spec["validation_share"])
    parts: dict[str, Part] = {}
    for name, ids in chosen_parts.items():
        if name == "test" and ids == chosen_parts["validation"]:  # protocol paper
            parts[name] = parts["validation"]
            continue
        own = [labels[id] for id in ids]
        videos = clips.Videos(
            reader, ids, own, (content["input"],), run["clip_length"], spec["clips"]
        )
        batch_size = spec["stream"]["training"]["batch_size"]
        batches = clips.loader(clips.TestClips(videos), batch_size, workers)
        logits, owners = clip_logits(network, batches, chosen)
        if not np.isfinite(logits).all():
            raise ScoreError(
                f"{os.fspath(model)}: the network puts out NaN or infinity for {name} clips; its "
                f"batch-norm statistics or weights overflowed, train it again with a lower lr"
            )
        counts = np.bincount(owners, minlength=len(ids))
        parts[name] = Part(tuple(ids), np.array(own, np.int64), logits, counts)
        found = metrics(parts[name])
        log.info(
            "%s %s on %s: video top-1 %.2f, top-5 %.2f, clip top-1 %.2f, top-5 %.2f (%d videos)",
            run["stream"],
            name,
            chosen,
            found["video_top1"],
            found["video_top5"],
            found["clip_top1"],
            found["clip_top5"],
            found["n_videos"],
        )
    run = {**run, **{key: reader.extra[key] for key in ("n_missing", "n_listed")}}
    scores = Scores(run, tuple(content["classes"]), parts, spec)
    write_scores(output, scores)
    return scores
