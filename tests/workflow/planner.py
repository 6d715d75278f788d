"""Snakemake in a fork of a process that has imported it: importing takes longer than planning."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("cv2", "ffmpeg", "h5py", "jsonschema", "pandas", "snakemake.cli", "snakemake.profiles"),
        *("snakemake.report.html_reporter", "snakemake.workflow"),
    ]
)


def snakemake(words: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run ``python -m snakemake`` with ``words`` in a folder; its exit code and what it says."""
    with tempfile.NamedTemporaryFile() as output:
        process = FORKS.Process(target=_become, args=(words, folder, environment, output.name))
        process.start()
        process.join(900)
        assert process.exitcode is not None, "Snakemake takes too long"
        return process.exitcode, output.read().decode()


def _become(words: list[str], folder: Path, environment: dict[str, str], output: str) -> None:
    assert "dsnet" not in sys.modules  # the folder has its own
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.argv = ["snakemake", *words]
    with open(output, "wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    runpy.run_module("snakemake", run_name="__main__")
