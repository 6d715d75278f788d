"""What UCF-101 and HMDB-51 would cost, from the rates of this machine; nothing is run in full.

    python benchmarks/projection.py VIDEO or FOLDER ... [--recipe experiments/paper-mars.yaml]
        [--limit 6] [--tflops 10] [--repeats 3]

Prints Markdown; docs/performance.md keeps a run. The experiment is experiments/paper.yaml, or
another recipe, with all its epochs, and the videos are some of one of these data sets; rates.py
says what is measured. All rates are core-seconds, and 16 cores are taken to do in a second what one
does in 16: what is projected is a lower bound.

The networks' operations are counted, and a GPU does as many per second as the newest check in
docs/gpu measured (`make gpu-check`) in the recipe's precision, and as many pairs of TV-L1. Without
a check, a GPU is taken to do `--tflops` 10^12 operations per second, which is an assumption, and
cores compute the flow. Clips for it are prepared on 16 cores, at the measured rate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from machine import machine, video_files
from rates import ROOT, Rates, measure
from snakemake.utils import update_config

from dsnet.experiment import Experiment, load

CORES = 16


@dataclass(frozen=True)
class GpuRates:
    """What a GPU does: its name, operations and pairs of TV-L1 per second."""

    name: str
    operations: float
    pairs: float | None


ASSUMED = GpuRates("a GPU (an assumption)", 10e12, None)


def gpu_rates(folder: Path, cfg: Experiment) -> GpuRates:
    """The rates of the newest check with them: the fastest DS step in the precision, and job."""
    checks = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    for found in sorted(checks, key=date, reverse=True):
        steps = [
            step["operations_per_s"]
            for name, step in found.get("steps", {}).items()
            if name.partition(",")[0] == cfg.training.precision
            and "no teacher" not in name
            and "operations_per_s" in step
        ]
        jobs = [
            job["pairs_per_s"]
            for name, job in found.get("jpeg", {}).items()
            if " on cuda" in name and "pairs_per_s" in job
        ]
        if steps:
            return GpuRates(about(found)["gpu"], max(steps), max(jobs, default=None))
    return ASSUMED


def about(found: dict[str, Any]) -> dict[str, Any]:
    """What a check says of its machine."""
    return found.get("about", {}).get("machine", {})


def date(found: dict[str, Any]) -> str:
    """The date of a check, with which the words about its machine begin."""
    return about(found).get("machine", "")


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
class Work:
    """A line of the table, in seconds.

    Attributes:
        what: its name.
        seconds: of one core.
        floor: of one core that does only what cannot be spared.
        gpu: of one GPU; ``None`` where none is used.
        clips: of one core that prepares the clips for it.
    """

    what: str
    seconds: float
    floor: float
    gpu: float | None = None
    clips: float = 0

    def columns(self) -> np.ndarray:
        """Seconds of one core, their floor, of 16 cores, and of one and four GPUs beside them."""
        alone = self.seconds / CORES
        beside = [alone] * 2
        if self.gpu is not None:  # what is slower counts, computing or preparing clips
            beside = [max(self.gpu / n, self.clips / CORES) for n in (1, 4)]
        return np.array([self.seconds, self.floor, alone, *beside])


def experiment(recipe: Sequence[Path]) -> Experiment:
    """The configuration of the paper's experiment, by the overlays of a recipe."""
    merged: dict[str, Any] = {}
    for path in (ROOT / "config.yaml", *recipe):
        update_config(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    return load(merged)


def works(counts: Size, cfg: Experiment, rates: Rates, gpu: GpuRates) -> Iterator[Work]:
    """All that the experiment does with a data set."""
    for stage, rate in rates.stages.items():
        on_gpu = counts.frames / gpu.pairs if stage == "flow" and gpu.pairs else None
        yield Work(stage, rate.seconds * counts.frames, rate.floor * counts.frames, on_gpu)
    for length in cfg.clip_lengths:
        streams = [of_stream(name, length, counts, cfg, rates, gpu) for name in cfg.streams]
        for what in ("train", "select", "evaluate"):
            seconds = sum(found[what] for found in streams)
            yield Work(f"{what}, {length}f, {len(streams)} streams", *seconds)


def of_stream(
    name: str, length: int, counts: Size, cfg: Experiment, rates: Rates, gpu: GpuRates
) -> dict[str, np.ndarray]:
    """The numbers of :class:`Work` for one stream: training, selecting the epoch, evaluating."""
    stream, per_video = cfg.streams[name], counts.clips(length)
    training, own = stream.training, (stream.input,)
    step, score = rates.networks[length, name]
    load = rates.loaders[length, own, False]
    paired = rates.loaders[length, ("rgb", "flow") if stream.teacher else own, True]
    selected = min(training.selection_clips or per_video, per_video)
    parts = {
        "train": (training.epochs * counts.train, step, paired),
        "select": (training.epochs * counts.test * selected, score, load),
        "evaluate": (counts.videos * per_video, score, load),
    }
    return {
        what: number
        * np.array([rate.seconds + each, rate.floor, rate.operations / gpu.operations, each])
        for what, (number, rate, each) in parts.items()
    }


def hours(seconds: float) -> str:
    """Hours with two digits that count."""
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def row(what: str, columns: np.ndarray) -> str:
    """A line of the table; the floor becomes the part of the time that is above it."""
    seconds, floor, *others = columns
    cells = [hours(seconds), f"{max(1 - floor / seconds, 0):.0%}", *map(hours, others)]
    return f"| {what} | {' | '.join(cells)} |"


def project(name: str, counts: Size, cfg: Experiment, rates: Rates, gpu: GpuRates) -> None:
    """Print the table of one data set."""
    files = rates.sizes.items()
    made = ", ".join(f"{what} {size * counts.frames / 1e9:.0f} GB" for what, size in files)
    print(f"### {name}: {made}\n")
    print("| stage | core-hours | above the floor | hours, 16 cores | 1 GPU | 4 GPUs |")
    print("|---|---|---|---|---|---|")
    total = np.zeros(5)
    for work in works(counts, cfg, rates, gpu):
        columns = work.columns()
        total += columns
        print(row(work.what, columns))
    print(f"{row('**all**', total)}\n")


def main() -> None:
    """Measure the rates and print what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument(
        "--recipe",
        nargs="+",
        type=Path,
        default=[ROOT / "experiments/paper.yaml"],
        help="overlays, in their order",
    )
    parser.add_argument("--limit", type=int, default=6, help="videos")
    parser.add_argument("--tflops", type=float, help="assumed of a GPU, in place of a check")
    parser.add_argument("--repeats", type=int, default=3, help="steps of every network")
    options = parser.parse_args()
    files, cfg = video_files(options.videos, options.limit), experiment(options.recipe)
    gpu = gpu_rates(ROOT / "docs/gpu", cfg)
    if options.tflops:
        gpu = replace(ASSUMED, operations=options.tflops * 1e12)
    started = time.monotonic()
    rates = measure(files, cfg, options.repeats)
    print(f"\n{machine('torch')}; {len(files)} videos, {time.monotonic() - started:.0f} s")
    print(f"{gpu.name}: {gpu.operations / 1e12:.1f} TFLOP/s, {gpu.pairs or 'no'} pairs of flow/s\n")
    for name, counts in SIZES.items():
        project(name, counts, cfg, rates, gpu)


if __name__ == "__main__":
    main()
