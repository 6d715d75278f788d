"""What a run does before its first job: locks, array tasks, folders, clocks."""

import fcntl
import os
import sys
import time
import zlib
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from dsnet import starting
from dsnet.config import ConfigError
from dsnet.errors import UserError

FETCHED = "results/{dataset}/fetched.json"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_error_that_a_user_can_mend_becomes_snakemakes():
    with pytest.raises(WorkflowError, match="put it there"), starting.explained():
        raise UserError("put it there")
    with pytest.raises(KeyError), starting.explained():
        raise KeyError("a bug")


# --- the lock of a run -------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path):
    """The lock that a killed run left."""
    lock = tmp_path / "locks/0.input.lock"
    lock.parent.mkdir()
    lock.touch()
    return lock


def test_a_killed_runs_lock_is_removed(tmp_path, left):
    with starting.forget_killed_runs(tmp_path):
        assert not left.exists()


def test_the_lock_of_a_run_that_lives_stays(tmp_path, left):
    with open(tmp_path / "alive", "w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with starting.forget_killed_runs(tmp_path):
            assert left.exists()


def test_a_run_says_that_it_is_alive(tmp_path):
    with starting.forget_killed_runs(tmp_path), open(tmp_path / "alive", "a") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_where_there_are_no_locks_of_files_snakemakes_stays(tmp_path, left, monkeypatch):
    def none(file, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(starting.fcntl, "flock", none)
    with starting.forget_killed_runs(tmp_path):
        assert left.exists()


# --- array tasks of Slurm ----------------------------------------------------------------------


@pytest.fixture
def executed(monkeypatch):
    """The commands that a task goes on as; the plugin's parser is given, as it may not be there."""
    commands = {"1": zlib.compress(b"first").hex(), "2": zlib.compress(b"second").hex()}
    plugin = SimpleNamespace(parse_array_execs=lambda text: {"all": commands}[text])
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm_jobstep", plugin)
    monkeypatch.setenv("SLURM_ARRAY_TASK_MIN", "1")
    found = []
    monkeypatch.setattr(starting.os, "execvp", lambda file, words: found.append(words))
    return found


@pytest.mark.parametrize(
    ("task", "words", "commands"),
    [
        ("1", ["--slurm-jobstep-array-execs", "all"], []),
        ("2", ["--slurm-jobstep-array-execs", "all"], [["sh", "-c", "second"]]),
        ("2", ["--cores", "1"], []),
    ],
)
def test_all_tasks_but_the_first_go_on_as_their_own_job(
    executed, monkeypatch, task, words, commands
):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
    monkeypatch.setattr(sys, "argv", ["snakemake", *words, "--snakefile", "Snakefile"])
    starting.become_own_array_task()
    assert executed == commands


# --- what must be there ------------------------------------------------------------------------


def test_a_folder_that_is_missing_is_named_with_what_to_do(config, here):
    starting.check_folders(config, FETCHED)  # of motions, which are made
    config["datasets"] = ["motions", "weizmann"]
    with pytest.raises(ConfigError) as caught:
        starting.check_folders(config, FETCHED)
    assert str(caught.value) == (
        f"catalogue.weizmann.videos: there is no folder data/weizmann (looked in {here}); "
        "put or link it there, or set the key to where it is; "
        "`dsnet fetch weizmann` or fetch: true gets it"
    )
    (here / "data/weizmann").mkdir(parents=True)
    starting.check_folders(config, FETCHED)


def test_a_folder_that_cannot_be_fetched_has_no_hint_to_do_so(config, here):
    config["catalogue"]["weizmann"]["kind"] = "folder"
    config["datasets"] = ["weizmann"]
    with pytest.raises(ConfigError, match=r"set the key to where it is$"):
        starting.check_folders(config, FETCHED)


def test_the_official_lists_are_missed_too(config, here):
    config["datasets"] = ["ucf101"]
    (here / "data/UCF-101").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"catalogue\.ucf101\.lists: .* data/ucfTrainTestlist"):
        starting.check_folders(config, FETCHED)


def test_a_folder_may_be_missing_until_it_is_fetched(config, here):
    config["datasets"] = ["weizmann"]
    config["catalogue"]["weizmann"]["fetch"] = True
    starting.check_folders(config, FETCHED)
    mark = here / FETCHED.format(dataset="weizmann")
    mark.parent.mkdir(parents=True)
    mark.touch()
    with pytest.raises(ConfigError, match=r"; delete results/weizmann/fetched\.json to have it"):
        starting.check_folders(config, FETCHED)


def test_weights_that_are_missing_are_named_by_stream(config, here):
    starting.check_pretrained(config)
    config["clip_lengths"] = [16, 64]
    config["streams"]["rgb"]["pretrained"] = "own_{clip_length}.pth"
    (here / "own_16.pth").touch()
    with pytest.raises(ConfigError, match=r"^streams\.rgb\.pretrained: .* own_64\.pth"):
        starting.check_pretrained(config)


def test_results_that_cannot_be_written(tmp_path, monkeypatch):
    results = tmp_path / "not/there/yet"
    starting.check_writable(results)
    assert list(tmp_path.iterdir()) == []

    def none(dir):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(starting.tempfile, "TemporaryFile", none)
    with pytest.raises(UserError, match=rf"^results: {tmp_path} cannot be written to \(Read-only"):
        starting.check_writable(results)


def test_no_result_stays_dated_in_the_future(tmp_path):
    now = time.time()
    times = {"old": now - 1000, "new": now + 1000, "folder/new": now + 1000}
    (tmp_path / "folder").mkdir()
    for name, date in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (date, date))
    (tmp_path / "link").symlink_to("nowhere")
    os.utime(tmp_path / "link", (now + 1000, now + 1000), follow_symlinks=False)
    starting.end_the_future(tmp_path)
    dates = {path.name: path.lstat().st_mtime for path in tmp_path.rglob("*")}
    assert max(dates.values()) <= time.time()
    assert (tmp_path / "old").stat().st_mtime == pytest.approx(now - 1000)
