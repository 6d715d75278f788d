"""Scores of clips and videos, and their file."""

from dsnet.scores.files import open_scores, read_scores, write_scores
from dsnet.scores.values import (
    Part,
    ScoreError,
    Scores,
    accuracies,
    aligned,
    confusion,
    metrics,
    per_class,
    softmax,
    topk,
)

__all__ = [
    "Part",
    "ScoreError",
    "Scores",
    "accuracies",
    "aligned",
    "confusion",
    "metrics",
    "open_scores",
    "per_class",
    "read_scores",
    "softmax",
    "topk",
    "write_scores",
]
