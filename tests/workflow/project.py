"""A copy of the whole project with a tiny experiment, to run Snakemake on and to change at will."""

from __future__ import annotations

import copy
import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import forked
import numpy as np
import yaml

from dsnet.flow import compute

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "experiments", "dsnet", "workflow", "profiles", "envs")
OVERLAY = "tiny.yaml"
RUN = "results/motions/split1/4f/seed0"
STREAMS = ("flow", "rgb", "mars", "ds")
STUDENTS = ("mars", "ds")
SHARDS = ("0000", "0001")
TITLES = {"mars": "MARS", "ds": "Dual-action Stream"}
CLASSES = 10
TRAIN, TEST = 3, 1  # videos per class

TINY: dict[str, Any] = {
    "clip_lengths": [4],
    "validation_share": 0.34,
    "catalogue": {
        "motions": {
            "title": "tiny motions",
            "shards": len(SHARDS),
            "train_per_class": TRAIN,
            "test_per_class": TEST,
            "size": 32,
            "length": 9,
        }
    },
    "frames": {"size": 32},
    "flow": {"tvl1": {"nscales": 2, "warps": 1, "inner_iterations": 4, "outer_iterations": 1}},
    "clips": {"crop": 24},
    "model": {"widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2},
    "training": {"epochs": 2, "warmup_epochs": 1, "least_steps": 0},
    "streams": {
        "rgb": {"training": {"epochs": 2, "ema": 0.5, "augment": {"rotation": 9, "hue": 9}}},
        **dict.fromkeys(("rgb-from-flow", "mars-mae", "mars-gram", "ds-mae", "pkd-fading")),
        **dict.fromkeys(("ds-gram", "ds-gram-literal", "ds-gram-mean", "ds-literal", "ds-mean")),
    },
    "fusion": {"epochs": 2},
    "tables": {
        "students": None,
        "ablation": [
            {"method": "Baseline (MARS)", "stream": "mars"},
            {"method": "DS", "stream": "ds"},
            {"method": "DS + Flow", "stream": "ds", "fuse": "flow", "by": "average"},
            {"method": "DS + Flow, attention", "stream": "ds", "fuse": "flow", "by": "attention"},
        ],
        "claims": [
            {"claim": "DS helps", "method": {"stream": "ds"}, "against": {"stream": "mars"}},
            {
                "claim": "Attention helps",
                "method": {"stream": "ds", "fuse": "flow", "by": "attention"},
                "against": {"stream": "ds", "fuse": "flow"},
            },
        ],
        "study": [
            {"group": "Streams", "rows": [{"stream": "flow"}, {"stream": ["mars", "ds"]}]},
            {"group": "Fusions", "rows": [{"stream": "ds", "fuse": "flow"}]},
        ],
    },
    "latency": {"repeats": 1, "warmup": 0},
}

Job = tuple[str, str]  # a rule and the values of its wildcards but for the run's, such as "ds"
RUN_WILDCARDS = {"dataset": "motions", "split": "1", "length": "4", "seed": "0"}
# A rule's block in Snakemake's account of a job; what follows is indented.
BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", re.MULTILINE)


class Project:
    """A folder that Snakemake runs in, with the project's code and the overlay ``tiny.yaml``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Project:
        """Copy the project's code, without what it made, and write the overlay."""
        compile_flow()
        folder.mkdir()
        # What Python and numba keep beside the code goes along: compiling it takes seconds.
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part)
            else:
                shutil.copy2(source, folder / part)
        project = cls(folder)
        project.configure()
        return project

    def copy_to(self, folder: Path) -> Project:
        """The same at another place, with the times of the files."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    @property
    def environment(self) -> dict[str, str]:
        """Where Python finds the copy's ``dsnet``, and this logger, before those installed."""
        own = {
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT / "logger")]),
            "PYTHONDONTWRITEBYTECODE": "1",  # an edit within a second must not go unseen
        }
        dropped = ("SNAKEMAKE_PROFILE", "DSNET_KILL_ROUNDS", "DSNET_FLIPS")
        kept = {k: v for k, v in os.environ.items() if k not in dropped}
        return {**kept, **own}

    def configure(self, **changes: Any) -> None:
        """Write the overlay: the tiny experiment with nested ``changes``."""
        overlay = merge(TINY, changes)
        (self / OVERLAY).write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the one place where a file of the copy says ``old``."""
        text = (self / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} says {text.count(old)} times {old!r}"
        (self / path).write_text(text.replace(old, new), encoding="utf-8")

    def command(self, *words: str, overlays: Iterable[str] = (OVERLAY,)) -> list[str]:
        """The command line of Snakemake, as a user gives it."""
        snakemake = [str(forked.programs() / "python"), "-m", "snakemake", "--cores", "2", *words]
        return [*snakemake, "--configfile", *overlays] if overlays else snakemake

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Snakemake in a process group of its own with its jobs, still running."""
        with open(self / "snakemake.log", "a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, *self.command(*words)[1:]],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def snakemake(self, *words: str, overlays: Iterable[str] = (OVERLAY,)) -> Outcome:
        """Run Snakemake to its end."""
        process = subprocess.run(
            self.command(*words, overlays=overlays),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        return Outcome(process.returncode, process.stdout)

    def finish(self, *words: str) -> Outcome:
        """Run Snakemake, which must succeed."""
        outcome = self.snakemake(*words)
        assert outcome.code == 0, outcome.text + self.logs()
        return outcome

    def plan(self) -> Outcome:
        """What Snakemake would run."""
        return self.finish("-n")

    def logs(self) -> str:
        """The rules' logs that have anything in them, for messages."""
        paths = sorted(self.folder.glob("results/logs/**/*.log"))
        return "".join(f"\n--- {path}\n{path.read_text()[-2000:]}" for path in paths)


@functools.cache
def compile_flow() -> None:
    """Have numba keep the machine code of TV-L1 beside the project's own code."""
    compute(np.zeros((2, 32, 32), np.uint8), backend="numba", semantics="cuda")


def once(shared: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` in ``shared``: the first worker makes it, the others wait for that."""
    folder = shared / name
    with open(shared / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = Path(tempfile.mkdtemp(dir=shared)) / name
            make(made)
            made.rename(folder)
    return folder


class Outcome:
    """How Snakemake ended, and what it said."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text

    @property
    def nothing_to_do(self) -> bool:
        return "Nothing to be done" in self.text

    @property
    def reasons(self) -> dict[Job, str]:
        """The jobs run or planned, but for ``all``, each with Snakemake's reason."""
        found = {}
        for rule, block in BLOCK.findall(self.text):
            if rule != "all":
                found[rule, _wildcards(block)] = _line(block, "reason")
        return found

    @property
    def jobs(self) -> set[Job]:
        return set(self.reasons)

    @property
    def counts(self) -> dict[str, int]:
        """The number of jobs of each rule, from the table that Snakemake begins with."""
        table = self.text.split("Job stats:")[1].split("\n\n")[0]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def _line(block: str, key: str) -> str:
    match = re.search(rf"^ {{4}}{key}: (.*)$", block, re.MULTILINE)
    return match[1] if match else ""


def _wildcards(block: str) -> str:
    """``ds`` or ``0001`` of a block's wildcards; those of the run are as they must be."""
    pairs = dict(pair.split("=") for pair in _line(block, "wildcards").split(", ") if pair)
    own = {k: v for k, v in pairs.items() if k not in RUN_WILDCARDS}
    assert all(pairs[k] == RUN_WILDCARDS[k] for k in pairs if k in RUN_WILDCARDS), pairs
    return ",".join(own.values())


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the nested ``changes``, as Snakemake merges configurations."""
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else copy.deepcopy(value)
    return merged


# --- the jobs of the tiny experiment -----------------------------------------------------------

FUSED = (
    *(("rgb", "flow"), ("mars", "rgb"), ("mars", "flow"), ("ds", "rgb"), ("ds", "flow")),
    *(("mars", "rgb", "flow"), ("ds", "rgb", "flow")),
)
# The jobs that fuse, by their readers beside Table 1, and the streams of each.
FUSING = {
    "fuse": STREAMS,
    "fuse_figure": ("rgb", "flow", "ds"),
    "fuse_table2": ("ds", "flow"),
    "fuse_table2_figure": ("ds", "flow"),
}
TABLES: set[Job] = {
    *((table, "") for table in ("table1", "table2", "significance", "claims", "study")),
    *(("bars", ""), ("cost", ""), ("intervals", "claims"), ("intervals", "study")),
    *(("summary", ""), ("provenance", "")),
}
# What looks at the features of all streams, and not at their scores.
OF_MODELS: set[Job] = {("similarity", ""), ("feature_maps", "")}
FRAMES: set[Job] = {("frames", shard) for shard in SHARDS}
FLOW: set[Job] = {("flow_shard", shard) for shard in SHARDS}


def fusions(streams: Iterable[str]) -> set[Job]:
    """The jobs that fuse one of ``streams``."""
    chosen = set(streams)
    return {(job, "") for job, names in FUSING.items() if chosen & set(names)}


def after_training(streams: Iterable[str]) -> set[Job]:
    """Everything that follows from training ``streams`` anew, the training included."""
    chosen = list(streams)
    each = {(rule, stream) for rule in ("train", "evaluate") for stream in chosen}
    drawn = {("figures", ""), ("classes", ""), ("latency", "")} | OF_MODELS
    # The weights that are drawn are those of DS, RGB and flow.
    if {"flow", "rgb", "ds"} & set(chosen):
        drawn |= {("attention", "")}
    return each | fusions(chosen) | TABLES | drawn


AFTER_PACK = {("pack", ""), ("contact", "")} | after_training(STREAMS)
EVERYTHING = {("videos", ""), ("manifest", "")} | FRAMES | FLOW | AFTER_PACK


# --- killing -----------------------------------------------------------------------------------


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL a whole process group and wait until it is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    """Wait until ``condition``, while ``process`` lives; an error that says ``what`` otherwise."""
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.002)
