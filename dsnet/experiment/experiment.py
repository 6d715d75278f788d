"""The whole experiment, as described by config.yaml and its overlays."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dsnet.experiment.data import Clips, Entry, Fetch, Flow, Frames
from dsnet.experiment.networks import Model, Stream, Training
from dsnet.experiment.results import Fusion, Latency, Tables
from dsnet.experiment.settings import (
    Distinct,
    Folder,
    Name,
    Number,
    Settings,
    Share,
    Text,
    multiplied,
    without_nulls,
)

SHARED = "results"  # folder of the results, with the data of all experiments below it


class Experiment(Settings):
    """What an experiment is made of. Overlays in experiments/ change single keys."""

    results: Folder = Field(
        SHARED,
        description="Folder of the networks, tables, figures and logs; `results/NAME` for an "
        "experiment beside the default one.",
    )
    data: Folder | None = Field(
        None,
        description="Folder of the manifests, frames, flow and clips. Experiments share them by "
        "naming one folder here and different `results`; then the settings of their data must be "
        "the same. null is the folder `results` for all experiments in `results/NAME`, and for "
        "others that of their `results`.",
    )
    plugins: Annotated[list[Text], Distinct] = Field(
        [],
        description="Python files of your own, from the working directory, whose classes the "
        "configuration can then name (docs/plugins.md).",
    )
    keep: Literal["all", "clips"] = Field(
        "all",
        description="What is kept of frames and flow. `all` keeps them, and makes deleted ones "
        "again with what follows from them. `clips` removes them once clips.h5 is packed and asks "
        "for them no more; a change of frames or flow computes both anew. A run whose `data` is "
        "not its `results` does not ask for them either once they are packed.",
    )
    datasets: Annotated[list[str], Field(min_length=1), Distinct] = Field(
        description="Names of the entries of `catalogue` to run."
    )
    splits: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), Distinct] = Field(
        [1], description="Official splits to train and test on, counted from 1."
    )
    clip_lengths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), Distinct] = (
        Field([16], description="Lengths T of the clips in frames; the paper has 16 and 64.")
    )
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Distinct] = Field(
        [0],
        description="Every stream is trained once per seed; tables give mean and standard "
        "deviation.",
    )
    protocol: Literal["held-out", "paper"] = Field(
        "held-out",
        description="How the epoch is selected. `held-out` on a part of the training groups that "
        "is not trained on; `paper` on the test split, on which MARS's code validates.",
    )
    validation_share: Share = Field(
        0.15, description="Share of the training videos that protocol `held-out` sets aside."
    )
    max_broken: Number = Field(
        0.01,
        ge=0,
        le=1,
        description="The run fails when a larger share of the videos present cannot be used.",
    )
    catalogue: dict[Name, Entry] = Field(min_length=1, description="Data sets by name.")
    fetch: Fetch = Field(Fetch(), description="Fetching of data sets whose `fetch` is true.")
    frames: Frames = Field(Frames(), description="Decoding of the videos.")
    flow: Flow = Field(Flow(), description="Optical flow between consecutive frames.")
    clips: Clips = Field(Clips(), description="Sampling and transforms.")
    model: Model = Field(
        Model(),
        description="The network of every stream; the defaults are MARS's ResNeXt-101.",
    )
    training: Training = Field(
        Training(),
        description="Training of every stream; a stream's own `training` changes single keys.",
    )
    streams: Annotated[
        dict[Name, Stream],
        BeforeValidator(multiplied),
        BeforeValidator(without_nulls, json_schema_input_type=dict[Name, Stream | None]),
    ] = Field(
        min_length=1,
        description="The networks to train by name; null leaves out one of the defaults, and the "
        "rows of `tables` that need it.",
    )
    fusion: Fusion = Field(
        Fusion(),
        description="Fusion of streams' scores; all but `fit` and `options` is of the attention.",
    )
    tables: Tables = Field(Tables(), description="What the tables compare.")
    latency: Latency = Field(Latency(), description="Measurement of the cost of inference.")

    @property
    def folder(self) -> str:
        """Folder of the data."""
        within = PurePath(self.results).parent == PurePath(SHARED)
        return self.data or (SHARED if within else self.results)

    def entries(self) -> dict[str, Entry]:
        """Return the catalogue's entries of the data sets to run, by name."""
        return {name: self.catalogue[name] for name in self.datasets}

    def kinds(self) -> list[str]:
        """Return the kinds of the data sets to run, each once."""
        return list(dict.fromkeys(entry.kind for entry in self.entries().values()))

    def titles(self) -> dict[str, str]:
        """Return the streams' titles by name, in the order of the streams."""
        return {name: stream.title for name, stream in self.streams.items()}
