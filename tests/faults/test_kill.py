"""SIGKILL in the middle of every stage; unlocked and restarted, a run ends as an undisturbed one.

DSNET_KILL_ROUNDS sets how many runs are disturbed in all stages, each run at other moments.
Without it one run is disturbed in every third stage. The kills alternate: one hits Snakemake with
its jobs, the next hits Snakemake alone. Its jobs live on then, while the next run starts them
again. The next round swaps the two.
"""

import os
import platform
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from checks import assert_same_results, assert_whole, leftovers, shard_digests, state_dict
from project import RUN, SHARDS, Project, kill_group, wait_for

from dsnet.fusion import KEPT
from dsnet.provenance import replacing

ROUNDS = int(os.environ.get("DSNET_KILL_ROUNDS", "0"))
FLOWS = tuple(f"results/motions/flow/{shard}.h5" for shard in SHARDS)
LOGS = "results/logs/motions/split1/4f/seed0"
# What shows that a stage is at work, up to how many seconds later it is killed, and what it makes,
# where the run killed before may have come as far.
STAGES = {
    "videos": ("results/motions/.videos.partial/*/*.mp4", 0.2),
    "manifest": ("results/logs/motions/manifest.log", 0.5),
    "frames": ("results/motions/frames/.*.journal", 0.2),
    "flow": ("results/motions/flow/.*.journal", 0.2),
    "pack": ("results/motions/.clips.h5.journal", 0.02),
    "teacher": (f"{RUN}/flow/.checkpoint.pt", 0.05),
    "student": (f"{RUN}/ds/.checkpoint.pt", 0.05, f"{RUN}/ds/model.pt"),
    "evaluate": (f"{LOGS}/ds/evaluate.log", 1.5, f"{RUN}/ds/scores.h5"),
    "fuse": (
        f"{LOGS}/fusion/fuse_table2_figure.log",
        1.5,
        f"{RUN}/fusion/ds+flow.attention.json",
        f"{RUN}/fusion/{KEPT}/ds+flow.attention.json",
    ),
    "tables": ("results/logs/table1.log", 1.0, "results/tables/table1.csv"),
    "figures": (
        "results/logs/figures/motions-split1-4f.log",
        1.0,
        "results/figures/motions-split1-4f-training.png",
    ),
    "latency": ("results/logs/latency.log", 1.0, "results/tables/latency.csv"),
}
# Without rounds, every third stage, and of the results what these need. Forks then make what comes
# before a stage.
CHOSEN = STAGES if ROUNDS else dict(list(STAGES.items())[::3])
RULES = {"flow": "flow_shard", "student": "train", "tables": "table1"}
TARGETS = () if ROUNDS else (STAGES["tables"][-1],)


@pytest.mark.parametrize("round", range(ROUNDS or 1))
def test_a_run_killed_in_every_stage_ends_as_an_undisturbed_one(
    fresh: Project, finished: Project, round: int
):
    moments = random.Random(round)
    killed = []
    try:
        for number, (stage, (sign, longest, *made)) in enumerate(CHOSEN.items()):
            for path in made:
                (fresh / path).unlink(missing_ok=True)
            if not ROUNDS:
                fresh.finish(*TARGETS, "--omit-from", RULES.get(stage, stage))
            before = now(fresh)
            process = fresh.start(*TARGETS)
            killed.append(process)
            wait_for(lambda sign=sign, t=before: written_after(fresh, sign, t), process, stage)
            time.sleep(moments.uniform(0, longest))
            assert process.poll() is None, f"the run ended before it could be killed in {stage}"
            if (round + number) % 2:
                process.kill()  # its jobs go on
                process.wait()
            else:
                kill_group(process)
                assert_whole(fresh)
            fresh.finish("--unlock")
        fresh.finish(*TARGETS)
        deadline = time.monotonic() + 60
        while any(map(has_members, killed)):  # a job may outlive the run that made its files anew
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        for process in killed:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert_whole(fresh)
    assert_same_results(fresh, finished, *TARGETS)
    assert leftovers(fresh) == []
    assert fresh.finish("-n", *TARGETS).nothing_to_do


def has_members(group: subprocess.Popen[str]) -> bool:
    """Whether a process lives in the group that ``group`` began."""
    try:
        os.killpg(group.pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_next_run_removes_what_killed_jobs_left_of_files_that_nobody_makes_again(
    project: Project,
):
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, alive, elsewhere = (
        project / f"results/tables/.old.csv.{node}.{process}.tmp"
        for node, process in (
            (platform.node(), ended.pid),
            (platform.node(), os.getpid()),
            ("elsewhere", ended.pid),
        )
    )
    for path in (left, alive, elsewhere):
        path.touch()
    (project / "results/tables/table1.csv").unlink()
    project.finish("table1")
    assert not left.exists()
    assert alive.exists()
    assert elsewhere.exists()


def now(project: Project) -> int:
    """The file system's time in nanoseconds."""
    mark = project / "mark"
    mark.touch()
    return mark.stat().st_mtime_ns


def written_after(project: Project, pattern: str, moment: int) -> bool:
    """Whether a file of this pattern was written to after a moment of :func:`now`."""
    for path in project.folder.glob(pattern):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime_ns > moment:
                return True
    return False


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path):
    path = tmp_path / "a[1].md"
    script = (
        "import os, signal, sys; from dsnet.provenance import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    assert not path.exists()
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [path]


def test_a_job_that_outlives_its_killed_run_does_no_harm(project: Project):
    slow = {"nscales": 3, "warps": 8, "inner_iterations": 30, "outer_iterations": 10}
    project.configure(flow={"tvl1": slow})
    for path in (project / "results/motions/flow").glob("*.h5"):
        path.unlink()
    process = project.start(*FLOWS)
    try:
        sign = "results/motions/flow/.*.journal"
        wait_for(lambda: any(project.folder.glob(sign)), process, "flow")
        os.kill(process.pid, signal.SIGKILL)  # Snakemake alone; its jobs live on
        os.killpg(process.pid, signal.SIGSTOP)  # and do not end before the second run's begin
        process.wait()
        project.finish("--unlock")
        again = project.start(*FLOWS)
        wait_for(lambda: len(list_jobs(project)) > 2, again, "the second run's jobs")
        os.killpg(process.pid, signal.SIGCONT)
        assert again.wait() == 0, (project / "snakemake.log").read_text() + project.logs()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert_whole(project)


def list_jobs(project: Project) -> list[str]:
    """The processes that compute flow in this project."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            at_work = os.readlink(path / "cwd") == str(project.folder)
        except OSError:
            continue
        if at_work and words[1:4] == [b"-m", b"dsnet", b"flow_shard"]:
            found.append(path.name)
    return found


def test_a_second_run_is_refused_while_the_first_is_alive(project: Project, finished: Project):
    for path in ("results/motions/clips.h5", f"{RUN}/flow/model.pt", f"{RUN}/ds/model.pt"):
        (project / path).unlink()
    process = project.start(f"{RUN}/ds/model.pt")
    try:
        sign = project / "results/logs/motions/pack.log"
        sign.unlink()
        wait_for(sign.exists, process, "pack")
        os.killpg(process.pid, signal.SIGSTOP)  # it lives, and does not end before the second
        assert project.plan().jobs  # a look at the plan is no run
        outcome = project.snakemake()
        os.killpg(process.pid, signal.SIGCONT)
        assert outcome.code != 0
        assert "Directory cannot be locked" in outcome.text
        assert process.wait() == 0
        assert shard_digests(project) == shard_digests(finished)
        own, others = state_dict(project, "ds"), state_dict(finished, "ds")
        assert all(torch.equal(own[name], others[name]) for name in others)
    finally:
        if process.poll() is None:
            kill_group(process)
