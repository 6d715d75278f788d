"""The default experiment, a tiny version, through profiles/slurm to Table 1."""

import pytest
from checks import assert_same_results, assert_whole
from project import SHARDS, STREAMS, Project
from runs import TARGETS, ClusterProject, rule_of

# What the profile asks for at the first attempt: GPUs, megabytes, time limit.
REQUESTS = {
    "videos": (0, 4000, "01:00:00"),
    "manifest": (0, 4000, "01:00:00"),
    "frames": (0, 4000, "01:00:00"),
    "flow_shard": (1, 8000, "02:00:00"),
    "pack": (0, 16000, "04:00:00"),
    "train": (1, 32000, "1-00:00:00"),
    "evaluate": (1, 16000, "04:00:00"),
    "similarity": (1, 16000, "01:00:00"),
    "latency": (1, 16000, "01:00:00"),
}


def test_the_results_are_those_of_a_local_run(done: ClusterProject, finished: Project):
    assert_whole(done)
    assert_same_results(done, finished, TARGETS[0], TARGETS[2])  # no two latencies are alike


def test_nothing_is_left_to_do_on_the_cluster_or_here(done: ClusterProject):
    for project in (done, Project(done.folder)):
        assert project.finish("-n", *TARGETS).nothing_to_do


@pytest.mark.parametrize("rule", REQUESTS)
def test_gpus_memory_and_time_reach_sbatch(done: ClusterProject, rule: str):
    gpus, memory, limit = REQUESTS[rule]
    jobs = [job for job in done.kept_jobs() if rule_of(job) == rule]
    assert jobs
    for job in jobs:
        granted = dict(part.split("=") for part in job["TRES"].split(","))
        assert granted["mem"] == f"{memory}M"
        assert job["TimeLimit"] == limit
        assert job.get("TresPerJob") == (f"gres:gpu:{gpus}" if gpus else None)


def test_jobs_ask_for_the_threads_of_their_rule(done: ClusterProject):
    threads = {rule_of(job): int(job["NumCPUs"]) for job in done.kept_jobs()}
    assert threads["manifest"] == 8
    assert threads["frames"] == 1


def test_every_job_ran_once_and_short_ones_did_not_queue(done: ClusterProject):
    counts = dict.fromkeys(REQUESTS, 1)
    counts |= dict.fromkeys(("frames", "flow_shard"), len(SHARDS))
    counts |= dict.fromkeys(("train", "evaluate"), len(STREAMS))
    jobs = done.kept_jobs()
    assert {rule: [rule_of(job) for job in jobs].count(rule) for rule in counts} == counts
    assert len(jobs) == sum(counts.values())
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
