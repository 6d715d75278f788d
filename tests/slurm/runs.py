"""The tiny experiment, run through profiles/slurm on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from cluster import Cluster
from project import OVERLAY, RUN, Project, kill_group

PROFILE = "profiles/slurm/config.yaml"
MODEL = f"{RUN}/ds/model.pt"
TARGETS = ("results/tables/table1.csv", "results/tables/latency.csv", f"{RUN}/similarity.csv")
TRAIN_LOG = "results/logs/motions/split1/4f/seed0/ds/train.log"
IMPATIENT = Path(__file__).with_name("impatient.py")


class ClusterProject(Project):
    """A project whose Snakemake submits its jobs to ``cluster``, with the users' profile."""

    cluster: Cluster
    path = ""  # a folder of commands to be found before all others
    python = sys.executable  # of the jobs

    @classmethod
    def of(cls, folder: Path, cluster: Cluster) -> ClusterProject:
        """The project in ``folder``."""
        project = cls(folder)
        project.cluster = cluster
        return project

    @property
    def environment(self) -> dict[str, str]:
        environment = {**super().environment, **self.cluster.environment}
        environment["PATH"] = os.pathsep.join(filter(None, [self.path, environment["PATH"]]))
        return environment

    def command(self, *words: str, overlays: Iterable[str] = (OVERLAY,)) -> list[str]:
        profile = ["--workflow-profile", str(Path(PROFILE).parent)]
        snakemake = [sys.executable, str(IMPATIENT), self.python]
        return [*snakemake, *profile, *words, "--configfile", *overlays]

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        """What Slurm says of this project's jobs, oldest first, or of those of one rule."""
        jobs = [job for job in self.cluster.jobs() if job["WorkDir"] == str(self.folder)]
        return [job for job in jobs if not rule or rule_of(job) == rule]

    def at_work(self, verb: str) -> list[int]:
        """The processes that run a verb of dsnet in this project; the node is this machine."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                here = os.readlink(path / "cwd") == str(self.folder)
            except OSError:
                continue
            if here and words[1:4] == [b"-m", b"dsnet", verb.encode()]:
                found.append(int(path.name))
        return found

    def end(self, process: subprocess.Popen[str]) -> None:
        """See to it that a run that was started does not outlive its test."""
        if process.poll() is None:
            kill_group(process)

    def keep_jobs(self) -> None:
        """Write what Slurm says of the jobs, since a copy of the project has none of its own."""
        (self / "jobs.json").write_text(json.dumps(self.jobs()), encoding="utf-8")

    def kept_jobs(self) -> list[dict[str, str]]:
        """The jobs of :meth:`keep_jobs`."""
        return json.loads((self / "jobs.json").read_text(encoding="utf-8"))


def rule_of(job: dict[str, str]) -> str:
    """The rule of a job, from the comment that the executor gives it."""
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]
