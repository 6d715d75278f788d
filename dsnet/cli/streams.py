"""The verbs that train, score and fuse streams."""

from __future__ import annotations

import argparse
from pathlib import Path

from dsnet.cli.options import Verb, compute, paths, processes, spec


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    sub = verb(train)
    spec(sub, "see dsnet.config.train_spec")
    paths(sub, "clips")
    paths(sub, "output", help="folder of model.pt, history.csv and tensorboard/")
    sub.add_argument("--code", default="", help="digest of the code, recorded and kept to")
    sub.add_argument("--init", type=Path, help="weights to start from")
    sub.add_argument("--teacher", type=Path, help="model.pt to distill from")
    compute(sub)
    processes(sub)

    sub = verb(evaluate)
    paths(sub, "model", "clips", "output")
    compute(sub)
    processes(sub)

    sub = verb(fuse)
    spec(sub, "the config's fusion")
    sub.add_argument("--kind", required=True, help="average, attention, or a name of a plugin")
    paths(sub, "scores", nargs="+", help="of each stream")
    paths(sub, "output")


def train(options: argparse.Namespace) -> None:
    """Train one stream."""
    from dsnet import training

    training.train(
        options.spec,
        options.clips,
        options.output,
        options.code,
        options.init,
        options.teacher,
        options.device,
        options.workers,
        options.threads,
    )


def evaluate(options: argparse.Namespace) -> None:
    """Score all clips of the train, validation and test videos."""
    from dsnet import evaluation

    evaluation.evaluate(
        options.model,
        options.clips,
        options.output,
        options.device,
        options.workers,
        options.threads,
    )


def fuse(options: argparse.Namespace) -> None:
    """Fuse the scores of two or more streams by average or by attention."""
    from dsnet import fusion

    fusion.fuse(options.scores, options.kind, options.spec, options.output)
