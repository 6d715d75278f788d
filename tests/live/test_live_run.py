"""A run that fails, its end, and the command that it names, which a person watches."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys

import pytest
from project import OVERLAY, RUN, Project

MODEL = f"{RUN}/rgb/model.pt"


def watched(project: Project, command: list[str]) -> tuple[int, str]:
    """Run a command in a terminal; how it ended and all that it wrote."""
    ours, its = pty.openpty()
    environment = {**project.environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        command, cwd=project.folder, env=environment, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    written = b""
    try:
        while part := os.read(ours, 1 << 16):
            written += part
    except OSError:  # so Linux says that nobody has the terminal any more
        pass
    os.close(ours)
    return process.wait(timeout=60), written.decode()


def test_a_failure_shows_its_log_and_a_command_whose_progress_can_be_watched(project: Project):
    for name in ("rgb", "ds"):
        (project / f"{RUN}/{name}/model.pt").unlink()
    project.configure(training={"trainable": ["conv1", "nonsense"]})
    outcome = project.snakemake(MODEL, "--forcerun", "train")
    assert outcome.code != 0
    assert "\x1b" not in outcome.text
    assert "lines of its log" in outcome.text or "All of its log" in outcome.text
    assert f"{RUN.replace('results', 'results/logs')}/rgb/train.log:\n=" in outcome.text
    assert "the network has no nonsense" in outcome.text.split("of its log")[1]
    (command,) = re.findall(r"runs the job alone:\n +(snakemake .*)\n", outcome.text)
    assert shlex.split(command) == ["snakemake", MODEL, "--cores", "2", "--configfile", OVERLAY]

    project.configure()
    words = [sys.executable, "-m", *shlex.split(command)]
    code, text = watched(project, words)
    assert code == 0, text
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", text)
    assert re.search(r"train +\S+ +1/1 ", plain)
    assert "1 of 1 jobs" in plain  # alone: the other model that is missing stays so
    assert f"trained rgb of {RUN.removeprefix('results/')}: 2 epochs, loss " in plain
    assert "rule train:" not in plain
    assert (project / MODEL).exists()


@pytest.mark.parametrize("word", ["table1", MODEL])
def test_a_target_after_configfile_is_told_without_a_traceback(project: Project, word: str):
    outcome = project.snakemake("-n", overlays=[OVERLAY, word])
    assert outcome.code != 0
    assert "Traceback" not in outcome.text
    command = outcome.text.split("put targets first:\n")[1]
    assert shlex.split(command)[:2] == ["snakemake", word]
    assert project.snakemake(*shlex.split(command)[1:], overlays=[]).code == 0


def test_a_run_of_everything_names_the_command_of_its_report(project: Project):
    (project / "results/summary.html").unlink()
    outcome = project.finish()
    command = outcome.text.splitlines()[-1].removeprefix("For a report of it: ")
    made = project.snakemake(*shlex.split(command)[1:], overlays=[])
    assert made.code == 0, made.text
    assert (project / "results/report.zip").exists()
    (project / "results/tables/table1.csv").unlink()
    assert "report" not in project.finish("table1").text.splitlines()[-1]
