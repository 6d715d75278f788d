"""The verb predict: files and folders of videos to lines of text or JSON."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from dsnet.datasets.listing import files_below, readable
from dsnet.figures.videos import check_name
from dsnet.predict.annotation import annotate
from dsnet.predict.classifier import VideoClassifier
from dsnet.predict.prediction import Prediction, ranked
from dsnet.predict.streams import PathLike, PredictError
from dsnet.provenance import keep_input
from dsnet.scores import softmax

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
    """Print what a model says of videos, to standard output.

    Args:
        paths: videos, and folders whose files are all taken for videos but for hidden ones.
        model: see :class:`VideoClassifier`, as for ``flow`` and ``device``.
        annotated: video file to write, the given one with the running top-3; of a single one only.
        as_json: one JSON object per video and line (:meth:`Prediction.to_dict`); of a video that
            cannot be used, ``video`` and ``error``.
        threads: CPU threads of the networks; all cores by default.

    Raises:
        UserError: ``annotated`` does not name a video file, or is the video itself.
        PredictError: there are no videos, or some could not be used; the others are done by then.
    """
    files = list(_files(paths))
    if not files:
        raise PredictError(f"no videos in {', '.join(str(path) for path in paths)}")
    if annotated is not None and len(files) > 1:
        raise PredictError(f"--annotate takes one video, and there are {len(files)}")
    if annotated is not None:
        check_name(annotated)
        keep_input(files[0], annotated)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    classifier = VideoClassifier(model, flow, device)
    failed = 0
    for file in files:
        found = _say(classifier, file, as_json)
        if found is None:
            failed += 1
        elif annotated is not None:
            annotate(file, annotated, found, classifier.fps)
            log.info("wrote %s", annotated)
    if failed:
        raise PredictError(f"{failed} of {len(files)} videos could not be used, see above")


def _say(classifier: VideoClassifier, file: Path, as_json: bool) -> Prediction | None:
    """Print what a model says of a video; ``None`` where the video cannot be used."""
    try:
        found = classifier.predict(file)
    except PredictError as error:
        log.error("%s", error)
        if as_json:
            print(json.dumps({"video": os.fspath(file), "error": str(error)}), flush=True)
        return None
    print(json.dumps(found.to_dict()) if as_json else described(found), flush=True)
    return found


def described(prediction: Prediction, count: int = 3) -> str:
    """A prediction in lines: the likeliest classes of the video and of each clip, and the cost."""

    def line(found: Sequence[tuple[str, float]]) -> str:
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in found)

    lines = [readable(prediction.video), f"  whole video: {line(prediction.top(count))}"]
    for (start, end), logits in zip(prediction.times, prediction.clips, strict=True):
        best = ranked(prediction.classes, softmax(logits), count)
        lines.append(f"  {start:.2f} to {end:.2f} s: {line(best)}")
    parts = [f"{name} {ms:.1f}" for name, ms in prediction.cost.items() if ms]
    where = f"on {prediction.device}"
    if prediction.backend:
        where += f", flow by {prediction.backend}"
    lines.append(f"  {sum(prediction.cost.values()):.1f} ms per clip ({', '.join(parts)}) {where}")
    return "\n".join(lines)


def _files(paths: Sequence[PathLike]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from (path / name for name in files_below(path))
        else:
            yield path
