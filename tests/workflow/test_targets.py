"""What can be asked for by name: table1, table2, flow, students."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from project import FLOW, FRAMES, RUN, SHARDS, STREAMS, STUDENTS, Project, fusions

BEFORE = {("videos", ""), ("manifest", "")} | FRAMES
TEACHER = {("train", "flow")}
PACK = {("pack", "")}


def of(rules: tuple[str, ...], streams: tuple[str, ...]) -> set[tuple[str, str]]:
    return {(rule, stream) for rule in rules for stream in streams}


SCORED = BEFORE | FLOW | PACK | of(("train", "evaluate"), STREAMS)
EXPECTED = {
    "flow": BEFORE | FLOW,
    "students": BEFORE | FLOW | PACK | TEACHER | of(("train", "evaluate"), STUDENTS),
    "table1": SCORED | fusions(STREAMS) | {("table1", "")},
    # Table 2 of the tiny experiment is about the students and the fusion of one with the teacher.
    "table2": BEFORE
    | FLOW
    | PACK
    | of(("train", "evaluate"), ("flow", *STUDENTS))
    | {("fuse_table2", ""), ("fuse_table2_figure", "")}
    | {("table2", "")},
}


@pytest.mark.parametrize("target", EXPECTED)
def test_a_stage_is_asked_for_by_name(fresh: Project, target: str):
    outcome = fresh.finish("-n", target)
    assert outcome.jobs - {(target, "")} == EXPECTED[target] - {(target, "")}


def test_only_what_is_missing_of_it_is_made(project: Project):
    (project / f"results/motions/flow/{SHARDS[1]}.h5").unlink()
    (project / f"{RUN}/ds/scores.h5").unlink()
    assert project.finish("-n", "flow").jobs == {("flow_shard", SHARDS[1]), ("flow", "")}
    # Snakemake does not miss what lies between, such as the flow here.
    assert project.finish("-n", "students").jobs == {("evaluate", "ds"), ("students", "")}


def test_another_recipe_has_results_of_its_own_and_the_same_data(project: Project):
    project.configure(results="results/other")
    outcome = project.finish("-n", "students")
    assert outcome.jobs - {("students", "")} == TEACHER | of(("train", "evaluate"), STUDENTS)


def test_data_that_another_experiment_uses_are_not_made_anew(project: Project):
    scores = "results/other/motions/split1/4f/seed0/flow/scores.h5"
    project.configure(results="results/other", frames={"quality": 80})
    plan = project.snakemake("-n", scores)
    assert plan.code != 0
    assert "data: results has other settings for motions, which would have" in plan.text
    assert "for both: frames.quality 95, here 80; take the same" in plan.text
    project.configure(frames={"quality": 80})  # its own it may change
    reasons = project.finish("-n", f"{RUN}/flow/scores.h5").reasons
    assert "Params have changed" in reasons["frames", SHARDS[0]]

    project.configure(results="results/other")
    assert project.finish(scores).jobs == TEACHER | of(("evaluate",), ("flow",))
    project.configure(frames={"quality": 80})
    plan = project.snakemake("-n")
    assert "data: results/other has other settings for motions, which" in plan.text
    shutil.rmtree(project / "results/other")
    assert project.finish("-n").jobs >= FRAMES | FLOW | PACK


def test_the_list_of_rules_says_what_each_does(fresh: Project):
    listed = fresh.snakemake("--list")
    assert listed.code == 0
    rules = re.findall(r"^(\w+)( \(.+\.\))?$", listed.text, re.M)
    assert {"train", "table1", "all", "flow"} <= {name for name, _ in rules}
    assert [name for name, words in rules if not words] == []


def test_jobs_run_the_code_beside_the_snakefile(fresh: Project, tmp_path: Path):
    """In every working directory, and before any dsnet that is installed."""
    first = "from dsnet.launching"
    fresh.edit("dsnet/__main__.py", first, f'print("of this copy")\n{first}')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = ["--snakefile", str(fresh / "Snakefile"), "--directory", str(elsewhere)]
    words += ["--workflow-profile", str(fresh / "profiles/default"), "results/motions/videos.json"]
    overlays = [str(fresh / "config.yaml"), str(fresh / "tiny.yaml")]
    environment = {k: v for k, v in fresh.environment.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        fresh.command(*words, overlays=overlays),
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "of this copy" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (f"{RUN}/fusion/mars+ds.average.json", "; a fusion is made if `tables` names it, as"),
        (f"{RUN}/resnet/model.pt", "; `snakemake --list` names the rules. In the path of"),
    ],
)
def test_a_target_that_cannot_be_made_is_told_with_a_reason(fresh: Project, target, said):
    outcome = fresh.snakemake("-n", target)
    assert outcome.code != 0
    assert f"No rule makes {target}{said}" in outcome.text


def test_a_fusion_can_be_asked_for_once_tables_name_it(fresh: Project):
    rows = [{"stream": "mars", "fuse": "ds"}]
    fresh.configure(tables={"study": [{"group": "Mine", "rows": rows}]})
    jobs = fresh.finish("-n", f"{RUN}/fusion/mars+ds.average.json").jobs
    assert ("fuse", "") in jobs
