"""`keep: clips`: shards of frames and flow are removed once they are packed, and not missed."""

import shutil

import pytest
from project import AFTER_PACK, FLOW, FRAMES, SHARDS, Project, after_training

from dsnet.store import Reader

DATASET = "results/motions"
CLIPS = f"{DATASET}/clips.h5"
ALL = {f"{kind}/{shard}.h5" for kind in ("frames", "flow") for shard in SHARDS}
PACK = {("pack", "")}
OTHER = {"results": "results/other"}  # another recipe with the same data


def shards(project: Project) -> set[str]:
    """The shards that are there."""
    folder = project / DATASET
    return {str(path.relative_to(folder)) for path in folder.glob("*/*.h5")}


@pytest.fixture
def slim(project: Project) -> Project:
    """A run that kept all, whose frames and flow were deleted by hand."""
    for kind in ("frames", "flow"):
        shutil.rmtree(project / DATASET / kind)
    project.configure(keep="clips")
    return project


def test_shards_are_removed_once_they_are_packed(finished: Project, project: Project):
    project.configure(keep="clips")
    (project / CLIPS).unlink()
    (project / DATASET / "flow" / f"{SHARDS[1]}.h5").unlink()
    # Otherwise Snakemake removes the frames, and the run that packs computes both again.
    outcome = project.finish("--notemp", "--until", "flow_shard")
    assert outcome.jobs == {("flow_shard", SHARDS[1])}
    assert shards(project) == ALL
    assert project.finish(CLIPS).jobs == PACK
    assert shards(project) == set()
    assert Reader(project / CLIPS).digest == Reader(finished / CLIPS).digest
    assert project.plan().nothing_to_do


def test_a_run_from_videos_to_tables_removes_them(fresh: Project):
    fresh.configure(keep="clips")
    text = fresh.plan().text
    assert {shard for shard in ALL if f"remove temporary output {DATASET}/{shard}" in text} == ALL
    assert text.count("remove temporary output") == len(ALL)


def test_deleted_shards_are_not_missed(slim: Project):
    assert slim.plan().nothing_to_do
    assert slim.finish("-n", "flow").nothing_to_do


def test_the_flow_bound_needs_the_frames_again(slim: Project):
    slim.configure(keep="clips", flow={"bound": 4})
    plan = slim.plan()
    assert plan.jobs == FRAMES | FLOW | AFTER_PACK
    assert all("Params have changed" in plan.reasons[job] for job in FLOW)


def test_the_weight_of_a_loss_needs_no_frames(slim: Project):
    slim.configure(keep="clips", streams={"mars": {"losses": {"mse": {"weight": 49}}}})
    assert slim.plan().jobs == after_training(["mars"]) - {("latency", "")}


def test_flow_by_name_makes_the_clips(slim: Project):
    (slim / CLIPS).unlink()
    assert slim.finish("-n", "flow").jobs == FRAMES | FLOW | PACK | {("flow", "")}


@pytest.mark.parametrize("keep", ["all", "clips"])
def test_shards_of_other_results_are_not_missed(slim: Project, keep: str):
    slim.configure(keep=keep, **OTHER)
    # All that is not in the folder of the data; what is there is complete.
    assert slim.plan().jobs == AFTER_PACK - PACK


def test_a_run_beside_the_default_one_keeps_as_it_is_told(project: Project):
    project.configure(keep="all", **OTHER)
    (project / CLIPS).unlink()
    assert project.finish(CLIPS).jobs == PACK
    assert shards(project) == ALL
    project.configure(keep="clips", **OTHER)
    (project / CLIPS).unlink()
    assert project.finish(CLIPS).jobs == PACK
    assert shards(project) == set()
