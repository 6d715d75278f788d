"""When a run has a live view, what is in it, and what is printed as ever."""

import io
import logging
import re
import sys
import time

import pytest
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_dsnet import LogHandler
from snakemake_logger_plugin_dsnet.state import Job, Stage, State
from snakemake_logger_plugin_dsnet.trainings import Progress, last_epoch, progress
from snakemake_logger_plugin_dsnet.view import duration, trainings_left

COUNTS = {"all": 1, "frames": 2, "flow_shard": 2, "train": 2, "table1": 1, "total": 8}
RUN = {"dataset": "motions", "split": "1", "length": "16", "seed": "0"}
EPOCH = "2026-01-01 00:00:00,000 INFO dsnet.training: epoch={} lr=0.1 train_loss={} train_top1=8 val_loss=4.3 val_top1=12.5 seconds={} loss_ce=3 epochs=8\n"  # noqa: E501


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(event=None, text="", level=logging.INFO, **more):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(event=event, **more)
    return made


def begun(job, rule, log=(), **wildcards):
    return record(
        LogEvent.JOB_INFO,
        f"rule {rule}",
        jobid=job,
        rule_name=rule,
        wildcards=wildcards,
        log=list(log),
        **{"local": False, "is_checkpoint": False, "input": [], "output": [], "resources": {}},
        **{"rule_msg": None, "reason": "", "benchmark": None, "priority": 0, "threads": 1},
        shellcmd="",
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


@pytest.fixture
def make_handler(monkeypatch):
    """A handler as Snakemake makes it, that writes to a stream."""

    def make(stream, **settings):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "2"])
        return LogHandler(OutputSettings(show_failed_logs=True, **settings), None)

    return make


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
    """The log of a training of which two epochs of eight are over."""
    log = tmp_path / "train.log"
    log.write_text("starting\n" + EPOCH.format(1, 9, 100) + EPOCH.format(2, 1.2345, 100))
    return log


def test_the_last_whole_epoch_counts_and_the_time_left_is_that_of_the_others(training):
    with training.open("a") as file:
        file.write(EPOCH.format(3, 7, 1)[:110])  # being written
    found = progress(training)
    assert (found.epoch, found.epochs, found.train_loss, found.val_top1) == (2, 8, 1.2345, 12.5)
    assert found.each == 100
    assert 590 < found.left <= 600
    assert progress(training, since=time.time() + 60) is None  # of a training before this one
    assert progress(training.with_name("none.log")) is None
    training.write_text("starting\n")
    assert progress(training) is None


def test_stages_count_the_jobs_of_their_rules():
    state = State()
    state.plan(COUNTS)
    assert list(state.stages) == ["frames", "flow", "train", "tables and figures"]
    for job, rule in enumerate(("flow_shard", "flow_shard", "table1", "all")):
        state.update(begun(job, rule))
    state.update(ended(0))
    state.update(failed(1, "flow_shard"))
    state.update(ended(2))
    state.update(ended(3))
    flow = state.stages["flow"]
    assert (flow.total, flow.done, flow.failed) == (2, {0}, {1})
    assert state.stages["tables and figures"].done == {2, 3}  # Snakemake counts targets too
    assert state.jobs == {}
    state.update(begun(1, "flow_shard"))  # a second attempt
    assert flow.failed == set()
    state.update(ended(1))
    assert flow.done == {0, 1}


def test_the_time_left_of_a_stage_follows_its_speed():
    state = State()
    state.plan({"frames": 4, "total": 4})
    frames = state.stages["frames"]
    assert frames.left() is None
    frames.since, frames.done = time.time() - 60, {1}
    assert frames.left() == pytest.approx(180, abs=1)
    frames.done = {1, 2, 3, 4}
    assert frames.left() is None
    assert duration(3723.4) == "1:02:03"


def test_the_time_in_which_no_job_of_a_stage_ran_does_not_count(monkeypatch):
    state, now = State(), 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    state.plan({"table1": 1, "table2": 1, "cost": 1, "summary": 1, "train": 1, "total": 5})
    tables = state.stages["tables and figures"]
    state.update(begun(1, "table1"))
    state.update(begun(2, "table2"))
    now += 10
    state.update(ended(1))
    now += 10
    state.update(ended(2))
    assert tables.left() == 20  # two in 20 seconds, and two to come
    state.update(begun(3, "train"))
    now += 3600
    state.update(ended(3))
    state.update(begun(4, "cost"))
    assert tables.left() == 20
    now += 5
    state.update(ended(4))
    state.update(begun(5, "summary"))
    state.update(ended(5))
    assert tables.seconds == 25


def test_the_time_left_of_trainings_follows_their_epochs():
    job = Job(1, "train", {}, None)
    half, nearly = Progress(5, 10, 1.0, 1.0, 6.0, 30.0), Progress(9, 10, 1.0, 1.0, 4.0, 4.0)
    stage = Stage("train", total=5, done={7})
    assert trainings_left(stage, [(job, None)]) is None  # before the first epoch
    # one half done, one nearly, of 60 and 40 seconds; two that wait, of 50 as it seems
    assert trainings_left(stage, [(job, half), (job, nearly)]) == (30 + 4 + 2 * 50) / 2
    # one that has not finished an epoch counts whole
    assert trainings_left(stage, [(job, half), (job, None)]) == (30 + 60 + 2 * 60) / 2


def test_a_terminal_shows_stages_and_trainings_and_keeps_what_matters(training, make_handler):
    stream = Terminal()
    handler = make_handler(stream)
    handler.emit(record(None, "Building DAG of jobs..."))
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    handler.emit(begun(1, "frames", dataset="motions", shard="0000"))
    handler.emit(ended(1))
    handler.emit(begun(2, "train", [str(training)], stream="ds", **RUN))
    handler.live.refresh()
    handler.emit(record(None, "Select jobs to execute..."))
    handler.emit(record(None, "Removing temporary output results/motions/frames/0000.h5."))
    handler.emit(record(None, "something odd", logging.WARNING))
    handler.emit(ended(2))
    handler.emit(begun(3, "flow_shard", dataset="motions", shard="0000"))
    handler.emit(failed(3, "flow_shard", [str(training)]))
    handler.close()
    text = plain(stream)
    assert re.search(r"frames +\S+ +1/2", text)
    assert re.search(r"ds +motions/split1/16f/seed0 +2/8 +1\.23[45] +12\.5 % +0:", text)
    assert "trained ds of motions/split1/16f/seed0: 2 epochs, loss 1.23" in text
    assert "something odd" in text
    assert "Error in rule flow_shard" in text
    assert "snakemake results/x.h5 --cores 2" in text
    assert re.search(r"flow +\S+ +0/2 +1 failed", text)
    assert "2 of 8 jobs" in text
    assert text.count("Building DAG") == 1
    for words in ("Select jobs", "Removing", "rule frames", "Finished jobid"):
        assert words not in text
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        (io.StringIO, {}),
        (Terminal, {"dryrun": True}),
        (Terminal, {"quiet": {"progress"}}),
    ],
    ids=["a file", "a dry run", "quiet"],
)
def test_elsewhere_there_is_snakemakes_normal_log(make_handler, stream, changes):
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


def test_a_shard_of_flow_has_an_estimate_before_it_ends(tmp_path, make_handler):
    log = tmp_path / "flow.log"
    handler = make_handler(Terminal())
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    handler.emit(begun(1, "flow_shard", [str(log)], dataset="motions", shard="0000"))
    assert handler.state.jobs[1].share_of_flow() == 0
    told = "2026-01-01 00:00:00,000 INFO dsnet.shards: {} of 40 pairs, 1.0 per second, 1 min left\n"
    log.write_text(told.format(5) + told.format(10))
    assert handler.state.jobs[1].share_of_flow() == 0.25
    handler.state.stages["flow"].since -= 60  # of two shards, an eighth is done in a minute
    with handler.console.capture() as shown:
        handler.console.print(handler._view())
    handler.close()
    assert "0/2  1 running, 0:07:0" in shown.get()


@pytest.mark.parametrize("jobs", [48, 8])
def test_a_long_plan_is_told_by_rule_in_a_terminal(make_handler, jobs):
    stream = Terminal()
    handler = make_handler(stream, dryrun=True, stdout=False)
    for _ in range(2):  # Snakemake repeats its table
        handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats={**COUNTS, "total": jobs}))
        handler.emit(begun(1, "frames", dataset="motions", shard="0000"))
    handler.close()
    text = plain(stream)
    assert ("rule frames:" in text) == (jobs == 8)
    assert text.count("Job stats:") == (1 if jobs == 48 else 2)
    assert text.endswith("with | less after it.\n") == (jobs == 48)


def test_a_finished_run_ends_with_the_command_of_its_report(make_handler, monkeypatch):
    for stream in (Terminal(), io.StringIO()):
        handler = make_handler(stream)
        monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "2", "--configfile", "a b.yaml"])
        handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
        handler.emit(record(None, "add --report", report="results/report.zip"))
        handler.emit(record(None, "Elapsed time: 0:00:01"))
        handler.close()
        handler.close()
        text = plain(stream)
        command = "snakemake --report results/report.zip --cores 2 --configfile 'a b.yaml'"
        assert text.endswith(f"For a report of it: {command}\n")
        assert text.count("For a report") == 1
        assert "add --report" not in text


@pytest.mark.parametrize("first", ["Terminating processes on user request.", "bash"])
def test_errors_of_interrupted_jobs_are_not_shown_and_others_are(training, make_handler, first):
    died = "Command 'python' died with <Signals.SIGINT: 2>."
    handler = make_handler(stream := io.StringIO())
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    handler.emit(begun(1, "frames", dataset="motions", shard="0000"))
    handler.emit(failed(1, "frames"))
    handler.emit(begun(2, "train", [str(training)], stream="ds", **RUN))
    if first != "bash":
        handler.emit(record(None, first))
    handler.emit(record(LogEvent.ERROR, died, logging.ERROR))
    handler.emit(failed(2, "train"))
    handler.close()
    text = plain(stream)
    assert "Error in rule frames" in text
    assert "SIGINT" not in text
    assert "Error in rule train" not in text
    assert text.endswith(
        "Stopped after 0 of 8 jobs. The same command goes on after epoch 2 of ds "
        "(motions/split1/16f/seed0).\n"
    )


def test_a_training_that_went_on_counts_the_epochs_of_before(training):
    assert last_epoch(training, 0) == 2
    training.write_text("INFO dsnet.training: going on after epoch 48 of an interrupted training\n")
    assert last_epoch(training, 0) == 48
    assert last_epoch(training, time.time() + 60) == 0


def test_a_cluster_has_no_live_view(make_handler):
    handler = make_handler(Terminal())
    handler.emit(record(LogEvent.RESOURCES_INFO, "Provided remote nodes: 8", nodes=8))
    handler.emit(record(LogEvent.RESOURCES_INFO, "Provided resources: gpu=1"))
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    assert handler.live is None


def test_a_terminal_that_cannot_move_its_cursor_has_no_live_view(monkeypatch, make_handler):
    monkeypatch.setenv("TERM", "dumb")
    handler = make_handler(Terminal())
    handler.emit(record(LogEvent.RUN_INFO, "Job stats:", stats=COUNTS))
    assert handler.live is None
