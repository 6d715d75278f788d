"""Checks of an experiment's data sets, its checkpoints and the room for its results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pandas as pd

from dsnet import fetching, models, releases, sharing, starting
from dsnet.datasets import DataSetError, catalogue, duplicates
from dsnet.disk import existing
from dsnet.doctor import estimate
from dsnet.doctor.finding import Finding, size
from dsnet.experiment import ConfigError, Experiment
from dsnet.experiment.data import Entry
from dsnet.fetching.archives import RAR_ADVICE, has_rar_tool
from dsnet.fetching.sources import SOURCES
from dsnet.splits import SplitError

MARGIN = 0.9  # of the free space


def data_sets(experiment: Experiment) -> Iterator[Finding]:
    """Check whether each data set is there, and may be made with these settings."""
    try:
        sharing.check(experiment)
    except ConfigError as error:
        yield Finding("data", "problem", str(error), "see docs/data.md, several experiments")
    for name in experiment.datasets:
        entry, check = experiment.catalogue[name], f"data: {name}"
        absent = [key for key, path in entry.folders().items() if not os.path.isdir(path)]
        if entry.kind == "motions":
            yield Finding(check, "ok", "made by the workflow")
        elif absent:
            fetched = Path(experiment.folder) / name / "fetched.json"
            for key in absent:
                yield _absent(name, key, entry, fetched, bool(experiment.fetch.mirror))
        else:
            yield from _videos(check, name, experiment)


def _absent(name: str, key: str, entry: Entry, fetched: Path, mirror: bool) -> Finding:
    """Return the finding on a missing folder of a data set, its videos or lists."""
    check, folder = f"data: {name}", getattr(entry, key)
    what = f"there is no folder {folder} (looked in {os.getcwd()})"
    if entry.fetch and fetched.exists():  # the workflow will not look again
        return Finding(check, "problem", what, f"delete {fetched} to have it fetched again")
    rar = entry.fetch and not mirror and fetching.part(entry.kind, key).is_rar
    if rar and not has_rar_tool():
        what = f"{folder} is not there yet, and nothing here decompresses its rar archive"
        return Finding(check, "problem", what, f"{RAR_ADVICE}, or put it there yourself")
    if entry.fetch:
        return Finding(check, "ok", f"{folder} is not there yet: the workflow fetches it")
    get = f" (dsnet fetch {entry.kind} does)" if entry.kind in SOURCES else ""
    advice = f"put or link it there{get}, or set catalogue.{name}.{key}"
    return Finding(check, "problem", what, advice)


def _videos(check: str, name: str, experiment: Experiment) -> Iterator[Finding]:
    """Check whether a data set can be used, and the videos that it lists are there."""
    entry = experiment.catalogue[name]
    try:
        listing = catalogue.listing(entry.values())
    except (DataSetError, OSError) as error:
        advice = f"compare {entry.lists or entry.videos} with docs/data.md"
        yield Finding(check, "problem", str(error), advice)
        return
    yield _present(check, name, entry, listing)
    advice = "see docs/own-data.md"
    try:
        for line in starting.unusual(experiment, name, listing):
            yield Finding(check, "warning", line, advice)
    except (DataSetError, SplitError) as error:
        yield Finding(check, "problem", str(error), advice)


def _present(check: str, name: str, entry: Entry, listing: pd.DataFrame) -> Finding:
    """Check whether the listed videos are there, and none twice."""
    missing = [path for path in listing["path"] if not os.path.exists(path)]
    there, classes = len(listing) - len(missing), listing["class_name"].nunique()
    found = f"{there} of {len(listing)} videos, {classes} classes"
    if not missing:
        return _repeated(check, name, entry, listing) or Finding(check, "ok", found)
    found += f"; the first that is missing is {missing[0]}"
    if entry.allow_missing:
        return Finding(check, "warning", found, "put them there")
    advice = f"put them there, or set catalogue.{name}.allow_missing: true to go on without them"
    return Finding(check, "problem", found, advice)


def _repeated(check: str, name: str, entry: Entry, listing: pd.DataFrame) -> Finding | None:
    """Return a finding if some of a data set's videos have the same bytes."""
    advice = "keep one of each"
    try:
        digests = duplicates.digests(listing["path"])
        listing = listing.assign(digest=[digests.get(path, "") for path in listing["path"]])
        lines = duplicates.check(name, entry.values(), listing)
    except (DataSetError, OSError) as error:
        return Finding(check, "problem", str(error), advice)
    more = f"; {len(lines)} of the kind" if len(lines) > 1 else ""
    return Finding(check, "warning", lines[0] + more, advice) if lines else None


def checkpoints(experiment: Experiment) -> Iterator[Finding]:
    """Check whether the weights that streams start from exist and fit the network."""
    seen: set[str] = set()
    releases_missing: list[str] = []
    fetchable: list[str] = []
    for name, stream in experiment.streams.items():
        if stream.pretrained is None:
            continue
        for length, dataset in product(experiment.clip_lengths, experiment.datasets):
            kind = experiment.catalogue[dataset].kind
            try:
                path = releases.locate(stream.pretrained, length, kind)
            except releases.PretrainedError as error:
                file = releases.name_of(stream.pretrained, length, kind)
                if releases.RELEASE.fullmatch(file):
                    releases_missing.append(f"{file}.pth")
                elif releases.fetchable(file):
                    fetchable.append(file)
                else:
                    advice = f"put it there, or set streams.{name}.pretrained"
                    yield Finding(f"weights: {name}", "problem", str(error), advice)
                continue
            if path not in seen:
                seen.add(path)
                yield _checkpoint(experiment, name, path, dataset)
    if releases_missing:
        names = ", ".join(dict.fromkeys(releases_missing))
        what = f"{releases.FOLDER} (looked in {os.getcwd()}) lacks of MARS's releases {names}"
        advice = (
            "get them from the folder of trained models that the README of the repository "
            "craston/MARS on GitHub links to, or train without: experiments/from-scratch.yaml"
        )
        yield Finding("weights", "problem", what, advice)
    for file in dict.fromkeys(fetchable):
        path = f"{releases.FOLDER}/{file}.pth"
        what = f"there is no {path} (looked in {os.getcwd()}), a release that can be fetched"
        advice = f"`dsnet fetch {file}`; or {fetching.by_hand(file, Path(path))}"
        yield Finding("weights", "problem", what, advice)
    if not any(stream.pretrained for stream in experiment.streams.values()):
        yield Finding("weights", "ok", "none are needed: trained from scratch")


def _checkpoint(experiment: Experiment, name: str, path: str, dataset: str) -> Finding:
    """Check whether a stream can start from a file, by trying it."""
    check, other = f"weights: {name}", f"set streams.{name}.pretrained to another file"
    stream = experiment.streams[name]
    stream_input, averaged = stream.input, stream.first_convolution == "averaged"
    untrained = stream.training.epochs == 0
    try:
        if releases.fetchable(Path(path).stem):
            fetching.check_weights(Path(path))
        found = models.inspect(path)
        classes = _classes(experiment.catalogue[dataset]) if untrained else []
        network = models.build(
            experiment.model.arch(), stream_input, len(classes) or found.num_classes
        )
        if classes:
            models.take_all(network, path, classes)
        drawn = models.start_from(network, path, averaged=averaged)
    except (models.CheckpointError, fetching.DownloadError, OSError) as error:
        return Finding(check, "problem", str(error), f"get {path} anew, or {other}")
    what = f"{path}: {found.summary()}"
    if not drawn:
        return Finding(check, "ok", what)
    what += f"; the stream's input is {stream_input}, and {', '.join(drawn)} is drawn anew"
    return Finding(check, "warning", what, f"if that is not meant, {other}")


def _classes(entry: Entry) -> list[str]:
    """Return the classes of a data set in label order; none if its folders or lists are missing."""
    try:
        listing = catalogue.listing(entry.values())
    except (DataSetError, OSError):
        return []
    return list(listing.drop_duplicates("label").sort_values("label")["class_name"])


def disk(experiment: Experiment) -> Iterator[Finding]:
    """Compare the free space for the data with what data and results will take."""
    place = existing(experiment.folder)  # of all except the weights
    free = shutil.disk_usage(place).free
    found = {name: estimate.data_set(experiment, name) for name in experiment.datasets}
    unknown = [name for name, size_of in found.items() if size_of is None]
    total = estimate.models(experiment) + sum(size_of or 0.0 for size_of in found.values())
    made, fetched = estimate.made(experiment), estimate.fetched(experiment)
    needed = max(total - made, 0.0) + fetched
    what = f"{size(free)} free at {place}; the results will take some {size(needed)}"
    what += f" beside the {size(made)} that are there" if made else ""
    what += f", {size(fetched)} of them for what is fetched" if fetched else ""
    what += f", and {', '.join(unknown)}, whose videos are not there yet" if unknown else ""
    if needed > free:
        advice = "make room, set the key data to a larger disk, or lower frames.size"
        yield Finding("disk", "problem", what, advice)
    elif needed > MARGIN * free:
        yield Finding("disk", "warning", what, "make room: it is an estimate")
    elif unknown:
        yield Finding("disk", "warning", what, "ask again when they are there")
    else:
        yield Finding("disk", "ok", what)
