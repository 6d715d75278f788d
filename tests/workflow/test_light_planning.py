"""Planning needs Snakemake, dsnet and few light packages; what computes is for the jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project

# What dsnet's jobs import, and planning does without.
HEAVY = ("cv2", "ffmpeg", "h5py", "imageio_ffmpeg", "matplotlib", "numba", "scipy", "torch")
HEAVY += ("tensorboard", "rarfile", "requests", "tqdm")


@pytest.fixture
def without(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH that makes every heavy import fail."""
    folder = tmp_path / "without"
    folder.mkdir()
    for name in HEAVY:
        (folder / f"{name}.py").write_text(f'raise ImportError("{name} is imported to plan")\n')
    return folder


@pytest.fixture
def conda(tmp_path: Path) -> Path:
    """A folder for PATH with a conda that says what Snakemake asks before it plans."""
    folder = tmp_path / "conda"
    folder.mkdir()
    answer = {"root_prefix": str(folder), "conda_prefix": str(folder), "platform": "linux-64"}
    answer |= {"conda_version": "24.7.1", "get": {"channel_priority": "strict"}}
    cases = f"--version) echo conda 24.7.1;; *) echo '{json.dumps(answer)}';;"
    (folder / "conda").write_text(f"#!/bin/sh\ncase $1 in {cases} esac\n")
    (folder / "conda").chmod(0o755)
    return folder


@pytest.mark.parametrize("words", [("-n",), ("--lint",), ("-n", "--sdm", "conda", "-p")])
def test_planning_imports_nothing_heavy(
    fresh: Project, without: Path, conda: Path, words: tuple[str, ...]
):
    environment = fresh.environment
    environment["PYTHONPATH"] = f"{without}:{environment['PYTHONPATH']}"
    environment["PATH"] = f"{conda}:{environment['PATH']}"
    command = [sys.executable, "-m", "snakemake", *words, "--configfile", "tiny.yaml"]
    done = subprocess.run(
        command, cwd=fresh.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "-n" in words:
        assert "rule train:" in done.stdout + done.stderr
