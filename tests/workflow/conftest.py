"""One finished run of the tiny experiment for all workers, and copies of it to work on."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from project import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The tiny experiment, run once; not to be changed."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent  # each worker of pytest-xdist has a folder of its own in it
    folder = shared / "finished"
    with open(shared / "finished.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait for the one that runs it
        if not folder.exists():
            project = Project.create(tmp_path_factory.mktemp("run") / "project")
            project.finish()
            project.folder.rename(folder)
    return Project(folder)


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run."""
    return finished.copy_to(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The tiny experiment before its first run."""
    return Project.create(tmp_path / "project")
