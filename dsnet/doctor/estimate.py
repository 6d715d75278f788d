"""Estimates of the disk space of an experiment, in bytes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import torch

from dsnet import fetching, video
from dsnet import models as networks
from dsnet.datasets import DataSetError, catalogue, motions
from dsnet.experiment import Experiment
from dsnet.experiment.data import Entry
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.provenance import canonical
from dsnet.spacing import evenly
from dsnet.store import Reader, StoreError

# Bytes per frame of real videos at 256x256 and quality 95 (docs/scale.md). The header of an image,
# with tables for three colour components or one, does not shrink with the frame.
PIXELS = 256 * 256
RGB, FLOW = 24_000, 7_600
RGB_HEADER, FLOW_HEADER = 600, 2 * 310
SAMPLED = 12  # videos; their lengths give an estimate for all
# Hours of the official data sets (docs/performance.md), if their videos are not there.
HOURS = {"ucf101": 27.0, "hmdb51": 6.1}
ASPECT = 4 / 3  # of unknown videos
COPIES = 2  # weights in a model.pt: of the best epoch and of the last
AT_WORK = 6  # copies in a training's two checkpoints: weights, momentum and the best, twice


def data_set(experiment: Experiment, name: str) -> float | None:
    """Estimate frames, flow and clips of a data set; ``None`` if its videos are not there.

    All three exist while clips.h5 is packed, for any ``keep``. Afterwards, frames and flow count
    only if deleted ones would be made again.
    """
    found = _seconds(experiment.catalogue[name], experiment.frames.fps)
    if found is None:
        return None
    seconds, aspect = found
    frames = experiment.frames
    area = frames.size**2 * (aspect if frames.resize == "short_side" else 1.0) / PIXELS
    rgb = RGB_HEADER + (RGB - RGB_HEADER) * area
    flow = FLOW_HEADER + (FLOW - FLOW_HEADER) * area
    if frames.quality == "raw":
        rgb = 3 * PIXELS * area
    if experiment.flow.quality == "raw":
        flow = 2 * PIXELS * area
    copies = 1 if clips_suffice(experiment, name) else 2  # in clips.h5, and in shards
    return copies * seconds * frames.fps * (rgb + flow)


def clips_suffice(experiment: Experiment, name: str) -> bool:
    """Return whether clips.h5 is as configured, and no shard would be made again beside it."""
    spec = {"rgb": frames_spec(experiment).values(), "flow": flow_spec(experiment).values()}
    try:
        made = Reader(Path(experiment.folder) / name / "clips.h5").spec
    except (StoreError, OSError):
        return False
    missed = experiment.keep == "all" and experiment.folder == experiment.results
    return not missed and canonical(made) == canonical(spec)


def _seconds(entry: Entry, fps: float) -> tuple[float, float] | None:
    """Return the seconds of all videos, and the mean ratio of longer to shorter side."""
    kind = entry.kind
    if kind == "motions":
        videos = len(motions.CLASSES) * (entry.train_per_class + entry.test_per_class)
        return videos * entry.length / fps, 1.0
    try:
        listed = list(catalogue.listing(entry.values())["path"])
    except (DataSetError, OSError):
        listed = []
    present = [path for path in listed if os.path.exists(path)]
    some, rate = evenly(len(present), SAMPLED), entry.images_fps
    known = [info for i in some if (info := _probe(present[i], rate))]
    if known:
        each = float(np.mean([info.frames / info.fps for info in known]))
        sides = [(info.width, info.height) for info in known]
        aspect = float(np.mean([max(pair) / min(pair) for pair in sides]))
        return each * len(present), aspect
    return (3600 * HOURS[kind], ASPECT) if kind in HOURS else None


def _probe(path: str, rate: float | None) -> video.VideoInfo | None:
    try:
        return video.probe(path, rate=rate)
    except (video.VideoError, video.FfmpegError):
        return None


def models(experiment: Experiment) -> int:
    """Estimate the models of all streams and runs, and the checkpoints of one training."""
    keys = ("datasets", "splits", "clip_lengths", "seeds")
    runs = math.prod(len(getattr(experiment, key)) for key in keys)
    with torch.device("meta"):
        network = networks.build(experiment.model.arch(), "rgb", 101)
    weights = sum(tensor.numel() * tensor.itemsize for tensor in network.state_dict().values())
    return weights * (COPIES * runs * len(experiment.streams) + AT_WORK)


def fetched(experiment: Experiment) -> int:
    """Bound what the workflow has yet to fetch: the archives and their content."""
    entries = [experiment.catalogue[name] for name in experiment.datasets]
    return sum(
        part.room
        for entry in entries
        if entry.fetch
        for part in fetching.source_of(entry.kind).parts
        if not os.path.isdir(getattr(entry, part.key))
    )


def made(experiment: Experiment) -> int:
    """Sum the existing part of the estimate, in the folders of the data sets."""
    total = 0
    for name in experiment.datasets:
        shards = () if clips_suffice(experiment, name) else ("frames/*.h5", "flow/*.h5")
        patterns = {"data": (*shards, "clips.h5"), "results": ("split*/*/*/*/*.pt",)}
        folders = {key: Path(getattr(experiment, key)) / name for key in patterns}
        paths = [p for key, globs in patterns.items() for g in globs for p in folders[key].glob(g)]
        total += sum(path.stat().st_size for path in paths)
    return total
