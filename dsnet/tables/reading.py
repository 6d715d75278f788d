"""What tables are made of, from the files of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsnet.scores import Scores, read_scores


def titled_scores(paths: Sequence[Path], titles: Mapping[str, str]) -> list[Scores]:
    """Read ``scores.h5`` files; the run of each gets the ``title`` of its data set.

    Raises:
        ScoreError: a file of another format or version.
        RemakeError: a file is damaged.
    """
    scores = [read_scores(path) for path in paths]
    for item in scores:
        item.run["title"] = titles[item.run["dataset"]]
    return scores


def titled_fusions(paths: Sequence[Path], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read the JSON of fusions in the same way."""
    fusions = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for fusion in fusions:
        fusion["run"]["title"] = titles[fusion["run"]["dataset"]]
    return fusions


def listed(scores: Sequence[Scores]) -> dict[str, int]:
    """By title, how many videos each data set lists."""
    return {item.run["title"]: item.run["n_listed"] for item in scores}
