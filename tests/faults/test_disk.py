"""A full disk and results that are read-only: a clear message, no half file, and a rerun ends well.

Every stage's command is run by itself on a small file system that has half the room it needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checks import assert_same_results, assert_whole, leftovers, shard_digests
from mounts import fill, mount, resize, room, unmount
from project import RUN, Project
from stages import Stage, one, stages

from dsnet.cli import main
from dsnet.disk import DiskFullError, naming_full_disk
from dsnet.provenance import records

MB = 1 << 20
CLIPS = "results/motions/clips.h5"
# A stage of every kind, each after those that it needs.
WRITING = (
    ("videos", ""),
    ("manifest", ""),
    ("frames", "0000"),
    ("flow_shard", "0001"),
    ("pack", ""),
    ("train", "seed0/flow"),
    ("train", "seed0/ds"),
    ("evaluate", "seed0/ds"),
    ("fuse", "ds+flow.attention"),
    ("table1", ""),
    ("table2", ""),
    ("significance", ""),
    ("claims", ""),
    ("study", ""),
    ("figures", ""),
    ("contact", ""),
    ("bars", ""),
    ("attention", ""),
    ("cost", ""),
    ("intervals", "claims"),
    ("latency", ""),
)


@pytest.fixture(scope="module")
def on_small_disk(
    finished: Project, mounting: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, list[Stage]]]:
    """A copy of the finished run whose results lie on a file system of their own; its stages."""
    project = Project(tmp_path_factory.mktemp("disk") / "project")
    shutil.copytree(
        finished.folder, project.folder, symlinks=True, ignore=shutil.ignore_patterns("results")
    )
    (project / "results").mkdir()
    mount("-t", "tmpfs", "-o", f"size={64 * MB}", "none", str(project / "results"))
    shutil.copytree(finished / "results", project / "results", symlinks=True, dirs_exist_ok=True)
    yield project, stages(project)
    unmount(project / "results")


def size(path: Path) -> int:
    """Bytes of a file or of all files in a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.parametrize(("verb", "part"), WRITING)
def test_a_full_disk_is_named_and_leaves_no_half_file(
    on_small_disk, finished: Project, monkeypatch, caplog, capsys, verb: str, part: str
):
    project, found = on_small_disk
    stage = one(found, verb, part)
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(records, "PACKAGE", project / "dsnet")  # of no commit, as in a run
    needed = sum(size(finished / str(path)) for path in stage.outputs)
    for path in stage.outputs:
        remove(path)
    ballast = fill(project / "results", needed // 2)
    assert main(stage.arguments) == 1
    said = capsys.readouterr().out  # the log lies on the full disk
    assert "the disk is full" in said
    assert "the disk is full" in caplog.text
    assert str(stage.outputs[0].parent) in said
    made = [path for path in stage.outputs if path.exists() and size(path)]
    assert made != stage.outputs
    ballast.unlink()
    assert_whole(project) if verb != "videos" else None
    assert main(stage.arguments) == 0
    assert all(size(path) for path in stage.outputs)
    assert leftovers(project) == []


def test_after_full_disks_in_all_stages_the_results_are_those_of_an_undisturbed_run(
    on_small_disk, finished: Project
):
    assert_same_results(on_small_disk[0], finished)


FILLING = """
import os, sys
from pathlib import Path
from mounts import fill
from dsnet.disk import DiskFullError
from dsnet.store import Reader, Writer
ids = [f"video{number:03d}" for number in range(100)]
path = Path(sys.argv[1]) / "a.h5"
for left in range(0, 400, 4):
    with Writer(path, ["rgb"], {}) as writer:
        for id in ids[len(writer.done) :]:
            writer.add(id, {"rgb": [bytes(1000)] * 2})
        ballast = fill(path.parent, left << 10)
        try:
            writer.close(ids)
        except DiskFullError:
            assert not path.exists()
        ballast.unlink()
    assert list(path.parent.glob("*.tmp")) == []
    if path.exists():
        break
Reader(path).verify(ids, ["rgb"])
print("whole with", left, "kB")
"""


def test_a_disk_that_fills_up_at_any_byte_of_a_file_does_not_end_the_process(
    tmp_path: Path, small_disk: Callable[[Path, int], None]
):
    small_disk(tmp_path / "small", MB)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    outcome = subprocess.run(
        [sys.executable, "-c", FILLING, str(tmp_path / "small")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "whole with 2" in outcome.stdout


def test_a_run_out_of_room_goes_on_when_there_is_some(
    fresh: Project, finished: Project, small_disk: Callable[[Path, int], None]
):
    results = fresh / "results"
    small_disk(results, size(finished / "results/motions/videos") + MB // 4)
    outcome = fresh.snakemake(CLIPS)
    assert outcome.code != 0
    assert "the disk is full" in outcome.text, outcome.text
    assert "make room and run again" in outcome.text
    assert not (fresh / CLIPS).exists()
    assert room(results) >= 0
    assert_whole(fresh)
    resize(results, 64 * MB)
    fresh.finish(CLIPS)
    assert shard_digests(fresh) == shard_digests(finished)
    assert leftovers(fresh) == []


@pytest.mark.parametrize(
    ("deleted", "message"),
    [
        ("scores.h5", "results cannot be written to (Read-only file system)"),
        # Where other outputs of a job are there, it is Snakemake that looks at them.
        ("model.pt", "Write-protected output files for rule train"),
    ],
)
def test_read_only_results_are_named_before_anything_runs(
    project: Project, read_only: Callable[[Path], None], deleted: str, message: str
):
    wanted = f"{RUN}/rgb/{deleted}"
    (project / wanted).unlink()
    read_only(project / "results")
    outcome = project.snakemake(wanted)
    assert outcome.code != 0
    assert message in outcome.text, outcome.text
    assert "Traceback" not in outcome.text
    assert project.finish(CLIPS).nothing_to_do  # what is there can be looked at
    unmount(project / "results")
    project.finish(wanted)
    assert project.finish(wanted).nothing_to_do


@pytest.mark.parametrize("error", [RuntimeError("write failed"), OSError("errno = 28")])
def test_a_vague_error_is_blamed_on_the_disk_only_where_that_is_full(
    tmp_path: Path, small_disk: Callable[[Path, int], None], error: Exception
):
    def failing(folder: Path) -> None:
        with naming_full_disk(folder / "a.h5"):
            raise error

    with pytest.raises(type(error), match=str(error)):
        failing(tmp_path)
    small_disk(tmp_path / "full", 64 * 1024)
    fill(tmp_path / "full", 0)
    with pytest.raises(DiskFullError, match=r"full/a\.h5 could not be written: the disk is full"):
        failing(tmp_path / "full")
