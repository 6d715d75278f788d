"""The parts ``flow``, ``jpeg`` and ``sanitizer``: all backends of TV-L1 that can run here."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from convolutions import on_cpu
from gpu.about import why_not
from gpu.data import GOLDEN, gray_videos
from gpu.results import DATA, TINY, attempt, put

from dsnet import flow as tvl1
from dsnet import shards
from dsnet.experiment.data import FOLLOWED, GPU_THREADS
from dsnet.experiment.specs import FlowSpec
from dsnet.store import Reader, Writer

SECONDS = 0.01 if TINY else 1  # of a measurement, or all pairs if that takes less
CORES = 2 if TINY else os.cpu_count() or 1
SMALL = {"nscales": 2, "warps": 1, "inner_iterations": 4, "outer_iterations": 2}
# Of forms in one block, in a cluster, and in tiles, as far as a GPU has them.
SHAPES = [(48, 64), (128, 128), (300, 1100)]


def flow() -> None:
    """Compare every backend with numba's flow, and count pairs per second."""
    videos, spec = gray_videos(DATA), _spec()
    golden = np.load(DATA / "golden.npz")
    # First, because processes are forked for it, which cannot be once CUDA has started.
    attempt(f"numba on {CORES} cores, semantics cuda", _all_cores, videos[0][1], spec)
    for backend in runnable():
        for semantics in FOLLOWED[backend]:
            run = partial(tvl1.compute, backend=backend, semantics=semantics, **spec.tvl1.values())
            expected = {id: golden[f"{semantics}/{id}"] for id, _ in videos}
            attempt(tvl1.describe(backend, semantics), _measure, run, videos, expected)


def jpeg() -> None:
    """Count the pairs per second of a whole job, from stored frames to stored flow."""
    for backend in runnable():
        if _on_gpu(backend) or backend == "numba":
            attempt(tvl1.describe(backend, "cuda"), _job, backend)


def sanitizer() -> None:
    """Have compute-sanitizer look at the kernels of the backends that run on a GPU."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        put("compute-sanitizer", {"skipped": "not installed here"})
        return
    for backend in runnable():
        if _on_gpu(backend) or (TINY and backend == "numba"):
            attempt(backend, _sanitized, tool, backend)


def runnable() -> Iterator[str]:
    """Yield the backends that can run here; the part ``about`` has the others' reasons.

    CPUs come first. Once a kernel has failed, CUDA refuses everything in its process.
    """
    return (name for name in reversed(tvl1.BACKENDS) if why_not(name) is None)


def _on_gpu(backend: str) -> bool:
    return tvl1.BACKENDS[backend].load().device().startswith("cuda")


def _spec() -> FlowSpec:
    specs = json.loads((DATA / "specs.json").read_text(encoding="utf-8"))
    return FlowSpec.model_validate(specs["flow"])


def _rate(run: Callable[[np.ndarray], Any], gray: np.ndarray) -> dict[str, float]:
    """Count pairs per second of a backend, with as many pairs at once as the time allows."""
    run(gray[:2])  # compiles
    pairs, seconds = 0, 0.0
    while seconds < SECONDS and pairs < len(gray) - 1:
        pairs = min(4 * pairs or 1, len(gray) - 1)
        start = time.perf_counter()
        run(gray[: pairs + 1])
        seconds = time.perf_counter() - start
    if seconds < SECONDS:
        seconds = on_cpu(lambda: run(gray))  # the flow is there when it returns
    return {"pairs": pairs, "pairs_per_s": pairs / seconds}


def _measure(
    run: Callable[[np.ndarray], np.ndarray],
    videos: list[tuple[str, np.ndarray]],
    golden: dict[str, np.ndarray],
) -> dict[str, float]:
    """Compare with the expected flow of each video, and count pairs per second in the first."""
    bound, equal, distance = _spec().bound, [], []
    for id, gray in videos:
        found, expected = run(gray[: GOLDEN + 1]), golden[id]
        equal.append(np.mean(tvl1.encode(found, bound) == tvl1.encode(expected, bound)))
        distance.append(np.abs(found - expected).max())
    agreement = {"equal_8bit": float(np.mean(equal)), "worst_equal_8bit": float(min(equal))}
    return {**agreement, "max_px": float(max(distance)), **_rate(run, videos[0][1])}


def _all_cores(gray: np.ndarray, spec: FlowSpec) -> dict[str, float]:
    """Count pairs per second of numba's backend, which has one thread, with a process per core."""
    part = gray[: 3 if TINY else 33]
    run = partial(tvl1.compute, backend="numba", semantics="cuda", **spec.tvl1.values())
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("fork")) as pool:
        list(pool.map(run, [part[:2]] * CORES))
        start = time.perf_counter()
        pairs = sum(len(found) for found in pool.map(run, [part] * CORES))
        return {"pairs": pairs, "pairs_per_s": pairs / (time.perf_counter() - start)}


def _job(backend: str) -> dict[str, float]:
    """Time the stage ``flow_shard`` with a backend, on enough videos for the time."""
    spec = _spec().model_copy(update={"backend": backend})
    threads = min(GPU_THREADS, CORES) if _on_gpu(backend) else CORES
    source, times, seconds, pairs = Reader(DATA / "frames.h5"), 1, 0.0, 0
    tvl1.of_spec(spec)(gray_videos(DATA)[0][1][:2])  # compiles
    while seconds < SECONDS:
        with tempfile.TemporaryDirectory() as name:
            frames, output = Path(name, "frames.h5"), Path(name, "flow.h5")
            with Writer(frames, ["rgb"], source.spec) as writer:
                ids = [f"{id}/{time}" for time in range(times) for id in source.videos]
                for id in ids:
                    writer.add(id, {"rgb": source.items(id.split("/")[0], "rgb")})
                writer.close(ids, {})
            start = time.perf_counter()
            shards.flow_shard(frames, spec, output, threads)
            seconds = time.perf_counter() - start
        pairs = times * sum(video.frames("rgb") - 1 for video in source.videos.values())
        times *= 8
    return {"pairs": pairs, "pairs_per_s": pairs / seconds, "threads": threads}


def _sanitized(tool: str, backend: str) -> dict[str, str]:
    """Compute a small flow under every tool, any finding of which is an error."""
    semantics = FOLLOWED[backend][-1]
    code = (
        f"import numpy as np; from dsnet import flow\nfor shape in {SHAPES[: 1 if TINY else 3]}:\n"
    )
    code += "    frames = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)\n"
    code += f"    flow.compute(frames, {backend!r}, semantics={semantics!r}, **{SMALL})\n"
    found = {}
    for name in ("memcheck", "racecheck"):
        command = [tool, "--tool", name, "--error-exitcode", "9", sys.executable, "-c", code]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout[-300:]}")
        found[name] = "nothing found"
    return found
