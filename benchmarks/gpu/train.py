"""The part ``train``: ResNeXt-101 on real or built-in videos, by dsnet's command line."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from gpu.data import SMALL
from gpu.results import DATA, TINY, attempt

from dsnet import cli
from dsnet.experiment.networks import Training
from dsnet.scores import metrics, read_scores

# For speed (docs/performance.md), and a schedule for few epochs.
RECIPE = {"lr": 0.03, "schedule": "cosine", "clip_gradient": 5}
RECIPE |= {"epochs": 2, "warmup_epochs": 1} if TINY else {"epochs": 30, "warmup_epochs": 3}
FAST = {"precision": "bfloat16", "deterministic": False, "autotune": True}


def train() -> None:
    """Train a teacher and a student, and score both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        teacher = str(folder / "flow/model.pt")
        attempt("flow", _train, folder, "flow")
        attempt("ds", _train, folder, "ds", "--init", teacher, "--teacher", teacher)
        for stream in ("flow", "ds"):
            attempt(f"scores of {stream}", _evaluate, folder, stream)


def _dsnet(*words: str | Path) -> float:
    """Run a verb of dsnet, and return its seconds."""
    # Built-in videos are so few that batches would wait for many processes to start.
    workers = 0 if TINY else min(Training().n_workers(), 8)
    more = ["--clips", DATA / "clips.h5", "--threads", 2, "--workers", workers]
    start = time.perf_counter()
    if cli.main([str(word) for word in (*words, *more)]):
        raise RuntimeError(f"dsnet {words[0]} failed; see log.txt")
    return time.perf_counter() - start


def _train(folder: Path, stream: str, *given: str) -> dict[str, Any]:
    specs = json.loads((DATA / "specs.json").read_text(encoding="utf-8"))
    spec, output = specs["streams"][stream], folder / stream
    spec["stream"]["training"] |= RECIPE | (FAST if torch.cuda.is_available() else {})
    if TINY:
        spec["model"] = SMALL
    seconds = _dsnet(
        "train", "--spec", json.dumps(spec), "--code", "gpu-check", *given, "--output", output
    )
    rows = pd.read_csv(output / "history.csv")
    return {
        "seconds": seconds,
        "epochs": len(rows),
        "seconds_per_epoch": statistics.median(rows["seconds"]),
        "first": rows.iloc[0].dropna().to_dict(),
        "last": rows.iloc[-1].dropna().to_dict(),
        "best_val_top1": float(rows["val_top1"].max()),
    }


def _evaluate(folder: Path, stream: str) -> dict[str, float]:
    output = folder / f"{stream}.h5"
    seconds = _dsnet("evaluate", "--model", folder / stream / "model.pt", "--output", output)
    return {"seconds": seconds, **metrics(read_scores(output).parts["test"])}
