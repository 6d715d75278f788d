"""State of a run, collected from Snakemake's log records."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_dsnet import trainings

# Rules with their own line, in the order of the pipeline, and the name in that line.
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
    """A running job: its number in the run, rule, wildcards, log, and Unix time of its start."""

    id: int
    rule: str
    wildcards: Mapping[str, str]
    log: str | None
    started: float = field(default_factory=time.time)

    @property
    def is_training(self) -> bool:
        """Whether the job trains a stream."""
        return self.rule == "train"

    def progress(self) -> trainings.Progress | None:
        """Read a training's progress; ``None`` for other jobs, and before its first epoch ends."""
        if not self.is_training or self.log is None:
            return None
        return trainings.progress(self.log, self.started)

    def share_of_flow(self) -> float:
        """Read which part of its flow is computed, 0 to 1; 0 for other jobs."""
        if self.rule != "flow_shard" or self.log is None:
            return 0.0
        return trainings.share_of_flow(self.log, self.started)

    @property
    def run(self) -> str:
        """The run of a training, such as ``motions/split1/16f/seed0``."""
        return "{dataset}/split{split}/{length}f/seed{seed}".format_map(self.wildcards)


@dataclass
class Stage:
    """The jobs of one stage: how many, and the numbers of the finished and failed jobs.

    ``busy`` are the seconds in which any of its jobs ran, up to the last time that none did;
    ``since`` is the Unix time from which on some have run again.
    """

    name: str
    total: int = 0
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    busy: float = 0.0
    since: float | None = None

    @property
    def seconds(self) -> float:
        """The seconds in which any of its jobs ran, until now."""
        return self.busy + (0.0 if self.since is None else time.time() - self.since)

    def left(self, begun: float = 0.0) -> float | None:
        """Estimate the seconds left, at the speed so far; ``None`` if it is unknown.

        The time in which none of its jobs ran, as those of another stage had the cores, is no part
        of the speed.

        ``begun`` is the sum of what is done of each running job, 0 to 1.
        """
        made = len(self.done) + begun
        if made == 0 or made == self.total:
            return None
        return self.seconds * (self.total - made) / made


class State:
    """The stages and the running jobs; Snakemake's records update it one by one."""

    def __init__(self) -> None:
        self.started = time.time()
        self.stages: dict[str, Stage] = {}
        self.jobs: dict[int, Job] = {}
        self.stopped: list[Job] = []

    def count(self) -> tuple[int, int]:
        """Count the finished jobs, and all."""
        stages = self.stages.values()
        return sum(len(stage.done) for stage in stages), sum(stage.total for stage in stages)

    def stop(self) -> None:
        """Take all running jobs as stopped."""
        self.stopped = list(self.jobs.values())
        self.jobs.clear()

    def plan(self, counts: Mapping[str, int]) -> None:
        """Set the number of jobs of each rule; ``total`` is their sum."""
        for name in (*STAGES.values(), OTHERS):
            rules = [rule for rule in counts if rule != "total" and stage_of(rule) == name]
            if rules:
                self.stages[name] = Stage(name, sum(counts[rule] for rule in rules))

    def update(self, record: logging.LogRecord) -> Job | None:
        """Update the state by a record; return the job that it reports as finished, if any."""
        event, about = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RUN_INFO:
            self.plan(about["stats"])
        elif event == LogEvent.JOB_INFO:
            self._begin(about)
        elif event == LogEvent.JOB_ERROR:
            job = self._end(about["jobid"])
            if job is not None:
                self._stage(job).failed.add(job.id)
        elif event == LogEvent.JOB_FINISHED:
            job = self._end(about["job_id"])
            if job is not None:
                self._stage(job).done.add(job.id)
            return job
        return None

    def _begin(self, about: Mapping[str, Any]) -> None:
        log = about["log"][0] if about["log"] else None
        job = Job(about["jobid"], about["rule_name"], dict(about["wildcards"]), log)
        self.jobs[job.id] = job
        stage = self._stage(job)
        stage.failed.discard(job.id)  # another attempt
        stage.since = stage.since or time.time()

    def _end(self, id: int) -> Job | None:
        """Take a job as no longer running, and return it, if it was."""
        job = self.jobs.pop(id, None)
        if job is not None:
            stage = self._stage(job)
            if all(self._stage(other) is not stage for other in self.jobs.values()):
                stage.busy, stage.since = stage.seconds, None
        return job

    def _stage(self, job: Job) -> Stage:
        name = stage_of(job.rule)
        return self.stages.setdefault(name, Stage(name))  # with --quiet, no plan is told


def stage_of(rule: str) -> str:
    """Return the name of a rule's stage."""
    return STAGES.get("fuse" if rule.startswith("fuse_") else rule, OTHERS)
