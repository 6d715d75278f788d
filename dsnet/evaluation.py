"""Scoring of the clips of a split with a trained stream."""

from __future__ import annotations

import logging
import os

import numpy as np
import torch

from dsnet import clips, models
from dsnet.arithmetic import set_up
from dsnet.devices import choose_device
from dsnet.disk import PathLike
from dsnet.distributed import joined
from dsnet.inference import to_device
from dsnet.scores import Part, ScoreError, Scores, metrics, write_scores
from dsnet.scoring import score_parts

log = logging.getLogger(__name__)


def evaluate(
    model: PathLike,
    clips_path: PathLike,
    output: PathLike,
    device: str = "auto",
    workers: int = 0,
    threads: int = 1,
) -> Scores:
    """Score all clips of the train, validation and test videos with the selected weights.

    Each of several processes started by torchrun scores its share of the clips.

    Args:
        model: ``model.pt``; its spec has data set, split and transforms.
        clips_path: ``clips.h5``.
        output: ``scores.h5`` to write.
        device, workers, threads: see :func:`dsnet.training.train`.

    Raises:
        ScoreError: the network's output has NaN or infinity.
        CheckpointError: ``model`` is not the file of a trained stream.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    with joined() as processes:
        chosen = choose_device(device, processes)
        network, content = models.load_trained(model)
        reader = clips.open_clips(clips_path)
        models.check_flow(content, reader.spec, model)
        to_device(network, chosen)
        spec = content["spec"]
        set_up(spec.stream.training, chosen)
        parts = score_parts(network, spec, reader, chosen, workers, processes)
        run = {**spec.run.values(), **{key: reader.extra[key] for key in ("n_missing", "n_listed")}}
        scores = Scores(run, tuple(content["classes"]), parts, spec)
        for name, part in parts.items():
            _check_finite(part, name, model)
            _tell(f"{run['stream']} {name} on {chosen}", part)
        if processes.first:
            write_scores(output, scores)
    return scores


def _check_finite(part: Part, name: str, model: PathLike) -> None:
    if not np.isfinite(part.clips).all():
        raise ScoreError(
            f"{os.fspath(model)}: the network puts out NaN or infinity for {name} clips; its "
            f"batch-norm statistics or weights overflowed, train it again with a lower lr"
        )


def _tell(about: str, part: Part) -> None:
    found = metrics(part)
    # Of five classes or fewer, the right one is always among five.
    tops = (1, 5) if part.clips.shape[1] > 5 else (1,)
    shown = [f"{of} top-{k} {found[f'{of}_top{k}']:.2f}" for of in ("video", "clip") for k in tops]
    log.info("%s: %s (%d videos)", about, ", ".join(shown), found["n_videos"])
