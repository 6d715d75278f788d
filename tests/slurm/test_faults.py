"""Jobs that are stopped, cancelled or fail, and clusters that want other options."""

import os
import re
import signal
from pathlib import Path

import torch
from checks import assert_same_results, state_dict
from project import RUN, Project, wait_for
from runs import MODEL, PROFILE, TRAIN_LOG, ClusterProject

LONG = {"streams": {"ds": {"training": {"epochs": 40}}}}


def test_a_training_over_its_time_limit_is_submitted_again_and_goes_on(
    project: ClusterProject, finished: Project, tmp_path: Path
):
    undisturbed = finished.copy_to(tmp_path / "undisturbed")
    undisturbed.configure(**LONG)
    undisturbed.finish(MODEL)
    project.configure(**LONG)
    # Slurm counts in minutes; the profile's own wins over the rule's.
    project.edit(PROFILE, "# runtime: min(attempt * 720, 1440)", "runtime: attempt")
    process = project.start(MODEL)
    try:
        wait_for((project / RUN / "ds/.checkpoint.pt").exists, process, "an epoch")
        (training,) = project.at_work("train")
        os.kill(training, signal.SIGSTOP)  # it hangs, and so uses up the minute that it has
        assert process.wait(timeout=300) == 0, (project / "snakemake.log").read_text()
    finally:
        project.end(process)
    first, second = project.jobs("train")
    assert [first["JobState"], second["JobState"]] == ["TIMEOUT", "COMPLETED"]
    assert [first["TimeLimit"], second["TimeLimit"]] == ["00:01:00", "00:02:00"]
    assert [first["MinMemoryNode"], second["MinMemoryNode"]] == ["32000M", "62.50G"]  # twice that
    done = re.search(r"going on after epoch (\d+)", (project / TRAIN_LOG).read_text())
    assert done
    assert 1 <= int(done[1]) < 40
    assert "TIMEOUT" in (project / "snakemake.log").read_text()
    own, other = state_dict(project, "ds"), state_dict(undisturbed, "ds")
    assert [name for name in own if not torch.equal(own[name], other[name])] == []


def test_a_second_run_completes_what_scancel_stopped(project: ClusterProject, finished: Project):
    (project / MODEL).unlink()
    targets = (MODEL, f"{RUN}/ds/scores.h5")
    process = project.start("--retries", "0", *targets)
    try:
        wait_for(lambda: running(project), process, "the training")
        (job,) = running(project)
        project.cluster("scancel", job["JobId"])
        assert process.wait(timeout=120) != 0
    finally:
        project.end(process)
    told = (project / "snakemake.log").read_text()
    assert f"SLURM-job '{job['JobId']}' failed, SLURM status is: 'CANCELLED'" in told
    assert TRAIN_LOG in told
    assert not (project / MODEL).exists()
    outcome = project.finish(*targets)
    assert outcome.jobs == {("train", "ds"), ("evaluate", "ds")}
    assert_same_results(project, finished, *targets)


def running(project: ClusterProject) -> list[dict[str, str]]:
    """The jobs that are at work: they have begun to write their log."""
    jobs = [job for job in project.jobs("train") if job["JobState"] == "RUNNING"]
    return jobs if (project / TRAIN_LOG).exists() else []


def test_the_log_of_a_failing_job_is_named(project: ClusterProject):
    project.configure(streams={"ds": {"training": {"trainable": ["conv1", "nonsense"]}}})
    outcome = project.snakemake(MODEL, "--retries", "0")
    assert outcome.code != 0
    (job,) = project.jobs("train")
    assert job["JobState"] == "FAILED"
    assert TRAIN_LOG in outcome.text
    assert "the network has no nonsense" in outcome.text  # the log itself is shown
    assert job["StdOut"] in outcome.text
    assert Path(job["StdOut"]).exists()


def test_partition_account_and_gres_reach_sbatch(project: ClusterProject, tmp_path: Path):
    text = (project / PROFILE).read_text()
    text = text.replace("# slurm_", "slurm_").replace("gpu: 1\n", "gpu: 0\n    gres: gpu:1\n")
    (project / PROFILE).write_text(text)
    # The executor looks an account up in the accounting database, which this cluster has not.
    lists = tmp_path / "bin/sacctmgr"
    lists.parent.mkdir()
    lists.write_text("#!/bin/sh\necho project\n")
    lists.chmod(0o755)
    project.path = str(lists.parent)
    (project / MODEL).unlink()
    process = project.start(MODEL)
    try:
        wait_for(lambda: project.at_work("train") != [], process, "the training")
        (training,) = project.at_work("train")
        environment = Path(f"/proc/{training}/environ").read_text().split("\0")
        assert process.wait(timeout=300) == 0, (project / "snakemake.log").read_text()
    finally:
        project.end(process)
    # The step in the job, which asks for no GPU itself, has the job's.
    assert {"CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=1"} & set(environment)
    (job,) = project.jobs("train")
    assert job["Partition"] == "gpu"
    assert job["Account"] == "project"
    assert job["TresPerNode"] == "gres:gpu:1"
    assert "TresPerJob" not in job


def test_a_job_that_the_cluster_can_never_run_is_refused_at_once(project: ClusterProject):
    project.edit(PROFILE, "# runtime: min(attempt * 720, 1440)", "mem_mb: 10**9")
    (project / MODEL).unlink()
    outcome = project.snakemake(MODEL, "--retries", "0")
    assert outcome.code != 0
    assert "Memory specification can not be satisfied" in outcome.text
