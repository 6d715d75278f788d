"""Specs: the part of an experiment that determines the bytes of one artifact.

The workflow gives a spec to a stage as JSON, and Snakemake runs the stage again if it changes. The
artifact keeps it. A ``version`` is raised when the same settings give other bytes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from dsnet.experiment import streams
from dsnet.experiment.data import IMPORTED, TVL1_NAME, Clips, FlowMethod, Frames, Listed
from dsnet.experiment.experiment import Experiment
from dsnet.experiment.networks import Model, Network, Recipe
from dsnet.experiment.results import Latency, Tables
from dsnet.experiment.settings import Number, Settings
from dsnet.provenance import code_digest, file_digest
from dsnet.registry import FUSIONS, LOSSES, module_of
from dsnet.releases import PretrainedError, locate_raft

# Version of the HDF5 format of frames, flow and clips.
STORE_VERSION = 2
# Digest of the code of a user's class. dsnet's own classes have versions instead.
Code = Annotated[str | None, Field(exclude_if=lambda value: value is None)]
Spec = TypeVar("Spec", bound=Settings)
# Keys of `flow` that count for one algorithm alone.
PARAMETERS = {
    TVL1_NAME: ("backend", "semantics", "tvl1"),
    "dis": ("dis",),
    "farneback": ("farneback",),
    "raft": ("raft",),
    IMPORTED: ("imported",),
}


class VideosSpec(Settings):
    """What determines the videos of the built-in data set."""

    kind: str
    train_per_class: int
    test_per_class: int
    size: int
    length: int
    seed: int
    camera: Number = Field(1, exclude_if=lambda value: value == 1)
    version: int = 2


class ManifestSpec(Settings):
    """What determines ``manifest.csv``."""

    name: str
    entry: Listed
    version: int = 2
    code: Code = None


class FramesSpec(Frames):
    """What determines the frames of a video."""

    version: int = 2


class FlowSpec(FlowMethod):
    """What determines the flow of given frames.

    ``stride`` is the number of frames from the first of a pair to its second, ``weights`` the
    digest of RAFT's file.
    """

    stride: int = Field(1, ge=1, exclude_if=lambda value: value == 1)
    version: int = 2
    code: Code = None
    weights: Code = None

    def period(self) -> str:
        """Return what the flow is over, for captions: frame, or 2 frames."""
        return "frame" if self.stride == 1 else f"{self.stride} frames"

    @model_serializer(mode="wrap")
    def _without_unused(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = write(self)
        if self.semantics == "cuda":  # it has no median filter
            del written["tvl1"]["median_filtering"]
        for name, keys in PARAMETERS.items():
            for key in keys if name != self.algorithm else ():
                del written[key]
        return written


class DataSpec(Settings):
    """What determines the clips of a data set."""

    rgb: FramesSpec
    flow: FlowSpec


class Run(Settings):
    """Which stream of which run."""

    dataset: str
    split: int
    clip_length: int
    seed: int
    stream: str
    protocol: Literal["held-out", "paper"]


class TrainedStream(Network):
    """A stream without its title, and without where it is computed."""

    training: Recipe


class TrainSpec(Settings):
    """What determines ``model.pt``, beside the clips and the models that it starts from."""

    run: Run
    validation_share: Number
    flip: bool
    clips: Clips
    model: Model
    stream: TrainedStream
    # Places of a user's losses.
    plugins: dict[str, str] = Field({}, exclude_if=lambda value: not value)


class FusionSpec(Settings):
    """What determines a fusion of given scores: the arguments of its class.

    Beside them are ``fit``, the part of the scores that it is fitted on, and ``place``, that of a
    user's class.
    """

    model_config = ConfigDict(extra="allow")


class Fused(Settings):
    """One fusion: its streams in order, and its kind."""

    streams: list[str]
    kind: str


class Kind(Settings):
    """How a kind of fusion is made: its settings, and a digest of its code."""

    spec: FusionSpec
    code: str


class FusionsSpec(Settings):
    """The fusions that one job makes."""

    streams: list[str] = Field(description="The streams in the order of their scores.")
    fusions: list[Fused] = Field(description="In the order of their files.")
    kinds: dict[str, Kind]


class Titled(Settings):
    """What tables, figures and pages tell of a stream."""

    name: str
    title: str
    input: Literal["rgb", "flow"]
    init: str | None
    pretrained: str | None
    teacher: str | None


class ShownSpec(Settings):
    """What tables, figures and pages need of an experiment, beside its artifacts."""

    streams: list[Titled]
    datasets: dict[str, str] = Field({}, description="The kinds of data sets by title.")
    names: dict[str, str] = Field({}, description="The titles of data sets by name.")
    tables: Tables = Tables()
    shown: list[str] = Field([], description="The streams that are drawn.")

    def by_name(self) -> dict[str, dict[str, Any]]:
        """Return the description of each stream by its name, in the order of the streams."""
        return {stream.name: stream.values() for stream in self.streams}

    def titles(self) -> dict[str, str]:
        """Return the streams' titles by name, in the order of the streams."""
        return {stream.name: stream.title for stream in self.streams}


class Timed(Settings):
    """What the cost of is measured: streams that are fused, or one."""

    title: str
    streams: list[str]


class LatencySpec(Latency):
    """How the cost of inference is measured, and of what."""

    rows: list[Timed]


class SimilaritySpec(Settings):
    """The streams whose features are compared, and the teacher of each RGB stream."""

    streams: list[str]
    teachers: dict[str, str]


def _taken(kind: type[Spec], source: Settings, **more: Any) -> Spec:
    """Make settings from the fields that ``source`` has too, and ``more``."""
    fields = kind.model_fields.keys() & type(source).model_fields.keys()
    return kind(**{**{key: getattr(source, key) for key in fields}, **more})


def _code_of(place: str) -> str | None:
    """Return the digest of the code of a user's class; dsnet's own have a name without a place."""
    return code_digest([module_of(place)], []) if ":" in place else None


def videos_spec(experiment: Experiment, dataset: str) -> VideosSpec:
    """Make the spec of the videos of the built-in data set."""
    return _taken(VideosSpec, experiment.catalogue[dataset])


def manifest_spec(experiment: Experiment, dataset: str) -> ManifestSpec:
    """Make the spec of a manifest."""
    entry = _taken(Listed, experiment.catalogue[dataset])
    return ManifestSpec(name=dataset, entry=entry, code=_code_of(entry.kind))


def frames_spec(experiment: Experiment) -> FramesSpec:
    """Make the spec of the frames."""
    return _taken(FramesSpec, experiment.frames)


def flow_spec(experiment: Experiment) -> FlowSpec:
    """Make the spec of the flow; RAFT's weights count if they are there."""
    chosen, weights = experiment.flow, None
    if chosen.algorithm == "raft":
        with suppress(PretrainedError):  # told before the first job
            path = locate_raft(chosen.raft.model, chosen.raft.weights)
            weights = _digest(path, os.stat(path).st_mtime_ns)
    code, stride = _code_of(chosen.algorithm), experiment.clips.stride
    return _taken(FlowSpec, chosen, code=code, weights=weights, stride=stride)


@functools.cache
def _digest(path: str, changed: int) -> str:
    """Return the digest of a file that was ``changed`` then; many jobs ask for it."""
    return file_digest(path)


def train_spec(
    experiment: Experiment, dataset: str, split: int, length: int, seed: int, stream: str
) -> TrainSpec:
    """Make the spec of a trained stream."""
    chosen = experiment.streams[stream]
    training = chosen.training
    counted = training.counts_processes() or chosen.losses.count_processes()
    processes = training.n_processes() if counted else None
    places = streams.losses_by_name(experiment)
    return TrainSpec(
        run=Run(
            dataset=dataset,
            split=split,
            clip_length=length,
            seed=seed,
            stream=stream,
            protocol=experiment.protocol,
        ),
        validation_share=experiment.validation_share,
        flip=experiment.catalogue[dataset].flip,
        clips=experiment.clips,
        model=experiment.model,
        stream=_taken(
            TrainedStream, chosen, training=_taken(Recipe, training, processes=processes)
        ),
        plugins={name: places[name] for name in chosen.losses.terms() if name not in LOSSES},
    )


def fusion_spec(experiment: Experiment, kind: str) -> FusionSpec:
    """Make the spec of a fusion; an average has no settings."""
    chosen = experiment.fusion
    if kind in FUSIONS:
        own = chosen.model_dump(exclude={"options"}) if kind == "attention" else {}
        return FusionSpec(**own)
    place, options = streams.fusion_kinds(experiment)[kind], chosen.options.get(kind, {})
    return FusionSpec(**{"fit": chosen.fit, "place": place, **options})


def shown_spec(
    experiment: Experiment,
    *keys: str,
    only: Iterable[str] | None = None,
    shown: Iterable[str] = (),
) -> ShownSpec:
    """Make the spec of a table, figure or page.

    Args:
        keys: the keys of ``tables`` that it needs; a change of other keys does not make it again.
        only: its streams, in any order; the default is all in their order.
        shown: the streams that are drawn.
    """
    names = experiment.streams if only is None else sorted(set(only))
    tables = {key: getattr(experiment.tables, key) for key in keys}
    if "students" in tables:
        tables["students"] = streams.students(experiment)
    entries = experiment.entries()
    return ShownSpec(
        streams=[_taken(Titled, experiment.streams[name], name=name) for name in names],
        names={name: str(entry.title) for name, entry in entries.items()},
        datasets={str(entry.title): entry.kind for entry in entries.values()},
        tables=Tables(**tables),
        shown=list(shown),
    )


def latency_spec(experiment: Experiment) -> LatencySpec:
    """Make the spec of the measurement of the cost of inference."""
    rows = [Timed(title=title, streams=names) for title, names in streams.latency_rows(experiment)]
    return _taken(LatencySpec, experiment.latency, rows=rows)


def similarity_spec(experiment: Experiment) -> SimilaritySpec:
    """Make the spec of the comparison of features."""
    teachers = streams.similarity_teachers(experiment)
    return SimilaritySpec(streams=streams.similarity_streams(experiment), teachers=teachers)
