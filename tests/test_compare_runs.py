"""The benchmark that compares the streams of two runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from dsnet.scores import Part, Scores, write_scores

SCRIPT = Path(__file__).parents[1] / "benchmarks/compare_runs.py"


def test_two_runs_are_compared_stream_by_stream(tmp_path):
    labels = np.arange(40) % 2
    for run, wrong in (("a", 20), ("b", 4)):  # of forty videos
        said = np.where(np.arange(40) < wrong, 1 - labels, labels)
        clips = np.eye(2, dtype=np.float32)[said]
        ids = tuple(map(str, range(40)))
        part = Part(ids, labels, clips, np.ones(40, np.int64), ids)
        for seed in (0, 1):
            path = tmp_path / f"{run}/toy/split1/16f/seed{seed}/rgb/scores.h5"
            path.parent.mkdir(parents=True)
            write_scores(path, Scores({}, ("x", "y"), {"test": part}))
    command = [sys.executable, str(SCRIPT), str(tmp_path / "a"), str(tmp_path / "b"), "toy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1]
    assert row.startswith("| rgb | 50.0 ± 0.0 | 90.0 ± 0.0 | +40.0 | +")
    assert row.endswith("| 0.000 | 0.000 |")
