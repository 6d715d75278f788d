"""A stream that two processes train and score, through Snakemake."""

import os
import subprocess
import sys
import uuid

import numpy as np
import pytest
from project import RUN, Project

from dsnet import models
from dsnet.scores import read_scores


def test_two_processes_are_no_reason_to_rerun_and_make_the_same_files(project: Project):
    before = read_scores(project / f"{RUN}/rgb/scores.h5")
    project.configure(training={"processes": 2})
    assert project.plan().nothing_to_do
    for name in ("model.pt", "scores.h5"):
        (project / f"{RUN}/rgb/{name}").unlink()
    project.finish(f"{RUN}/rgb/scores.h5")
    made = models.read(project / f"{RUN}/rgb/model.pt")
    assert made["provenance"]["processes"] == 2
    assert "processes" not in made["spec"]["stream"]["training"]
    after = read_scores(project / f"{RUN}/rgb/scores.h5")
    for name, part in before.parts.items():
        assert after.parts[name].ids == part.ids
        np.testing.assert_array_equal(after.parts[name].counts, part.counts)
        assert np.isfinite(after.parts[name].clips).all()


def test_without_a_synchronised_batch_norm_their_number_counts(project: Project):
    project.configure(training={"sync_batch_norm": False, "processes": 2})
    jobs = project.plan().jobs
    assert ("train", "flow") in jobs
    project.configure(training={"sync_batch_norm": False, "processes": 3})
    assert ("train", "flow") in project.plan().jobs


@pytest.mark.parametrize("changes", [{"device": "cuda"}, {"gpus": 2}])
def test_gpus_that_are_not_there_are_missed_before_the_first_job(project: Project, changes):
    project.configure(training=changes)
    assert project.finish().nothing_to_do  # all is trained
    (project / "results/tables/table1.csv").unlink()
    project.finish("table1")
    (project / f"{RUN}/rgb/model.pt").unlink()
    (project / "results/motions/flow/0000.h5").unlink()
    outcome = project.snakemake(f"{RUN}/rgb/model.pt", "results/motions/flow/0000.h5")
    assert outcome.code != 0
    assert "this machine has 0 to use; set training.gpus" in outcome.text
    assert not outcome.jobs  # not even the flow
    assert "Traceback" not in outcome.text


# An executor that runs jobs on other machines, which refuse them.
ELSEWHERE = """
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecMode
common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)
class Executor(RealExecutor):
    cores = "all"
    def run_job(self, job):
        self.report_job_error(SubmittedJobInfo(job), msg="submitted elsewhere")
    def get_exec_mode(self):
        return ExecMode.REMOTE
    def get_python_executable(self):
        return "python"
    def cancel(self):
        pass
    shutdown = cancel
"""


def test_a_login_node_needs_no_gpu(project: Project):
    project.configure(training={"device": "cuda"})
    (project / f"{RUN}/rgb/model.pt").unlink()
    plugin = project / "snakemake_executor_plugin_elsewhere"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(ELSEWHERE)
    words = [f"{RUN}/rgb/model.pt", "--executor", "elsewhere", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, *project.command(*words)[1:]],  # a new Snakemake, which finds the plugin
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "submitted elsewhere" in done.stderr


def test_each_job_leases_the_gpus_that_it_asks_for(project: Project, tmp_path, monkeypatch):
    uuids = [f"GPU-{uuid.uuid4()}" for _ in range(2)]
    listing = "".join(f"GPU {n}: NVIDIA H100 (UUID: {name})\n" for n, name in enumerate(uuids))
    nvidia_smi = tmp_path / "nvidia-smi"
    nvidia_smi.write_text(f"#!/bin/sh\nprintf '%s' '{listing}'\n")
    nvidia_smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    project.configure(training={"gpus": 1}, streams={"ds": {"training": {"gpus": 2}}})
    for name in ("rgb", "ds"):
        (project / f"{RUN}/{name}/model.pt").unlink()
    wanted = [f"{RUN}/{name}/model.pt" for name in ("rgb", "ds")]
    project.finish(*wanted, "--resources", "gpu=2")
    alone = (project / f"results/logs/{RUN[8:]}/rgb/train.log").read_text()
    assert any(f"leased {name}\n" in alone for name in uuids)
    both = (project / f"results/logs/{RUN[8:]}/ds/train.log").read_text()
    assert f"leased {', '.join(uuids)}\n" in both
    assert models.read(project / wanted[1])["provenance"]["processes"] == 2
