"""The verbs predict and features, for files and folders of videos."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import torch

from dsnet import video
from dsnet.datasets.listing import files_below, may_be_video
from dsnet.figures.videos import check_name
from dsnet.predict.annotation import annotate
from dsnet.predict.classifier import VideoClassifier
from dsnet.predict.featurefiles import check_output, write_features
from dsnet.predict.live import tell
from dsnet.predict.outputs import described, summary, write_csv, write_srt
from dsnet.predict.prediction import Prediction
from dsnet.predict.streams import PathLike, PredictError
from dsnet.provenance import keep_input

log = logging.getLogger(__name__)


def predict(
    videos: Sequence[str],
    model: PathLike,
    flow: PathLike | bool = False,
    *,
    camera: int | None = None,
    stride: float | None = None,
    threshold: float = 0,
    annotated: PathLike | None = None,
    panel: str = "over",
    csv: PathLike | None = None,
    srt: PathLike | None = None,
    as_json: bool = False,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Print the predictions of a model for videos to standard output.

    Args:
        videos: files, and folders of files, of which hidden ones and those that are no videos by
            their extension are ignored; or one address.
        model, flow, device: see :class:`VideoClassifier`.
        camera: number of a camera, in place of ``videos``.
        stride: seconds from one clip to the next, see :meth:`VideoClassifier.predict`.
        threshold: probability below which the class is none.
        annotated: video file to write, with the running top-3; for a single video only.
        panel: where its top-3 are: ``over`` the picture, ``below`` or ``beside`` it.
        csv: table to write, of all segments.
        srt: subtitles to write, of a single video.
        as_json: one JSON object per video and line (:meth:`Prediction.to_dict`); ``video`` and
            ``error`` for an unusable video. Of a camera or an address, one per clip.
        threads: CPU threads of the networks; the default is all cores.

    Raises:
        UserError: ``annotated`` does not name a video file, or an output is an input.
        PredictError: an output is a folder or another output; there are no videos; or some are
            unusable, and all others are done first.
    """
    single = {"--annotate": annotated, "--srt": srt}
    live = _live(videos, camera)
    if live is not None:
        if given := [name for name, path in {**single, "--csv": csv}.items() if path is not None]:
            raise PredictError(f"{given[0]} is for files; a live source has text, or --json")
        classifier = _loaded(model, flow, device, threads)
        with closing(classifier.watch(live, stride)) as windows:
            tell(live, windows, classifier.classes, threshold, as_json)
        return
    files = _files(videos)
    for name, path in single.items():
        if path is not None and len(files) > 1:
            raise PredictError(f"{name} takes one video, and there are {len(files)}")
    if annotated is not None:
        check_name(annotated)
    outputs = [path for path in (annotated, srt, csv) if path is not None]
    _check_outputs(outputs, [*files, model, *([] if isinstance(flow, bool) else [flow])])
    classifier = _loaded(model, flow, device, threads)
    done: list[Prediction] = []

    def one(file: Path) -> None:
        found = classifier.predict(file, stride=stride)
        done.append(found)
        text = json.dumps(found.to_dict(threshold)) if as_json else described(found, threshold)
        print(text, flush=True)
        if annotated is not None:
            annotate(file, annotated, found, classifier.fps, panel)
        if srt is not None:
            write_srt(srt, found.segments(threshold))

    failed = _each(files, one, as_json)
    if csv is not None:
        write_csv(csv, done, threshold)
    if not as_json:
        print(summary(done, threshold, failed), flush=True)
    for output in outputs if done else ():
        log.info("wrote %s", output)
    _check(failed, files)


def features(
    videos: Sequence[str],
    model: PathLike,
    output: PathLike,
    level: str,
    *,
    stride: float | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Write one vector per clip of videos; for the arguments see :func:`predict`.

    Args:
        output: ``.npy``, (C, D) float32, of a single video; or ``.h5``, see
            :func:`.write_features`.
        level: name of the features, such as ``avgpool``.

    Raises:
        PredictError: there are no videos, some are unusable, or ``output`` or ``level`` is wrong.
    """
    files = _files(videos)
    check_output(output, len(files))
    _check_outputs([output], [*files, model])
    classifier = _loaded(model, False, device, threads)
    classifier.check_level(level)
    found = []
    failed = _each(
        files, lambda file: found.append(classifier.features(file, level, stride=stride)), False
    )
    if found:
        write_features(output, found, model)
        count, width = sum(len(one.vectors) for one in found), found[0].vectors.shape[1]
        log.info("wrote %s: %d vectors of %d numbers", output, count, width)
    _check(failed, files)


def _live(videos: Sequence[str], camera: int | None) -> video.Live | None:
    """Return the live source that is asked for, if one is."""
    addresses = [text for text in videos if video.is_address(text)]
    if camera is None and not addresses:
        return None
    if len(videos) + (camera is not None) > 1:
        raise PredictError("a camera or an address is watched alone; name nothing beside it")
    try:
        return video.address(addresses[0]) if addresses else video.camera(camera or 0)
    except video.VideoError as error:
        raise PredictError(str(error)) from error


def _files(videos: Sequence[str]) -> list[Path]:
    if not videos:
        raise PredictError("name a video, a folder of videos, an address, or --camera NUMBER")
    files: list[Path] = []
    for path in map(Path, videos):
        if path.is_dir():
            files += [path / name for name in files_below(path) if may_be_video(name)]
        else:
            files.append(path)
    if not files:
        raise PredictError(f"no videos in {', '.join(videos)}")
    return files


def _check_outputs(outputs: Sequence[PathLike], inputs: Sequence[PathLike]) -> None:
    """Raise UserError if an output is an input, a folder or another output: later, work is lost."""
    for output, file in itertools.product(outputs, inputs):
        keep_input(file, output)
    paths = [os.path.realpath(output) for output in outputs]
    for path, output in zip(paths, outputs, strict=True):
        if os.path.isdir(path):
            raise PredictError(f"{os.fspath(output)} is a folder; name a file")
        if paths.count(path) > 1:
            raise PredictError(f"{os.fspath(output)} is the file of two outputs; name two")


def _loaded(
    model: PathLike, flow: PathLike | bool, device: str, threads: int | None
) -> VideoClassifier:
    torch.set_num_threads(threads or os.cpu_count() or 1)
    return VideoClassifier(model, flow, device)


def _each(files: Sequence[Path], do: Callable[[Path], object], as_json: bool) -> int:
    """Call ``do`` with every file; tell those that cannot be used, and return their number."""
    failed = 0
    for file in files:
        try:
            do(file)
        except PredictError as error:
            failed += 1
            log.error("%s", error)
            if as_json:
                print(json.dumps({"video": os.fspath(file), "error": str(error)}), flush=True)
    return failed


def _check(failed: int, files: Sequence[Path]) -> None:
    if failed:
        raise PredictError(f"{failed} of {len(files)} videos could not be used, see above")
