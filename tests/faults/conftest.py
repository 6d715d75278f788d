"""File systems to go wrong: small ones and read-only ones, where mounting is allowed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mounts import is_mounted, mount, unmount


@pytest.fixture(scope="session")
def mounting() -> None:
    """Skips where nothing can be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            mount("-t", "tmpfs", "-o", "size=64k", "none", folder)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs the right to mount a file system: {error}")
        unmount(Path(folder))


@pytest.fixture
def small_disk(mounting: None) -> Iterator[Callable[[Path, int], None]]:
    """A function that mounts an empty file system of some bytes at a folder."""
    mounted: list[Path] = []

    def make(folder: Path, size: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        mount("-t", "tmpfs", "-o", f"size={size}", "none", str(folder))
        mounted.append(folder)

    yield make
    for folder in mounted:
        unmount(folder)


@pytest.fixture
def read_only(mounting: None) -> Iterator[Callable[[Path], None]]:
    """A function that makes a folder read-only, for root too."""
    mounted: list[Path] = []

    def make(folder: Path) -> None:
        mount("--bind", str(folder), str(folder))
        mounted.append(folder)
        mount("-o", "remount,ro,bind", str(folder))

    yield make
    for folder in mounted:
        if is_mounted(folder):
            unmount(folder)
