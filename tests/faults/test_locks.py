"""A file system without locks: everything works, and one warning says what that costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NO_FLOCK = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int how) { errno = atoi(getenv("LOCK_ERRNO")); return -1; }
"""
WORK = """
import logging, sys
from pathlib import Path
from dsnet import gpus
from dsnet.provenance import alone
from dsnet.scores import open_scores
from dsnet.store import Reader, Writer
logging.basicConfig()
path = Path(sys.argv[1])
with alone(path), Writer(path, ["rgb"], {}) as writer:
    writer.add("a", {"rgb": [b"one", b"two"]})
    writer.close(["a"])
assert Reader(path).items("a", "rgb", verify=True) == [b"one", b"two"]
try:
    with open_scores(path):
        pass
except Exception as error:
    assert "is not a dsnet-scores file of version" in str(error), error
gpus.FOLDER = path.parent / "gpus"
assert gpus._wait_for(["GPU-1"], 1) == ["GPU-1"]
"""


@pytest.fixture(scope="module")
def no_flock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in whose place ``flock`` fails with the error LOCK_ERRNO."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("flock")
    (folder / "flock.c").write_text(NO_FLOCK)
    command = [compiler, "-shared", "-fPIC", "-o", "flock.so", "flock.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "flock.so"


@pytest.mark.parametrize("number", [37, 95, 524])
def test_without_locks_files_are_made_and_read_with_one_warning(no_flock, tmp_path, number):
    env = {**os.environ, "LD_PRELOAD": str(no_flock), "LOCK_ERRNO": str(number)}
    command = [sys.executable, "-c", WORK, str(tmp_path / "a.h5")]
    outcome = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.count("WARNING") == 1
    assert "no locks" in outcome.stderr
