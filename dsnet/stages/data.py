"""The stages from videos to clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dsnet.experiment import specs
from dsnet.experiment.data import IMPORTED
from dsnet.experiment.specs import STORE_VERSION
from dsnet.stages.stage import Gpus, Input, Inputs, Jobs, MaybeInput, Output, positive, stage

Helpers = Annotated[int, "{{threads}}", "threads beside the one that computes on a GPU", positive]
Count = Annotated[float, "{{resources.max_broken}}", "share of the videos that may be unusable"]


@stage(spec=lambda experiment, wildcards: specs.videos_spec(experiment, wildcards.dataset))
def videos(spec: specs.VideosSpec, videos: Output, index: Output, jobs: Jobs = 1) -> None:
    """Make the videos of the built-in data set."""
    from dsnet.datasets import motions

    motions.generate(spec.values(), videos, jobs=jobs)
    motions.write_index(videos, index)


@stage(spec=lambda experiment, wildcards: specs.manifest_spec(experiment, wildcards.dataset))
def manifest(
    spec: specs.ManifestSpec,
    schema: Annotated[Path, "{{resources.schema:q}}"],
    output: Output,
    max_broken: Count = 0.01,
    jobs: Jobs = 1,
) -> None:
    """List a data set's videos, probe them and assign them to shards."""
    from dsnet.datasets.manifest import make_manifest, write_manifest

    entry = spec.entry.values()
    table = make_manifest(entry, spec.name, spec.entry.shards, max_broken, schema, jobs)
    write_manifest(table, output)


@stage(spec=lambda experiment, wildcards: specs.frames_spec(experiment), version=STORE_VERSION)
def frames(spec: specs.FramesSpec, manifest: Input, shard: int, output: Output) -> None:
    """Decode the videos of a shard at the configured rate and size."""
    from dsnet import shards

    shards.frames(manifest, shard, spec, output)


@stage(spec=lambda experiment, wildcards: specs.flow_spec(experiment), version=STORE_VERSION)
def flow_shard(
    spec: specs.FlowSpec,
    frames: Input,
    output: Output,
    manifest: MaybeInput = None,
    threads: Helpers = 1,
    gpus: Gpus = 0,
) -> None:
    """Compute the optical flow between the frames of a shard, or import the manifest's."""
    from dsnet import imported, shards

    if spec.algorithm == IMPORTED:
        imported.flow_shard(manifest, frames, spec, output)
    else:
        shards.flow_shard(frames, spec, output, threads)


@stage(version=STORE_VERSION)
def pack(
    name: Annotated[str, "{{wildcards.dataset}}", "of the data set, for messages"],
    manifest: Input,
    frames: Inputs,
    flow: Inputs,
    clips: Output,
    broken: Output,
    max_broken: Count = 0.01,
) -> None:
    """Gather the shards into one training-ready file and list the unusable videos."""
    from dsnet import shards

    shards.pack(manifest, frames, flow, name, max_broken, clips, broken)
