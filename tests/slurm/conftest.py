"""One cluster for all workers, and one experiment that ran on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import forked
import pytest
from cluster import Cluster, shared
from packages import Unavailable
from project import Project, once
from runs import TARGETS, ClusterProject


@pytest.fixture(scope="session")
def cluster(shared_folder: Path) -> Iterator[Cluster]:
    """A Slurm of one node; a skip where there can be none."""
    try:
        with shared(shared_folder / "slurm") as running:
            yield running
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def done(shared_folder: Path, cluster: Cluster) -> ClusterProject:
    """Every rule of the tiny experiment that Slurm gets, run once; not to be changed."""

    def run(folder: Path) -> None:
        project = ClusterProject.of(Project.create(folder).folder, cluster)
        project.python = str(forked.programs() / "python")
        project.finish(*TARGETS)
        project.keep_jobs()

    return ClusterProject.of(once(shared_folder, "done-on-slurm", run), cluster)


@pytest.fixture
def project(done: ClusterProject, tmp_path: Path) -> ClusterProject:
    """A copy of that run, to go on with."""
    return ClusterProject.of(done.copy_to(tmp_path / "project").folder, done.cluster)
