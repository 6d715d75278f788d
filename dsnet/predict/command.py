"""The verb predict: text or JSON for files and folders of videos."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dsnet.datasets.listing import files_below, readable
from dsnet.figures.videos import check_name
from dsnet.predict.annotation import annotate
from dsnet.predict.classifier import VideoClassifier
from dsnet.predict.prediction import Prediction, ranked
from dsnet.predict.streams import PathLike, PredictError
from dsnet.provenance import keep_input

log = logging.getLogger(__name__)


def predict(
    paths: Sequence[PathLike],
    model: PathLike,
    flow: PathLike | bool = False,
    annotated: PathLike | None = None,
    as_json: bool = False,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Print the predictions of a model for videos to standard output.

    Args:
        paths: videos, and folders of videos; hidden files in these are ignored.
        model, flow, device: see :class:`VideoClassifier`.
        annotated: video file to write, with the running top-3; for a single video only.
        as_json: one JSON object per video and line (:meth:`Prediction.to_dict`); ``video`` and
            ``error`` for an unusable video.
        threads: CPU threads of the networks; the default is all cores.

    Raises:
        UserError: ``annotated`` does not name a video file, or is the video itself.
        PredictError: there are no videos, or some are unusable; all others are done first.
    """
    files = [
        file
        for path in map(Path, paths)
        for file in ([path / name for name in files_below(path)] if path.is_dir() else [path])
    ]
    if not files:
        raise PredictError(f"no videos in {', '.join(str(path) for path in paths)}")
    if annotated is not None:
        if len(files) > 1:
            raise PredictError(f"--annotate takes one video, and there are {len(files)}")
        check_name(annotated)
        keep_input(files[0], annotated)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    classifier = VideoClassifier(model, flow, device)
    failed = 0
    for file in files:
        try:
            found = classifier.predict(file)
        except PredictError as error:
            failed += 1
            log.error("%s", error)
            if as_json:
                print(json.dumps({"video": os.fspath(file), "error": str(error)}), flush=True)
            continue
        print(json.dumps(found.to_dict()) if as_json else described(found), flush=True)
        if annotated is not None:
            annotate(file, annotated, found, classifier.fps)
            log.info("wrote %s", annotated)
    if failed:
        raise PredictError(f"{failed} of {len(files)} videos could not be used, see above")


def described(prediction: Prediction, count: int = 3) -> str:
    """Format a prediction in lines: likeliest classes of the video and of each clip, and cost."""

    def line(logits: np.ndarray) -> str:
        best = ranked(prediction.classes, logits, count)
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in best)

    lines = [readable(prediction.video), f"  whole video: {line(prediction.logits)}"]
    for (start, end), logits in zip(prediction.times, prediction.clips, strict=True):
        lines.append(f"  {start:.2f} to {end:.2f} s: {line(logits)}")
    parts = ", ".join(f"{name} {ms:.1f}" for name, ms in prediction.cost.items() if ms)
    where = f"on {prediction.device}"
    where += f", flow by {prediction.backend}" if prediction.backend else ""
    lines.append(f"  {sum(prediction.cost.values()):.1f} ms per clip ({parts}) {where}")
    return "\n".join(lines)
