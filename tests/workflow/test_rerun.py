"""What a change makes Snakemake do again: what depends on it, and nothing else."""

import shutil

import pytest
from checks import assert_same_results, shard_digests
from project import (
    AFTER_PACK,
    EVERYTHING,
    FLOW,
    OF_MODELS,
    SHARDS,
    STREAMS,
    STUDENTS,
    TABLES,
    TINY,
    Project,
    after_training,
    fusions,
)

LOSSES = "dsnet/losses.py"
MAE = "return torch.stack(means).mean()"


def test_arithmetic_of_a_loss_concerns_the_students_alone(project: Project):
    project.edit(LOSSES, MAE, MAE.replace(".mean()", ".mean() * 2"))
    plan = project.plan()
    assert plan.jobs == after_training(STUDENTS)
    for stream in STUDENTS:
        assert plan.reasons["train", stream].startswith("Params have changed")
        assert plan.reasons["evaluate", stream].startswith("Input files updated by another job")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (MAE, f"# Equation 2.\n        {MAE}  # as printed"),
        ('"""Equation 2: the mean over levels', '"""Equation 2, the mean over all levels'),
    ],
    ids=["comment", "docstring"],
)
def test_words_concern_nothing(project: Project, old, new):
    project.edit(LOSSES, old, new)
    assert project.plan().nothing_to_do


def test_code_of_the_tables_concerns_the_tables(project: Project):
    project.edit("dsnet/tables/statistics.py", "np.std(values, ddof=1)", "np.std(values, ddof=0)")
    # The latency is a table too, written by the same code.
    assert project.plan().jobs == TABLES | {("latency", "")}


def test_code_of_the_evaluation_concerns_no_training(project: Project):
    project.edit("dsnet/evaluation.py", "log = logging", "LOG = None\nlog = logging")
    scored = after_training(STREAMS) - {("latency", "")} - OF_MODELS
    assert project.plan().jobs == {job for job in scored if job[0] != "train"}


def test_the_flow_bound_concerns_flow_and_what_follows(project: Project):
    project.configure(flow={"bound": 4})
    plan = project.plan()
    assert plan.jobs == FLOW | AFTER_PACK
    assert all(plan.reasons[job].startswith("Params have changed") for job in FLOW)


def test_other_videos_concern_everything(project: Project):
    project.configure(catalogue={"motions": {"seed": 5}})
    assert project.plan().jobs == EVERYTHING


def test_deleted_videos_are_made_again_with_what_needs_them(project: Project):
    shutil.rmtree(project / "results/motions/videos")
    assert project.plan().jobs == EVERYTHING


def test_epochs_concern_trainings_and_what_follows(project: Project):
    project.configure(training={"epochs": 3})  # rgb has its own number
    streams = [name for name in STREAMS if name != "rgb"]
    assert project.plan().jobs == after_training(streams)


def test_the_weight_of_a_loss_concerns_one_student(project: Project):
    project.configure(streams={"mars": {"losses": {"mse": {"weight": 49}}}})
    # No model that is timed is MARS's.
    assert project.plan().jobs == after_training(["mars"]) - {("latency", "")}


def test_the_words_of_a_claim_and_the_rate_of_the_attention_concern_no_more(project: Project):
    claim, *others = TINY["tables"]["claims"]
    claims = [{**claim, "claim": "DS is better"}, *others]
    project.configure(tables={"claims": claims}, fusion={"lr": 0.01})
    fused = {job for job in fusions(STREAMS) if job[1].endswith(".attention")}
    assert project.plan().jobs == TABLES - {("significance", "")} | fused | {("attention", "")}


def test_where_to_compute_concerns_nothing(project: Project):
    project.configure(training={"threads": 2, "device": "cpu", "workers": 1, "gpus": 1})
    assert project.plan().nothing_to_do


def test_the_place_of_the_project_concerns_nothing(project: Project, tmp_path):
    project.folder.rename(tmp_path / "elsewhere")
    assert Project(tmp_path / "elsewhere").plan().nothing_to_do


def test_a_deleted_shard_is_made_again_with_what_needs_it(finished: Project, project: Project):
    before = shard_digests(finished)
    (project / f"results/motions/flow/{SHARDS[1]}.h5").unlink()
    outcome = project.finish()
    assert outcome.jobs == {("flow_shard", SHARDS[1])} | AFTER_PACK
    assert shard_digests(project) == before
    assert_same_results(project, finished)
    assert project.plan().nothing_to_do


@pytest.mark.parametrize(
    ("path", "jobs"),
    [
        (
            "results/motions/frames/0000.h5",
            {("frames", "0000"), ("flow_shard", "0000")} | AFTER_PACK,
        ),
        ("results/motions/clips.h5", AFTER_PACK),
        ("results/motions/split1/4f/seed0/ds/model.pt", after_training(["ds"])),
        (
            "results/motions/split1/4f/seed0/mars/scores.h5",
            after_training(["mars"]) - {("train", "mars"), ("latency", "")} - OF_MODELS,
        ),
    ],
)
def test_whatever_is_deleted_is_planned_with_what_needs_it(project: Project, path, jobs):
    (project / path).unlink()
    assert project.plan().jobs == jobs
