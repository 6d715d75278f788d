"""What the stages of the paper's experiment cost on this machine, for each unit of work.

For projection.py. The stages frames, flow and pack are run on some videos, and the loader on what
they make of them, on one core, and their floors on the same data; the steps of every stream and its
forward pass, with the networks of the experiment, on all cores.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from dsnet import clips, flow, images, losses, models, shards, video
from dsnet.datasets.manifest import make_manifest, write_manifest
from dsnet.experiment import Experiment
from dsnet.experiment.networks import Model, Stream
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.inference import to_device
from dsnet.losses.distillation import Distillation
from dsnet.store import Reader
from dsnet.training.steps import Classification, Step

ROOT = Path(__file__).parents[1]
BATCH = {16: 4, 64: 1}  # clips per step that is timed


@dataclass(frozen=True)
class Rate:
    """Core-seconds of one unit of work, of them the floor, and operations on a GPU."""

    seconds: float
    floor: float
    operations: float = 0


@dataclass(frozen=True)
class Rates:
    """All that is measured.

    Attributes:
        stages: of frames, flow and pack, per frame.
        sizes: bytes per frame of the files that they make.
        loaders: core-seconds of preparing a clip, by its length, its modalities, and whether it is
            one for training.
        networks: of a training step and of scoring, per clip, by its length and the stream's name.
    """

    stages: dict[str, Rate]
    sizes: dict[str, float]
    loaders: dict[tuple[int, tuple[str, ...], bool], float]
    networks: dict[tuple[int, str], tuple[Rate, Rate]]


def measure(files: list[Path], cfg: Experiment, repeats: int) -> Rates:
    """Measure everything, on these videos and with so many steps of every network."""
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as name:
        stages, reader, sizes = data_rates(files, cfg, Path(name))
        kinds = [(s.input, bool(s.teacher)) for s in cfg.streams.values()]
        loaders = {
            (length, modalities, training): loader_rate(reader, modalities, length, cfg, training)
            for length in cfg.clip_lengths
            for modalities in {("rgb", "flow") if t else (m,) for m, t in kinds} | {("rgb",)}
            for training in (True, False)
        }
    networks = {
        (length, name): network_rates(stream, length, cfg, repeats)
        for length in cfg.clip_lengths
        for name, stream in tqdm(cfg.streams.items(), f"{length}f", disable=None)
    }
    return Rates(stages, sizes, loaders, networks)


def cpu(run: Callable[[], object]) -> float:
    """CPU seconds of a call, with those of processes that it starts and waits for."""

    def used() -> float:
        both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    before = used()
    run()
    return used() - before


# --- from videos to clips --------------------------------------------------------------------


def data_rates(
    files: list[Path], cfg: Experiment, folder: Path
) -> tuple[dict[str, Rate], Reader, dict[str, float]]:
    """Rates per frame of the stages, clips.h5 of the videos, and bytes per frame of all files."""
    torch.set_num_threads(1)
    (folder / "videos/all").mkdir(parents=True)
    for file in files:
        (folder / "videos/all" / file.name).symlink_to(file.absolute())
    entry = {"kind": "folder", "videos": str(folder / "videos"), "shards": 1, "test_share": 0.5}
    schema = ROOT / "workflow/schemas/manifest.schema.yaml"
    csv, rgb, planes, packed = (
        folder / name for name in ("manifest.csv", "rgb.h5", "flow.h5", "clips.h5")
    )
    table = make_manifest(entry, "all", 1, 0, schema, 1)
    write_manifest(table, csv)
    flow.compute(np.zeros((2, 256, 256), np.uint8), semantics="cuda")  # compiles
    spec = flow_spec(cfg)
    stages = {
        "frames": lambda: shards.frames(csv, 0, frames_spec(cfg), rgb),
        "flow": lambda: shards.flow_shard(rgb, spec, planes),
        "pack": lambda: shards.pack(csv, [rgb], [planes], "all", 0, packed, folder / "broken.csv"),
    }
    used = {}
    for name, run in stages.items():
        print(f"{name} of {len(files)} videos", flush=True)
        used[name] = cpu(run)
    reader = clips.open_clips(packed)
    frames = sum(entry.frames("rgb") for entry in reader.videos.values())
    floors = {
        "frames": cpu(lambda: _bare_frames(files, reader, cfg)),
        "flow": cpu(lambda: _bare_flow(reader, cfg)),
        "pack": cpu(lambda: (folder / "copy").write_bytes(packed.read_bytes())),
    }
    rates = {name: Rate(used[name] / frames, floors[name] / frames) for name in stages}
    files_made = {"frames": rgb, "flow": planes, "clips.h5": packed}
    return rates, reader, {name: f.stat().st_size / frames for name, f in files_made.items()}


def _bare_frames(files: list[Path], reader: Reader, cfg: Experiment) -> None:
    """FFmpeg decoding and resizing to nowhere, and libjpeg-turbo compressing as many frames."""
    size = cfg.frames.size
    for file in files:
        filters = f"fps=25,scale={size}:{size}:flags=bilinear,format=rgb24"
        command = [video.ffmpeg_executable(), "-v", "error", "-nostdin", "-threads", "1"]
        command += ["-i", str(file), "-vf", filters, "-filter_threads", "1", "-f", "null", "-"]
        subprocess.run(command, check=True)
    for id, entry in reader.videos.items():
        image = images.decode(reader.item(id, "rgb", 0), False)
        options = [cv2.IMWRITE_JPEG_QUALITY, cfg.frames.quality]
        for _ in range(entry.frames("rgb")):
            cv2.imencode(".jpg", image, options)


def _bare_flow(reader: Reader, cfg: Experiment) -> None:
    """TV-L1 alone, of frames that are decoded already: as many pairs, a single one repeated."""
    for id, entry in reader.videos.items():
        middle = entry.frames("rgb") // 2
        pair = [images.decode(reader.item(id, "rgb", middle + i), True) for i in (0, 1)]
        alternating = np.stack([pair[i % 2] for i in range(entry.frames("rgb"))])
        flow.compute(alternating, semantics=cfg.flow.semantics, **cfg.flow.tvl1.values())


# --- clips and networks ----------------------------------------------------------------------


def loader_rate(
    reader: Reader, modalities: tuple[str, ...], length: int, cfg: Experiment, training: bool
) -> float:
    """Core-seconds per clip of preparing it."""
    ids = [id for id, entry in reader.videos.items() if entry.frames("flow") >= length]
    data = clips.ClipSource(reader, ids, [0] * len(ids), modalities, length, cfg.clips)
    dataset = clips.TrainingClips(data, 0, True) if training else clips.ScoringClips(data)
    keys: list[Any] = list(range(len(dataset)))
    if training:
        keys = [(epoch, index) for epoch in range(3) for index in keys]

    def run() -> None:
        for key in keys:
            for modality, clip in dataset[key][0].items():
                clips.normalise(clip[None], modality, cfg.clips)

    return cpu(run) / len(keys)


def _networks(
    stream: Stream, model: Model
) -> tuple[models.ResNeXt3D, Classification | Distillation]:
    """The network of a stream with drawn weights, and what it is trained for."""
    student = models.build(model.arch(), stream.input, 101)
    task: Classification | Distillation = Classification(stream.input)
    if stream.teacher:
        task = losses.build(models.build(model.arch(), "flow", 101), stream.losses.terms())
    for module in (student, task):
        to_device(module, torch.device("cpu"))
    trainable = stream.training.trainable
    for name, child in student.named_children():
        child.requires_grad_(trainable is None or name in trainable)
    return student, task


def network_rates(stream: Stream, length: int, cfg: Experiment, repeats: int) -> tuple[Rate, Rate]:
    """Core-seconds per clip of a training step and of scoring, and their operations.

    The floor of a step is the networks' own passes, here the step with cross-entropy as its loss
    and the teacher's forward pass beside it; that of scoring is scoring.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    options = stream.training.model_copy(update={"precision": "float32", "compile": False})
    student, task = _networks(stream, cfg.model)
    batch = {
        name: torch.randn(BATCH[length], channels, length, 112, 112).contiguous(
            memory_format=torch.channels_last_3d
        )
        for name, channels in models.CHANNELS.items()
    }
    labels = torch.arange(BATCH[length])
    plain = Classification(stream.input)
    step, bare = (Step(student, t, options, torch.device("cpu")) for t in (task, plain))

    def full() -> None:
        step.update(step.forward(batch, labels)[1], 1.0)

    def floor() -> None:
        if isinstance(task, Distillation):
            task.teacher(batch["flow"])
        bare.update(bare.forward(batch, labels)[1], 1.0)

    @torch.no_grad()
    def score() -> None:
        student.eval()(batch[stream.input])
        student.train()

    def rate(run: Callable[[], None], least: Callable[[], None]) -> Rate:
        with FlopCounterMode(display=False) as counter:
            least()  # the losses' own operations are not in it
        used = [(cpu(run), cpu(least)) for _ in range(repeats)]
        each = np.median(used, axis=0) / BATCH[length]
        return Rate(each[0], min(each), counter.get_total_flops() / BATCH[length])

    return rate(full, floor), rate(score, score)
