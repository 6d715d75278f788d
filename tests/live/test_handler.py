"""When a run shows a live summary, what is in it, and what is printed as ever."""

import io
import json
import logging
import re
import time
from types import SimpleNamespace

import pytest
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from dsnet.live.failures import Formatter
from dsnet.live.handler import Handler
from dsnet.live.state import Job, Stage, State
from dsnet.live.trainings import Progress, epochs, progress
from dsnet.live.view import duration, trainings_left

COUNTS = {"all": 1, "frames": 2, "flow_shard": 2, "train": 2, "table1": 1, "total": 8}
RUN = {"dataset": "motions", "split": "1", "length": "16", "seed": "0"}
EPOCH = "2026-01-01 00:00:00,000 INFO dsnet.training: epoch={} lr=0.1 train_loss={} train_top1=8 val_loss=4.3 val_top1=12.5 seconds={} loss_ce=3\n"  # noqa: E501


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(event=None, text="", level=logging.INFO, **more):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(event=event, **more)
    return made


def begun(job, rule, shellcmd="", log=(), **wildcards):
    return record(
        LogEvent.JOB_INFO,
        f"rule {rule}",
        jobid=job,
        rule_name=rule,
        wildcards=wildcards,
        log=list(log),
        shellcmd=shellcmd,
        **{"local": False, "is_checkpoint": False, "input": [], "output": [], "resources": {}},
        **{"rule_msg": None, "reason": "", "benchmark": None, "priority": 0, "threads": 1},
    )


def failed(job, rule, log=()):
    return record(
        LogEvent.JOB_ERROR,
        level=logging.ERROR,
        **{"jobid": job, "rule_name": rule, "log": list(log), "output": ["results/x.h5"]},
        **{
            "msg": None,
            "rule_msg": None,
            "input": [],
            "conda_env": None,
            "shellcmd": "",
            "aux": {},
        },
    )


def ended(job):
    return record(LogEvent.JOB_FINISHED, f"Finished jobid: {job}", job_id=job)


def make_handler(stream, local=True, **settings):
    rules = [SimpleNamespace(name=name, norun=name == "all") for name in COUNTS if name != "total"]
    output = OutputSettings(**settings)
    workflow = SimpleNamespace(rules=rules, local_exec=local, output_settings=output)
    return Handler(workflow, stream, False, Formatter(None, True, ["--cores", "2"]))


def plain(stream):
    """What was written, without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", stream.getvalue())


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def training(tmp_path):
    """The log of a training of which two epochs of eight are over, and its command."""
    log = tmp_path / "train.log"
    log.write_text("starting\n" + EPOCH.format(1, 9, 100) + EPOCH.format(2, 1.2345, 100))
    spec = json.dumps({"stream": {"training": {"epochs": 8}}})
    return log, f"python -m dsnet train --spec '{spec}' --output x 2> {log}"


def test_epochs_are_those_of_the_command(training):
    assert epochs(training[1]) == 8
    assert epochs("python -m dsnet evaluate --model 'a b'") is None
    assert epochs("") is None
    assert epochs(training[1].replace('"epochs": 8', '"epochs": 0')) is None


def test_the_last_whole_epoch_counts_and_the_time_left_is_that_of_the_others(training):
    log, _ = training
    with log.open("a") as file:
        file.write(EPOCH.format(3, 7, 1)[:110])  # being written
    found = progress(log, 8)
    assert (found.epoch, found.train_loss, found.val_top1, found.each) == (2, 1.2345, 12.5, 100)
    assert 590 < found.left <= 600
    assert progress(log, 8, since=time.time() + 60) is None  # of a training before this one
    assert progress(log.with_name("none.log"), 8) is None
    log.write_text("starting\n")
    assert progress(log, 8) is None


def test_stages_count_the_jobs_of_their_rules():
    state = State()
    state.plan(COUNTS, ["all"])
    assert list(state.stages) == ["frames", "flow", "train", "tables and figures"]
    for job, rule in enumerate(("flow_shard", "flow_shard", "table1", "all")):
        state.update(begun(job, rule))
    state.update(ended(0))
    state.update(failed(1, "flow_shard"))
    state.update(ended(2))
    state.update(ended(3))
    flow = state.stages["flow"]
    assert (flow.total, flow.done, flow.failed) == (2, {0}, {1})
    assert state.stages["tables and figures"].done == {2}
    assert state.jobs == {}
    state.update(begun(1, "flow_shard"))  # a second attempt
    assert flow.failed == set()
    state.update(ended(1))
    assert flow.done == {0, 1}


def test_the_time_left_of_a_stage_follows_its_speed():
    state = State()
    state.plan({"frames": 4}, [])
    frames = state.stages["frames"]
    assert frames.left() is None
    frames.started, frames.done = time.time() - 60, {1}
    assert frames.left() == pytest.approx(180, abs=1)
    frames.done = {1, 2, 3, 4}
    assert frames.left() is None
    assert duration(3723.4) == "1:02:03"


def test_the_time_left_of_trainings_follows_their_epochs():
    job = Job(1, "train", {}, None, 10)
    half, nearly = Progress(5, 1.0, 1.0, 6.0, 30.0), Progress(9, 1.0, 1.0, 4.0, 4.0)
    stage = Stage("train", total=5, done={7})
    assert trainings_left(stage, [(job, None)]) is None  # before the first epoch
    # one half done, one nearly, of 60 and 40 seconds; two that wait, of 50 as it seems
    assert trainings_left(stage, [(job, half), (job, nearly)]) == (30 + 4 + 2 * 50) / 2
    # one that has not finished an epoch counts whole
    assert trainings_left(stage, [(job, half), (job, None)]) == (30 + 60 + 2 * 60) / 2


def test_a_terminal_shows_stages_and_trainings_and_keeps_what_matters(training):
    log, command = training
    stream = Terminal()
    handler = make_handler(stream)
    handler.emit(record(None, "Building DAG of jobs..."))
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    handler.emit(begun(1, "frames", dataset="motions", shard="0000"))
    handler.emit(ended(1))
    handler.emit(begun(2, "train", command, [str(log)], stream="ds", **RUN))
    handler.live.refresh()
    handler.emit(record(None, "Select jobs to execute..."))
    handler.emit(record(None, "Removing temporary output results/motions/frames/0000.h5."))
    handler.emit(record(None, "something odd", logging.WARNING))
    handler.emit(ended(2))
    handler.emit(begun(3, "flow_shard", dataset="motions", shard="0000"))
    handler.emit(failed(3, "flow_shard", [str(log)]))
    handler.close()
    text = plain(stream)
    assert re.search(r"frames +\S+ +1/2", text)
    assert re.search(r"ds +motions/split1/16f/seed0 +2/8 +1\.23[45] +12\.5 % +0:", text)
    assert "trained ds of motions/split1/16f/seed0: 2 epochs, loss 1.23" in text
    assert "something odd" in text
    assert "Error in rule flow_shard" in text
    assert "snakemake results/x.h5 --cores 2" in text
    assert re.search(r"flow +\S+ +0/2 +1 failed", text)
    assert "2 of 7 jobs" in text
    assert text.count("Building DAG") == 1
    for words in ("Select jobs", "Removing", "rule frames", "Finished jobid"):
        assert words not in text
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        (io.StringIO, {}),
        (Terminal, {"local": False}),
        (Terminal, {"dryrun": True}),
        (Terminal, {"quiet": {"progress"}}),
    ],
    ids=["a file", "a cluster", "a dry run", "quiet"],
)
def test_elsewhere_snakemake_gives_its_own_account(stream, changes):
    shown = stream()
    handler = make_handler(shown, **changes)
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    assert handler.live is None
    handler.emit(begun(1, "frames", dataset="motions", shard="0000"))
    handler.emit(ended(1))
    text = plain(shown)
    assert "rule frames:" in text
    assert "Finished jobid: 1" in text
    assert ("\x1b" in shown.getvalue()) == (stream is Terminal)


def test_a_terminal_that_cannot_move_its_cursor_has_no_summary(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    handler = make_handler(Terminal())
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    assert handler.live is None
