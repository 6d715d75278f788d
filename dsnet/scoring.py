"""Scores of all videos of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from dsnet.clips.loading import scoring_loader
from dsnet.clips.videos import ClipSource, ScoringClips, parts, table
from dsnet.inference import clip_logits
from dsnet.models.backbone import Backbone
from dsnet.processes import Processes
from dsnet.scores.values import Part

if TYPE_CHECKING:
    from dsnet.experiment.specs import TrainSpec
    from dsnet.store import Reader


def score_parts(
    network: Backbone,
    spec: TrainSpec,
    reader: Reader,
    device: torch.device,
    workers: int,
    processes: Processes,
) -> dict[str, Part]:
    """Score all clips of the ``train``, ``validation`` and ``test`` videos of ``clips.h5``.

    ``network`` has the spec ``spec`` and is on ``device``. Each process scores its share of the
    clips; ``workers`` processes prepare them. Raises DamagedError, and what
    :func:`dsnet.splits.parts` raises.
    """
    split = parts(reader, spec)
    group_of = table(reader).set_index("id")["group"]
    scored: dict[str, Part] = {}
    for name, ids in split.items():
        if name == "test" and ids == split["validation"]:  # protocol paper
            scored[name] = scored["validation"]
            continue
        videos = ClipSource.of_spec(reader, ids, (spec.stream.input,), spec)
        if processes.first:
            videos.verify()
        batch_size = spec.stream.training.batch_size
        batches = scoring_loader(ScoringClips(videos), batch_size, workers, processes)
        logits, owners = clip_logits(
            network, batches, device, processes, spec.stream.training.precision
        )
        counts = np.bincount(owners, minlength=len(ids))
        labels, groups = np.array(videos.labels, np.int64), tuple(group_of[list(ids)])
        scored[name] = Part(tuple(ids), labels, logits, counts, groups)
    return scored
