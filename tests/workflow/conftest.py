"""The tiny experiment to work on: run already, or not yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import Project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run."""
    return finished.copy_to(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The tiny experiment before its first run."""
    return Project.create(tmp_path / "project")
