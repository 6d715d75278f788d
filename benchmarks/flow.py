"""Backends of TV-L1, and other flow: time, agreement with OpenCV's, error on known flow; a job.

    python benchmarks/flow.py [VIDEO ...] [--size 256] [--pairs 3] [--limit 8] [--repeats 1]

VIDEO is a file or a folder. Without, it renders some of the built-in data set. Prints Markdown;
docs/performance.md keeps a run. The peers: OpenCV's own code, and scikit-image's TV-L1 (a simpler
algorithm) where it is installed (`pip install .[bench]`). RAFT takes part if its weights are there.
All run in turn on the same frames, each on one thread.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from machine import machine, sample_videos
from tqdm import tqdm

from dsnet import flow, images
from dsnet.errors import UserError
from dsnet.experiment.specs import FlowSpec
from dsnet.flow import numba
from dsnet.flow.params import TVL1
from dsnet.shards import encoded_planes

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/flow"))
from scenes import MOTIONS, end_point_error, known  # the scenes that the tests judge by

# Algorithms beside TV-L1, and OpenCV's preset `fast` of DIS.
FAST = {"finest_scale": 2, "patch_stride": 4, "gradient_descent_iterations": 16}
OTHERS: dict[str, dict[str, Any]] = {
    "dis": {},
    "dis fast": {"dis": FAST},
    "farneback": {},
    "raft small": {"raft": {"model": "raft_small"}},
    "raft large": {"raft": {"model": "raft_large"}},
}
BOUND = 20  # pixels that 255 stands for, as in the pipeline
UCF101_PAIRS = 27 * 3600 * 25 - 13_320  # 27 hours at 25 fps, a pair less than frames per video


@dataclass
class Row:
    """A backend and what was measured of it."""

    name: str
    compute: Callable[[np.ndarray], np.ndarray]
    follows: str | None  # the semantics whose iterations it counts
    on_cpu: bool = True
    seconds: list[float] = field(default_factory=list)  # per pair
    ratio: list[float] = field(default_factory=list)  # OpenCV's time by its time
    equal: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    per_sweep: list[float] = field(default_factory=list)  # seconds per pixel and iteration


def backends() -> list[Row]:
    """OpenCV's CPU code first, then all that can run here."""

    def row(backend: str, semantics: str) -> Row:
        return Row(
            flow.describe(backend, semantics),
            lambda gray: flow.compute(gray, backend, semantics=semantics),
            semantics,
            " on cpu" in flow.describe(backend, semantics),
        )

    rows = [row("opencv", "cpu")]
    for backend in ("numba", "torch"):
        rows += [row(backend, semantics) for semantics in ("cpu", "cuda")]
    for backend in ("cuda", "opencv-cuda"):
        try:
            flow.resolve(backend)
            rows.append(row(backend, "cuda"))
        except flow.BackendError as error:
            print(error, file=sys.stderr)
    for algorithm, options in OTHERS.items():
        try:
            spec = FlowSpec.model_validate({"algorithm": algorithm.split()[0], **options})
            method = flow.of_spec(spec)
            name = f"{algorithm} on {method.where.rpartition(' on ')[2]}"
            rows.append(Row(name, method, None, " on cpu" in method.where))
        except UserError as error:
            print(error, file=sys.stderr)
    if find_spec("skimage") is not None:
        rows.append(Row("scikit-image", _skimage, None))
    return rows


def _skimage(gray: np.ndarray) -> np.ndarray:
    from skimage.registration import optical_flow_tvl1

    # It gives the displacement along rows first.
    fields = [optical_flow_tvl1(a, b)[::-1] for a, b in pairwise(gray)]
    return np.moveaxis(np.stack(fields), 1, -1)


def samples(paths: list[Path], size: int, pairs: int, limit: int) -> list[np.ndarray]:
    """Grey frames, (pairs + 1, size, size), from the middle of every video."""
    return [
        np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
        for frames in sample_videos(paths, "square", size, pairs + 1, limit)
    ]


def measure(rows: list[Row], gray: np.ndarray, repeats: int) -> None:
    """Time every backend on one video, the best of ``repeats``; compare its flow with OpenCV's."""
    pairs = len(gray) - 1
    work = {
        name: numba.compute_counting(gray, replace(TVL1(), semantics=name))[1]
        for name in ("cpu", "cuda")
    }
    expected, reference = None, 0.0
    for row in tqdm(rows, leave=False, disable=None):
        seconds = math.inf
        for _ in range(repeats):
            start = time.perf_counter()
            found = row.compute(gray)
            seconds = min(seconds, time.perf_counter() - start)
        if expected is None:
            expected, reference = found, seconds
        row.seconds.append(seconds / pairs)
        row.ratio.append(reference / seconds)
        row.equal.append(float((flow.encode(found, BOUND) == flow.encode(expected, BOUND)).mean()))
        row.distance.append(float(np.abs(found - expected).mean()))
        if row.follows:
            row.per_sweep.append(seconds / work[row.follows])


def report(rows: list[Row], videos: int, pairs: int, size: int) -> None:
    """The tables, in Markdown."""
    packages = ("numpy", "numba", "opencv-contrib-python-headless", "torch", "scikit-image")
    installed = packages if find_spec("skimage") else packages[:-1]
    print(machine(*installed))
    print(
        f"{videos} videos, {pairs} pairs each, {size} x {size}, one core (and the GPU, if named); "
        "times are medians over videos; shares, differences and core-hours are means\n"
    )
    print(
        "| backend | ms per pair | times OpenCV (lowest to highest) | ns per pixel and iteration "
        "| equal 8-bit values | mean difference, px | UCF-101, core-hours |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        ms = 1e3 * statistics.median(row.seconds)
        hours = f"{statistics.mean(row.seconds) * UCF101_PAIRS / 3600:.0f}" if row.on_cpu else ""
        sweep = f"{1e9 * statistics.median(row.per_sweep):.2f}" if row.per_sweep else ""
        print(
            f"| {row.name} | {ms:.1f} | {statistics.median(row.ratio):.2f} "
            f"({min(row.ratio):.2f} to {max(row.ratio):.2f}) | {sweep} "
            f"| {np.mean(row.equal):.2%} (worst {min(row.equal):.2%}) "
            f"| {np.mean(row.distance):.4f} "
            f"| {hours} |"
        )
    scenes = [*MOTIONS, "sprite"]
    print("\nMean end-point error in pixels, on pairs of 96 x 96 whose flow is known\n")
    print("| backend | ms per pair | " + " | ".join(scenes) + " |")
    print("|---|" + "---|" * (len(scenes) + 1))
    for row in rows:
        errors = []
        for scene in scenes:
            frames, truth, where = known(scene)
            errors.append(f"{end_point_error(row.compute(frames)[0], truth, where):.4f}")
        ms = f"{1e3 * statistics.median(row.seconds):.1f}"
        print(f"| {row.name} | {ms} | " + " | ".join(errors) + " |")


def job(videos: list[np.ndarray], repeats: int) -> None:
    """Print what a flow job takes, from stored frames to stored flow, on one core and on all."""
    spec = FlowSpec.model_validate({"backend": "numba", "bound": BOUND})
    method, cores = flow.of_spec(spec), sorted(os.sched_getaffinity(0))
    # Enough for several batches.
    stored = [[images.encode(frame, spec.quality) for frame in gray] for gray in videos] * 8

    def in_turn() -> list[bytes]:
        """Decode, compute and encode one after the other."""
        decoded = [[images.decode(np.frombuffer(f, np.uint8), True) for f in v] for v in stored]
        fields = [method(np.stack(frames)) for frames in decoded]
        return [item for field in fields for item in flow.to_bytes(field, BOUND, spec.quality)]

    def overlapped(threads: int) -> list[bytes]:
        return list(encoded_planes(stored, method, spec, threads))

    forms = {"in turn, one core": (in_turn, 1), "overlapped, one core": (partial(overlapped, 1), 1)}
    if len(cores) > 1:
        forms[f"overlapped, {len(cores)} cores"] = partial(overlapped, len(cores)), len(cores)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    expected = in_turn()
    for _ in range(max(repeats, 3)):
        for name, (run, count) in forms.items():
            os.sched_setaffinity(0, cores[:count])
            start = time.perf_counter()
            assert run() == expected
            seconds[name].append(time.perf_counter() - start)
    os.sched_setaffinity(0, cores)
    pairs, first = sum(len(frames) - 1 for frames in stored), next(iter(seconds.values()))
    print("\nA job by numba, semantics cuda, from stored frames to stored flow\n")
    print("| job | ms per pair | times in turn (lowest to highest) |\n|---|---|---|")
    for name, taken in seconds.items():
        ratios = [a / b for a, b in zip(taken, first, strict=True)]
        print(
            f"| {name} | {1e3 * statistics.median(taken) / pairs:.1f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="videos, or folders of .avi")
    parser.add_argument("--size", type=int, default=256, help="side of the frames in pixels")
    parser.add_argument("--pairs", type=int, default=3, help="pairs per video")
    parser.add_argument("--repeats", type=int, default=1, help="runs, of which the fastest counts")
    parser.add_argument("--limit", type=int, default=8, help="videos at most")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows, videos = backends(), samples(options.paths, options.size, options.pairs, options.limit)
    for row in rows:
        row.compute(videos[0][:2, :64, :64])  # compile
    for gray in tqdm(videos, "videos", disable=None):
        measure(rows, gray, options.repeats)
    report(rows, len(videos), options.pairs, options.size)
    job(videos, options.repeats)


if __name__ == "__main__":
    main()
