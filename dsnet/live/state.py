"""What a run has done and is doing, gathered from what Snakemake logs of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from dsnet.live import trainings

# The stages in the order of the pipeline: the rules that have one of their own, and its name.
STAGES = {
    "videos": "videos",
    "manifest": "manifest",
    "frames": "frames",
    "flow_shard": "flow",
    "pack": "pack",
    "train": "train",
    "evaluate": "evaluate",
    "fuse": "fuse",
}
OTHERS = "tables and figures"


@dataclass
class Job:
    """A job at work: its number in the run, rule, wildcards, log, start, and epochs to train."""

    id: int
    rule: str
    wildcards: Mapping[str, str]
    log: str | None
    epochs: int | None
    started: float = field(default_factory=time.time)

    def progress(self) -> trainings.Progress | None:
        """How far a training is; ``None`` of other jobs, and before its first epoch ends."""
        if self.epochs is None or self.log is None:
            return None
        return trainings.progress(self.log, self.epochs, self.started)

    @property
    def run(self) -> str:
        """The run that a training is part of, as in ``motions/split1/16f/seed0``."""
        return "{dataset}/split{split}/{length}f/seed{seed}".format_map(self.wildcards)


@dataclass
class Stage:
    """Jobs of one stage: all of this run, and those that ended well or failed; by their numbers."""

    name: str
    total: int = 0
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    started: float | None = None
    ended: float | None = None

    def left(self) -> float | None:
        """Seconds that it takes yet, at its speed so far; ``None`` where nothing tells."""
        made = len(self.done)
        if self.started is None or made == 0 or made == self.total:
            return None
        return (time.time() - self.started) * (self.total - made) / made


class State:
    """The stages and the jobs at work; takes up Snakemake's records one by one."""

    def __init__(self) -> None:
        self.started = time.time()
        self.stages: dict[str, Stage] = {}
        self.jobs: dict[int, Job] = {}
        self.gathering: frozenset[str] = frozenset()

    def plan(self, counts: Mapping[str, int], gathering: Iterable[str]) -> None:
        """Take up how many jobs each rule has, but for the rules that only gather files."""
        self.gathering = frozenset([*gathering, "total"])
        for name in (*STAGES.values(), OTHERS):
            rules = [r for r in counts if r not in self.gathering and stage_of(r) == name]
            if rules:
                self.stages[name] = Stage(name, sum(counts[rule] for rule in rules))

    def update(self, record: logging.LogRecord) -> Job | None:
        """Take up a record; the job that ended well by it, if one did."""
        event, about = getattr(record, "event", None), record.__dict__
        if event == LogEvent.JOB_INFO:
            self._begin(about)
        elif event == LogEvent.JOB_ERROR:
            job = self.jobs.pop(about["jobid"], None)
            if job is not None and (stage := self._stage(job)):
                stage.failed.add(job.id)
        elif event == LogEvent.JOB_FINISHED:
            job = self.jobs.pop(about["job_id"], None)
            if job is not None and (stage := self._stage(job)):
                stage.failed.discard(job.id)
                stage.done.add(job.id)
                stage.ended = time.time()
            return job
        return None

    def _begin(self, about: Mapping[str, Any]) -> None:
        logs = about["log"]
        job = Job(
            about["jobid"],
            about["rule_name"],
            dict(about["wildcards"]),
            logs[0] if logs else None,
            trainings.epochs(about["shellcmd"] or ""),
        )
        stage = self._stage(job)
        if stage is not None:
            self.jobs[job.id] = job
            stage.failed.discard(job.id)  # another attempt
            stage.started = stage.started or job.started

    def _stage(self, job: Job) -> Stage | None:
        return None if job.rule in self.gathering else self.stages.get(stage_of(job.rule))


def stage_of(rule: str) -> str:
    """The name of the stage that a rule belongs to."""
    return STAGES.get(rule, OTHERS)
