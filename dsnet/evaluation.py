"""Scoring of the clips of a split with a trained stream."""

from __future__ import annotations

import logging
import os

import numpy as np
import torch

from dsnet import clips, models
from dsnet.distributed import Processes, joined
from dsnet.inference import choose_device, clip_logits, to_device
from dsnet.scores import Part, ScoreError, Scores, metrics, write_scores

log = logging.getLogger(__name__)
PathLike = str | os.PathLike[str]


def evaluate(
    model: PathLike,
    clips_path: PathLike,
    output: PathLike,
    device: str = "auto",
    workers: int = 0,
    threads: int = 1,
) -> Scores:
    """Score all clips of the train, validation and test videos with the selected weights.

    Of several processes that torchrun started each scores its share of the clips.

    Args:
        model: ``model.pt``; its spec says data set, split and transforms.
        clips_path: ``clips.h5``.
        output: ``scores.h5`` to write.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: processes that prepare clips, of each process that scores.
        threads: CPU threads of the network's arithmetic, of each process that scores.

    Raises:
        ScoreError: the network puts out NaN or infinity.
        CheckpointError: ``model`` is not the file of a trained stream.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    with joined() as processes:
        scores = _score(model, clips_path, device, workers, processes)
        if processes.first:
            write_scores(output, scores)
    return scores


def _score(
    model: PathLike, clips_path: PathLike, device: str, workers: int, processes: Processes
) -> Scores:
    chosen = choose_device(device, processes)
    network, content = models.load_trained(model)
    to_device(network, chosen)
    spec, run = content["spec"], content["spec"]["run"]
    reader = clips.open_clips(clips_path)
    split = clips.parts(reader, spec)
    group_of = clips.table(reader).set_index("id")["group"]
    parts: dict[str, Part] = {}
    for name, ids in split.items():
        if name == "test" and ids == split["validation"]:  # protocol paper
            parts[name] = parts["validation"]
            continue
        videos = clips.Videos.of_spec(reader, ids, (content["input"],), spec)
        if processes.first:
            videos.verify()
        batch_size = spec["stream"]["training"]["batch_size"]
        batches = clips.scoring_loader(clips.TestClips(videos), batch_size, workers, processes)
        logits, owners = clip_logits(network, batches, chosen, processes)
        if not np.isfinite(logits).all():
            raise ScoreError(
                f"{os.fspath(model)}: the network puts out NaN or infinity for {name} clips; its "
                f"batch-norm statistics or weights overflowed, train it again with a lower lr"
            )
        counts = np.bincount(owners, minlength=len(ids))
        labels, groups = np.array(videos.labels, np.int64), tuple(group_of[list(ids)])
        parts[name] = Part(tuple(ids), labels, logits, counts, groups)
        _tell(f"{run['stream']} {name} on {chosen}", parts[name])
    run = {**run, **{key: reader.extra[key] for key in ("n_missing", "n_listed")}}
    return Scores(run, tuple(content["classes"]), parts, spec)


def _tell(of: str, part: Part) -> None:
    found = metrics(part)
    log.info(
        "%s: video top-1 %.2f, top-5 %.2f, clip top-1 %.2f, top-5 %.2f (%d videos)",
        of,
        found["video_top1"],
        found["video_top5"],
        found["clip_top1"],
        found["clip_top5"],
        found["n_videos"],
    )
