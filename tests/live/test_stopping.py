"""Runs that a user stops, by Ctrl-C in a terminal and by signals, as processes."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest
from project import RUN, Project, kill_group, wait_for

MODEL = f"{RUN}/rgb/model.pt"
TRAIN_LOG = f"results/logs/{RUN.removeprefix('results/')}/rgb/train.log"
FLOW = "results/motions/flow/0000.h5"
NOISE = ("Traceback", "Error", "failed", "fixed the cause", "SIGINT")
# Snakemake, to which SIGTERM comes while it holds the scheduler's lock.
HOLDING = """
import os, signal, sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler
finish = JobScheduler._finish_jobs
def finish_and_signal(self):
    if self._tofinish:
        os.kill(os.getpid(), signal.SIGTERM)
    finish(self)
JobScheduler._finish_jobs = finish_and_signal
main(sys.argv[1:])
"""


class Watched:
    """A command in a terminal, in a process group of its own."""

    def __init__(self, project: Project, command: list[str]) -> None:
        ours, its = pty.openpty()
        environment = {**project.environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        self.written = b""
        self.process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=environment,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            text=True,
            # A shell has background jobs ignore it, and their children too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(its)
        self._reading = threading.Thread(target=self._read, args=(ours,))
        self._reading.start()

    def _read(self, terminal: int) -> None:
        try:
            while part := os.read(terminal, 1 << 16):
                self.written += part
        except OSError:  # so Linux says that nobody has the terminal any more
            pass
        os.close(terminal)

    @property
    def text(self) -> str:
        """What was written, without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", self.written.decode(errors="replace"))

    def interrupt(self) -> str:
        """Press Ctrl-C; what is written from then to the end."""
        begun = len(self.text)
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=120)
        self._reading.join()
        return self.text[begun:]


def command(project: Project, *words: str) -> list[str]:
    return [sys.executable, *project.command(*words)[1:]]


def test_ctrl_c_in_a_training_ends_with_the_epoch_that_the_same_command_goes_on_after(
    project: Project,
):
    project.configure(streams={"rgb": {"training": {"epochs": 2000}}})
    (project / TRAIN_LOG).unlink()
    run = Watched(project, command(project, MODEL))
    try:
        wait_for(
            lambda: bool(re.search(r"rgb +motions\S+ +([2-9]|\d\d+)/2000", run.text)),
            run.process,
            "epochs",
        )
        said = run.interrupt()
    finally:
        if run.process.poll() is None:
            kill_group(run.process)
    assert not any(word in said for word in NOISE), said
    epoch = re.findall(r"epoch=(\d+)", (project / TRAIN_LOG).read_text())[-1]
    assert said.rstrip().endswith(
        f"Stopped after 0 of 1 jobs. The same command goes on after epoch {epoch} of rgb "
        f"({RUN.removeprefix('results/')})."
    )
    again = project.start(MODEL)  # no lock is left
    try:
        sign = f"going on after epoch {epoch} of"
        logs = lambda: [path.read_text() for path in project.folder.glob(TRAIN_LOG)]  # noqa: E731
        wait_for(lambda: any(sign in text for text in logs()), again, "the next run")
    finally:
        kill_group(again)


def test_ctrl_c_in_flow_is_no_failure_in_a_log_either(project: Project):
    slow = {"nscales": 3, "warps": 20, "inner_iterations": 60, "outer_iterations": 20}
    project.configure(flow={"tvl1": slow})
    process = project.start(FLOW)
    try:
        sign = "results/motions/flow/.*.journal"
        wait_for(lambda: any(project.folder.glob(sign)), process, "flow")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 1
    finally:
        if process.poll() is None:
            kill_group(process)
    said = (project / "snakemake.log").read_text()
    assert not any(word in said for word in NOISE), said
    assert said.endswith("Stopped after 0 of 1 jobs. The same command goes on from there.\n")
    assert project.snakemake("--unlock").code == 0


def test_ctrl_c_while_planning_has_no_traceback(project: Project):
    run = Watched(project, command(project, "-n"))
    try:
        wait_for(lambda: "Building DAG" in run.text, run.process, "the plan")
        said = run.interrupt()
    finally:
        if run.process.poll() is None:
            kill_group(run.process)
    assert "Traceback" not in said
    assert said.rstrip().endswith("Stopped before the first job.")
    assert run.process.returncode == -signal.SIGINT


def test_sigterm_never_waits_for_the_scheduler_itself(project: Project):
    fused = f"{RUN}/fusion/rgb+flow.average.json"
    for path in (f"{RUN}/rgb/scores.h5", fused):
        (project / path).unlink()
    run = [sys.executable, "-c", HOLDING, *project.command(fused)[3:]]
    process = subprocess.Popen(
        run,
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        kill_group(process)
        pytest.fail("the run waits for itself")
    assert process.returncode == 1
    # A job that begins before the signal is handled counts as running, and finishes too.
    assert re.search(
        r"\nStopped after [12] of 2 jobs\. The same command goes on from there\.\n$", said
    )
    assert "At least one job" not in said
