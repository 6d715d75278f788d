"""Predictions as text, CSV and subtitles."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from dsnet import csvs
from dsnet.datasets.listing import readable
from dsnet.disk import PathLike
from dsnet.predict.prediction import Prediction, ranked
from dsnet.predict.segments import NONE, Segment
from dsnet.provenance import replacing

SHOWN = 3


def described(prediction: Prediction, threshold: float = 0) -> str:
    """Format a prediction in lines: likeliest classes, segments, and what was ignored."""
    best = ranked(prediction.classes, prediction.logits, SHOWN)
    shown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in best)
    if prediction.label(threshold) is None:
        shown = f"{NONE} ({shown})"
    lines = [readable(prediction.video), f"  whole video: {shown}"]
    for start, end, label, confidence in prediction.segments(threshold):
        share = f"{100 * confidence:.1f} %"
        shown = f"{label} {share}" if label else f"{NONE} (likeliest class {share})"
        lines.append(f"  {start:.2f} to {end:.2f} s: {shown}")
    ignored = prediction.duration - prediction.times[-1, 1]
    if ignored > 1e-6:
        lines.append(f"  the last {ignored:.2f} s fill no clip and were ignored")
    return "\n".join(lines)


def summary(predictions: Sequence[Prediction], threshold: float, failed: int) -> str:
    """Format how many videos have which class, and the cost of a clip, the median over videos."""
    counts = Counter(found.label(threshold) or NONE for found in predictions)
    classes = ", ".join(f"{readable(name)} {count}" for name, count in counts.most_common())
    lines = [f"{len(predictions)} videos: {classes}"] if len(predictions) > 1 else []
    if failed:
        lines.append(f"{failed} more could not be used")
    if predictions:
        lines.append(_cost(predictions))
    return "\n".join(lines)


def _cost(predictions: Sequence[Prediction]) -> str:
    first, median = predictions[0], statistics.median
    parts = {name: median(found.cost[name] for found in predictions) for name in first.cost}
    shown = ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items() if ms)
    cpu = median(found.network_cpu for found in predictions)
    threads = torch.get_num_threads()
    where = f"on {first.device}"
    where += f", flow by {first.backend}" if first.backend else ""
    return (
        f"{sum(parts.values()):.1f} ms per clip ({shown}) {where}; of CPU time, the network took "
        f"{cpu:.1f} ms per clip ({threads} thread{'s' if threads > 1 else ''}); opening a video "
        f"took {median(found.opening for found in predictions):.0f} ms"
    )


def write_csv(output: PathLike, predictions: Sequence[Prediction], threshold: float) -> None:
    """Write a table of segments: video, start, end (seconds), class, confidence (0 to 1)."""
    rows = [
        (readable(found.video), segment.start, segment.end, segment.name, segment.confidence)
        for found in predictions
        for segment in found.segments(threshold)
    ]
    table = pd.DataFrame(rows, columns=["video", "start", "end", "class", "confidence"])
    with replacing(output, sealed=False) as temporary:
        csvs.inert(table).to_csv(temporary, index=False)


def write_srt(output: PathLike, segments: Sequence[Segment]) -> None:
    """Write segments as subtitles in SubRip's format, UTF-8."""
    blocks = (
        f"{number}\n{_clock(segment.start)} --> {_clock(segment.end)}\n"
        f"{' '.join(segment.name.split())}{_share(segment)}\n"
        for number, segment in enumerate(segments, 1)
    )
    with replacing(output) as temporary:
        Path(temporary).write_text("\n".join(blocks), encoding="utf-8")


def _share(segment: Segment) -> str:
    return f", {100 * segment.confidence:.0f} %" if segment.label else ""


def _clock(seconds: float) -> str:
    ms = round(1000 * seconds)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"
