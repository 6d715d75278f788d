"""A local server, and no waiting between attempts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from webserver import FileServer, serving

from dsnet.fetching import downloads


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "WAIT", 0.0)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    """A server of the folder ``web`` of the test."""
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as server:
        yield server
