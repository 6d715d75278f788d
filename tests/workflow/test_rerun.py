"""What a change makes Snakemake do again: what depends on it, and nothing else."""

import shutil

import pytest
from checks import shard_digests
from project import (
    AFTER_PACK,
    EVERYTHING,
    FLOW,
    OF_MODELS,
    RUN,
    SHARDS,
    STREAMS,
    STUDENTS,
    TABLES,
    TINY,
    Project,
    after_training,
    fusions,
)

# All that is drawn of scores, histories, clips or tables, and the page that tells of all jobs.
DRAWN = {("figures", ""), ("contact", ""), ("attention", ""), ("bars", ""), ("cost", "")}
DRAWN |= {
    ("intervals", "claims"),
    ("intervals", "study"),
    ("feature_maps", ""),
    ("summary", ""),
    ("provenance", ""),
}
AFTER_TRAINING = after_training(STREAMS)
SCORED = {job for job in AFTER_TRAINING - OF_MODELS if job[0] not in ("train", "latency")}
ATTENTION = fusions(STREAMS) - {("fuse_table2", "")}  # which only averages
# A kind of edit: the file, what it says and is to say, and the jobs that it causes.
EDITS = {
    "MSE": ("losses/mse.py", ".square()", ".abs()", after_training(["mars"]) - {("latency", "")}),
    "MAE": ("losses/mae.py", "(means).mean()", "(means).sum()", after_training(["ds"])),
    "Gram": ("losses/gram.py", "2 * given[0]", "3 * given[0]", after_training(["ds"])),
    "teacher": (
        "models/frozen.py",
        "(network.folds())",
        "(network.folds())[1:]",
        after_training(STUDENTS),
    ),
    "backbone": ("models/resnext3d.py", "MaxPool3d(3,", "MaxPool3d(5,", AFTER_TRAINING),
    "crop": (
        "clips/sampling.py",
        "rng.random() < 0.5",
        "rng.random() < 0.6",
        after_training(STREAMS),
    ),
    "sampling": (
        "clips/sampling.py",
        "stride), 0) + 1",
        "stride), 0) + 2",
        after_training(STREAMS),
    ),
    "augmentation": (
        "clips/augmentation.py",
        "(1 + own.zoom)",
        "(2 + own.zoom)",
        after_training(["rgb"]) - {("table2", "")},
    ),
    "schedule": ("training/schedule.py", "0.5 * (1 +", "0.6 * (1 +", AFTER_TRAINING),
    "step": ("training/steps.py", "set_to_none=True", "set_to_none=False", AFTER_TRAINING),
    "evaluation": ("scoring.py", "len(ids)", "len(ids) + 1", SCORED),
    "attention": (
        "fusion/attention.py",
        "softmax(dim=1)",
        "sigmoid()",
        ATTENTION | TABLES - {("significance", "")} | {("attention", "")},
    ),
    "statistics": (
        "tables/statistics.py",
        "np.std(values, ddof=1)",
        "np.std(values)",
        TABLES | {("classes", "")},
    ),
    "colour": ("figures/style.py", "#0072B2", "#0072B3", DRAWN | {("classes", "")}),
    "CSS": (
        "tables/formats.py",
        "border-collapse: collapse",
        "border-collapse: separate",
        TABLES | {("classes", "")},
    ),
}
# What follows are edits that concern nothing.
MESSAGES = {
    "a message": ("disk.py", "disk is full", "disk has no room left"),
    "a log line": ("provenance/files.py", "waiting for another process", "waiting for a process"),
    "the lock": (
        "provenance/files.py",
        "fcntl.LOCK_EX)\n        with",
        "fcntl.LOCK_SH)\n        with",
    ),
    "a message beside arithmetic": ("training/gradients.py", "a lower lr, ", "a lower rate, "),
    "a docstring": ("losses/mae.py", '"""Equation 2: the mean', '"""Equation 2, the mean'),
    "a comment": ("clips/transforms.py", "# Whole rows, over", "# By rows, over"),
    "an annotation": ("losses/features.py", "student: Tensor", "student: object"),
    "the checksums": ("store/reader.py", "zlib.crc32(", "zlib.adler32("),
    "the progress bar": ("training/__init__.py", 'unit="epoch"', 'unit="pass"'),
    "an option": ("cli/options.py", "import argparse\n", "import argparse\n\nOPTION = 1\n"),
    "a rule's command": ("stages/stage.py", " 2> {{log:q}}", " 2>> {{log:q}}"),
    "doctor": ("doctor/machine.py", "import os\n", "import os\n\nD = 1\n"),
    "predict": ("predict/classifier.py", "import logging\n", "import logging\n\nP = 1\n"),
    "export": ("export.py", "import logging\n", "import logging\n\nE = 1\n"),
    "the page of show": ("pages/templates/show.html", "What does", "What, then, does"),
    "show": ("show/server.py", "import logging\n", "import logging\n\nS = 1\n"),
    "benchmark": ("benchmark.py", "import logging\n", "import logging\n\nB = 1\n"),
    "fetching": ("fetching/downloads.py", "import logging\n", "import logging\n\nF = 1\n"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_causes_what_it_can_change(project: Project, kind: str):
    path, old, new, jobs = EDITS[kind]
    project.edit(f"dsnet/{path}", old, new)
    plan = project.plan()
    assert plan.jobs == jobs
    trained = [reason for (rule, _), reason in plan.reasons.items() if rule == "train"]
    assert not trained or any(reason.startswith("Params have changed") for reason in trained)


def test_words_and_plumbing_concern_nothing(project: Project):
    for path, old, new in MESSAGES.values():
        project.edit(f"dsnet/{path}", old, new)
    plan = project.plan()
    assert plan.nothing_to_do, plan.reasons


def test_results_of_other_code_are_adopted(project: Project):
    path, old, new, _ = EDITS["backbone"]
    project.edit(f"dsnet/{path}", old, new)
    before = shard_digests(project), (project / f"{RUN}/ds/model.pt").read_bytes()
    assert not project.plan().nothing_to_do
    project.finish("--touch")
    assert project.plan().nothing_to_do
    assert (shard_digests(project), (project / f"{RUN}/ds/model.pt").read_bytes()) == before


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
    after = TABLES - {("significance", "")} | {("attention", "")}
    assert project.plan().jobs == ATTENTION | after


def test_where_to_compute_concerns_nothing(project: Project):
    project.configure(training={"threads": 2, "device": "cpu", "workers": 1, "gpus": 1})
    project.configure(flow={"gpus": 1})
    assert project.plan().nothing_to_do


def test_the_place_of_the_project_concerns_nothing(project: Project, tmp_path):
    project.folder.rename(tmp_path / "elsewhere")
    assert Project(tmp_path / "elsewhere").plan().nothing_to_do


def test_a_deleted_shard_is_made_again_with_what_needs_it(finished: Project, project: Project):
    before = shard_digests(finished)
    shard = f"results/motions/flow/{SHARDS[1]}.h5"
    (project / shard).unlink()
    assert project.plan().jobs == {("flow_shard", SHARDS[1])} | AFTER_PACK
    # Snakemake does not miss what lies between, unless it is asked for.
    outcome = project.finish(shard, "results/motions/clips.h5")
    assert outcome.jobs == {("flow_shard", SHARDS[1]), ("pack", "")}
    assert shard_digests(project) == before
    # Its content is as before, so that what follows was made of it.
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
        (
            f"{RUN}/fusion/ds+rgb.average.json",
            {("fuse", "")} | TABLES - {("table2", ""), ("significance", "")},
        ),
        (
            f"{RUN}/fusion/ds+flow.average.json",
            {("fuse_table2", "")} | TABLES - {("significance", "")},
        ),
    ],
)
def test_whatever_is_deleted_is_planned_with_what_needs_it(project: Project, path, jobs):
    (project / path).unlink()
    assert project.plan().jobs == jobs
