"""dsnet on a GPU: is it right, how fast is it, does it train? Nine minutes at most.

    python -m gpu.check [PART ...] [--seconds 540]

`make gpu-check` calls it here, and gpu_check.sh on a machine that has nothing of dsnet. Each part
is a process with a time limit. One that hangs or fails costs no other. Results go to
$OUT/results.json at once, and what the parts print to $OUT/log.txt. TINY=1 tries it on a CPU.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from gpu import results, tables


class Part(NamedTuple):
    """A function without arguments, and the seconds that it may take."""

    module: str
    function: str
    limit: float


PARTS = {
    "about": Part("gpu.about", "about", 40),
    "tests": Part("gpu.correct", "tests", 60),
    "smoke": Part("gpu.correct", "smoke", 70),
    "flow": Part("gpu.flow", "flow", 100),
    "jpeg": Part("gpu.flow", "jpeg", 40),
    "profile": Part("gpu.steps", "profile", 40),
    "groups": Part("gpu.steps", "groups", 40),
    "steps": Part("gpu.steps", "steps", 90),
    "train": Part("gpu.train", "train", 130),
    "sanitizer": Part("gpu.flow", "sanitizer", 60),
    "compiled": Part("gpu.steps", "compiled", 150),
}
# Each part is forked from a server that has imported these. None of them starts CUDA.
PRELOADED = ["dsnet.evaluation", "dsnet.shards", "dsnet.training", "pytest", "torch._dynamo"]
SHORTEST = 5  # seconds; with less left, a part is not started


def run(parts: Mapping[str, Part], seconds: float) -> list[str]:
    """Run parts in turn, all within ``seconds``; return the names of those that failed."""
    results.OUT.mkdir(parents=True, exist_ok=True)
    results.forget(parts)
    end, failed = time.monotonic() + seconds, []
    forks = multiprocessing.get_context("forkserver")
    for name, part in parts.items():
        left = end - time.monotonic()
        if left < min(SHORTEST, part.limit):
            status: dict[str, float | str] = {"exit": "not started"}
        else:
            start, limit = time.monotonic(), min(part.limit, left)
            process = forks.Process(target=_run, args=(name, part, results.OUT))
            process.start()
            try:
                process.join(limit)
                code: int | str = "timeout" if process.exitcode is None else process.exitcode
            finally:
                _kill_all_of(process)
            taken = round(time.monotonic() - start, 1)
            status = {"exit": code, "seconds": taken, "limit": round(limit, 1)}
        results.put(name, status, "parts")
        print(f"{name}: {json.dumps(status)}", flush=True)
        for what, error in results.errors(name).items():
            print(f"  {what}: {error}", flush=True)
        if status["exit"] != 0:
            failed.append(name)
    return failed


def _run(name: str, part: Part, out: Path) -> None:
    """Run a part in this process, whose output goes to the log; 1 if one of its results is bad."""
    os.setsid()  # with all that it starts
    results.PART, results.OUT = name, out
    with open(out / "log.txt", "ab", buffering=0) as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    print(f"=== {name}", flush=True)
    getattr(import_module(part.module), part.function)()
    sys.exit(bool(results.errors(name)))


def _kill_all_of(process: multiprocessing.process.BaseProcess) -> None:
    """End a process, and all that it has started."""
    assert process.pid is not None
    process.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=540, help="of all parts")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if results.TINY:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    multiprocessing.set_forkserver_preload(PRELOADED)
    chosen = {n: part for n, part in PARTS.items() if not options.parts or n in options.parts}
    failed = run(chosen, options.seconds)
    print(tables.tables("results", results.read()))
    sys.exit(f"failed: {', '.join(failed)}; see {results.OUT}/log.txt" if failed else 0)


if __name__ == "__main__":
    main()
