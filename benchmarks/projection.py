"""What UCF-101 and HMDB-51 would cost, from the rates of this machine; nothing is run in full.

    python benchmarks/projection.py VIDEO or FOLDER ... [--limit 6] [--tflops 10] [--repeats 3]

Prints Markdown; docs/performance.md keeps a run. The experiment is experiments/paper.yaml, with all
its epochs. The stages frames, flow and pack are run on the given videos of one of these data sets,
on one core, and their floors on the same data; the steps of every stream, its forward pass and the
loader with the networks of the experiment, on all cores. All rates are core-seconds, and 16 cores
are taken to do in a second what one does in 16: what is projected is a lower bound.

No GPU is measured: the networks' operations are counted, and a GPU is taken to do `--tflops`
10^12 of them per second (an assumption; `python benchmarks/step.py --device cuda` measures one).
The clips for it are prepared on 16 cores, at the measured rate.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from machine import machine
from snakemake.utils import update_config
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from dsnet import clips, config, datasets, flow, images, models, shards, video
from dsnet.inference import to_device
from dsnet.losses import Distillation
from dsnet.store import Reader
from dsnet.training.steps import Classification, Step

ROOT = Path(__file__).parents[1]
CORES = 16
BATCH = {16: 4, 64: 1}  # clips per step that is timed


@dataclass(frozen=True)
class Size:
    """A data set in numbers: videos, frames at 25 per second, videos to train on and to test on."""

    videos: int
    frames: int
    train: int
    test: int

    def clips(self, length: int) -> float:
        """Non-overlapping clips of a video of the mean length."""
        return max(self.frames / self.videos / length - 0.5, 1)


# UCF-101: 7.21 s per video (its technical report). HMDB-51: 632,635 frames at 30 per second.
SIZES = {
    "UCF-101": Size(13_320, 2_400_000, 9_537, 3_783),
    "HMDB-51": Size(6_766, 527_000, 3_570, 1_530),
}


@dataclass(frozen=True)
class Rate:
    """Core-seconds of one unit of work, of them the floor, and operations on a GPU."""

    seconds: float
    floor: float
    operations: float = 0


def cpu(run: Callable[[], object]) -> float:
    """CPU seconds of a call, with those of processes that it starts and waits for."""

    def used() -> float:
        both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    before = used()
    run()
    return used() - before


def experiment() -> config.Config:
    """The configuration of the paper's experiment."""
    merged: dict[str, Any] = {}
    for name in ("config.yaml", "experiments/paper.yaml"):
        update_config(merged, yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))
    return config.resolve(merged, config.load_schema(ROOT / "workflow/schemas/config.schema.yaml"))


# --- from videos to clips --------------------------------------------------------------------


def data_rates(
    files: list[Path], cfg: config.Config, folder: Path
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
    table = datasets.make_manifest(entry, "all", 1, 0, schema, 1)
    datasets.write_manifest(table, csv)
    flow.compute(np.zeros((2, 256, 256), np.uint8), semantics="cuda")  # compiles
    spec = {**config.flow_spec(cfg), "backend": cfg["flow"]["backend"]}
    stages = {
        "frames": lambda: shards.frames(csv, 0, config.frames_spec(cfg), rgb),
        "flow": lambda: shards.flow(rgb, spec, planes),
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


def _bare_frames(files: list[Path], reader: Reader, cfg: config.Config) -> None:
    """FFmpeg decoding and resizing to nowhere, and libjpeg-turbo compressing as many frames."""
    size = cfg["frames"]["size"]
    for file in files:
        filters = f"fps=25,scale={size}:{size}:flags=bilinear,format=rgb24"
        command = [video.ffmpeg_executable(), "-v", "error", "-nostdin", "-threads", "1"]
        command += ["-i", str(file), "-vf", filters, "-filter_threads", "1", "-f", "null", "-"]
        subprocess.run(command, check=True)
    for id, entry in reader.videos.items():
        image = images.decode(reader.item(id, "rgb", 0), False)
        options = [cv2.IMWRITE_JPEG_QUALITY, cfg["frames"]["quality"]]
        for _ in range(entry.frames("rgb")):
            cv2.imencode(".jpg", image, options)


def _bare_flow(reader: Reader, cfg: config.Config) -> None:
    """TV-L1 alone, of frames that are decoded already: as many pairs, a single one repeated."""
    for id, entry in reader.videos.items():
        middle = entry.frames("rgb") // 2
        pair = [images.decode(reader.item(id, "rgb", middle + i), True) for i in (0, 1)]
        alternating = np.stack([pair[i % 2] for i in range(entry.frames("rgb"))])
        flow.compute(alternating, semantics=cfg["flow"]["semantics"], **cfg["flow"]["tvl1"])


# --- clips and networks ----------------------------------------------------------------------


def loader_rate(
    reader: Reader, modalities: tuple[str, ...], length: int, cfg: config.Config, training: bool
) -> float:
    """Core-seconds per clip of preparing it."""
    ids = [id for id, entry in reader.videos.items() if entry.frames("flow") >= length]
    data = clips.Videos(reader, ids, [0] * len(ids), modalities, length, cfg["clips"])
    dataset = clips.TrainingClips(data, 0, True) if training else clips.TestClips(data)
    keys: list[Any] = list(range(len(dataset)))
    if training:
        keys = [(epoch, index) for epoch in range(3) for index in keys]

    def run() -> None:
        for key in keys:
            for modality, clip in dataset[key][0].items():
                clips.normalise(clip[None], modality, cfg["clips"])

    return cpu(run) / len(keys)


def network_rates(
    stream: config.Config, length: int, cfg: config.Config, repeats: int
) -> tuple[Rate, Rate]:
    """Core-seconds per clip of a training step and of scoring, and their operations.

    The floor of a step is the networks' own passes, here the step with cross-entropy as its loss
    and the teacher's forward pass beside it; that of scoring is scoring.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    options = {**stream["training"], "precision": "float32", "compile": False}
    student = models.build(cfg["model"], stream["input"], 101)
    plain = Classification(stream["input"])
    task: Classification | Distillation = plain
    if stream["teacher"]:
        teacher = models.build(cfg["model"], "flow", 101)
        task = Distillation(teacher, stream["losses"])
    for module in (student, task):
        to_device(module, torch.device("cpu"))
    for name, child in student.named_children():
        child.requires_grad_(options["trainable"] is None or name in options["trainable"])
    batch = {
        name: torch.randn(BATCH[length], channels, length, 112, 112).contiguous(
            memory_format=torch.channels_last_3d
        )
        for name, channels in models.CHANNELS.items()
    }
    labels = torch.arange(BATCH[length])
    step, bare = (Step(student, t, options, torch.device("cpu")) for t in (task, plain))

    def full() -> None:
        step.update(step.forward(batch, labels)[1], 1.0)

    def floor() -> None:
        if isinstance(task, Distillation):
            task.teacher(batch["flow"])
        bare.update(bare.forward(batch, labels)[1], 1.0)

    @torch.no_grad()
    def score() -> None:
        student.eval()(batch[stream["input"]])
        student.train()

    def rate(run: Callable[[], None], least: Callable[[], None]) -> Rate:
        with FlopCounterMode(display=False) as counter:
            least()  # the losses' own operations are not in it
        used = [(cpu(run), cpu(least)) for _ in range(repeats)]
        each = np.median(used, axis=0) / BATCH[length]
        return Rate(each[0], min(each), counter.get_total_flops() / BATCH[length])

    return rate(full, floor), rate(score, score)


# --- the projection --------------------------------------------------------------------------


def hours(seconds: float) -> str:
    """Hours with two digits that count."""
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def share(seconds: float, floor: float) -> str:
    """The part of the time that is above the floor."""
    return f"{max(1 - floor / seconds, 0):.0%}"


def main() -> None:
    """Measure the rates and print what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=6, help="videos")
    parser.add_argument("--tflops", type=float, default=10, help="assumed of a GPU, sustained")
    parser.add_argument("--repeats", type=int, default=3, help="steps of every network")
    options = parser.parse_args()
    files = [f for p in options.videos for f in (sorted(p.rglob("*.avi")) if p.is_dir() else [p])]
    files = files[:: max(1, len(files) // options.limit)][: options.limit]
    cfg = experiment()
    cv2.setNumThreads(0)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        data, reader, sizes = data_rates(files, cfg, Path(name))
        kinds = [(s["input"], bool(s["teacher"])) for s in cfg["streams"].values()]
        loaders = {
            (length, modalities, training): loader_rate(reader, modalities, length, cfg, training)
            for length in cfg["clip_lengths"]
            for modalities in {("rgb", "flow") if t else (m,) for m, t in kinds} | {("rgb",)}
            for training in (True, False)
        }
    networks = {
        (length, name): network_rates(stream, length, cfg, options.repeats)
        for length in cfg["clip_lengths"]
        for name, stream in tqdm(cfg["streams"].items(), f"{length}f", disable=None)
    }
    print(f"\n{machine('torch')}; {len(files)} videos, {time.monotonic() - started:.0f} s\n")
    for name, counts in SIZES.items():
        project(name, counts, cfg, data, sizes, loaders, networks, options.tflops)


def project(
    name: str,
    counts: Size,
    cfg: config.Config,
    data: dict[str, Rate],
    sizes: dict[str, float],
    loaders: dict[Any, float],
    networks: dict[Any, tuple[Rate, Rate]],
    tflops: float,
) -> None:
    """The table of one data set."""
    made = ", ".join(f"{what} {size * counts.frames / 1e9:.0f} GB" for what, size in sizes.items())
    print(f"### {name}: {made}\n")
    print("| stage | core-hours | above the floor | hours, 16 cores | 1 GPU | 4 GPUs |")
    print("|---|---|---|---|---|---|")
    sums = np.zeros(5)

    def row(what: str, seconds: float, floor: float, gpu: float | None, load: float) -> None:
        # On GPUs what is slower counts, computing or preparing clips; without one, the cores.
        alone = seconds / CORES
        ours = [alone] * 2 if gpu is None else [max(gpu / n, load / CORES) for n in (1, 4)]
        sums[:] += [seconds, floor, alone, *ours]
        cells = [hours(seconds), share(seconds, floor), *map(hours, (alone, *ours))]
        print(f"| {what} | {' | '.join(cells)} |")

    for stage, rate in data.items():
        row(stage, rate.seconds * counts.frames, rate.floor * counts.frames, None, 0)
    for length in cfg["clip_lengths"]:
        work: dict[str, list[np.ndarray]] = {"train": [], "select": [], "evaluate": []}
        per_video = counts.clips(length)
        for stream, options in cfg["streams"].items():
            step, score = networks[length, stream]
            epochs, own = options["training"]["epochs"], (options["input"],)
            chosen = min(options["training"]["selection_clips"] or per_video, per_video)
            loaded = ("rgb", "flow") if options["teacher"] else own
            for what, number, rate, load in (
                ("train", epochs * counts.train, step, loaders[length, loaded, True]),
                ("select", epochs * counts.test * chosen, score, loaders[length, own, False]),
                ("evaluate", counts.videos * per_video, score, loaders[length, own, False]),
            ):
                gpu = rate.operations / tflops / 1e12
                work[what].append(number * np.array([rate.seconds + load, rate.floor, gpu, load]))
        for what, streams in work.items():
            row(f"{what}, {length}f, {len(streams)} streams", *sum(streams))
    cells = [hours(sums[0]), share(sums[0], sums[1]), *map(hours, sums[2:])]
    print(f"| **all** | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
