"""The stages that train, score and fuse streams, and look into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from dsnet.experiment import Experiment, specs, streams
from dsnet.experiment.augmentation import NOTHING
from dsnet.launching import catch_interrupt
from dsnet.registry import BACKBONES, module_of
from dsnet.stages.stage import (
    STAGES,
    Device,
    Gpus,
    Input,
    Inputs,
    MaybeInput,
    Output,
    Outputs,
    Processes,
    Threads,
    Wildcards,
    Workers,
    stage,
)


def _train_spec(experiment: Experiment, wildcards: Wildcards) -> specs.TrainSpec:
    split, length, seed = (int(wildcards[name]) for name in ("split", "length", "seed"))
    return specs.train_spec(experiment, wildcards.dataset, split, length, seed, wildcards.stream)


def _train_code(experiment: Experiment, wildcards: Wildcards) -> Iterator[str]:
    """Name the code that trains a stream: of its backbone, its own losses and its recipe."""
    yield from ("dsnet.training.trainer", "dsnet.training.batch_norm", "dsnet.models.weights")
    stream, places = experiment.streams[wildcards.stream], streams.losses_by_name(experiment)
    yield from (module_of(places[name]) for name in stream.losses.terms())
    backbone = experiment.model.backbone
    yield module_of(BACKBONES.get(backbone, backbone))
    if stream.teacher is not None:
        yield "dsnet.losses.distillation"
    if stream.first_convolution == "averaged":
        yield "dsnet.models.averaging"
    if stream.still:
        yield "dsnet.models.still"
    recipe = stream.training
    used = {
        "dsnet.clips.augmentation": recipe.augment != NOTHING,
        "dsnet.losses.cross_entropy": recipe.class_weights or recipe.label_smoothing,
        "dsnet.training.averaging": recipe.ema is not None,
        "dsnet.training.noise": recipe.dropout > 0 or recipe.mixup is not None,
    }
    yield from (module for module, is_used in used.items() if is_used)


def fusion_code(experiment: Experiment, kind: str) -> list[str]:
    """Name the code of a kind of fusion."""
    place = streams.fusion_kinds(experiment)[kind]
    return ["dsnet.fusion.summary", "dsnet.scores.values", module_of(place)]


def _fuse_spec(experiment: Experiment, batch: Sequence[streams.Fusion]) -> specs.FusionsSpec:
    """Make the spec of a job that makes some fusions: the code counts for each kind alone."""
    return specs.FusionsSpec(
        streams=list(dict.fromkeys(name for names, _ in batch for name in names)),
        fusions=[specs.Fused(streams=list(names), kind=kind) for names, kind in batch],
        kinds={
            kind: specs.Kind(
                spec=specs.fusion_spec(experiment, kind),
                code=STAGES["fuse"].digest(fusion_code(experiment, kind)),
            )
            for _, kind in batch
        },
    )


@stage(spec=_train_spec, code=_train_code)
def train(
    spec: specs.TrainSpec,
    clips: Input,
    output: Annotated[Path, "{{params.folder:q}}", "folder of model.pt, history.csv and others"],
    code: str = "",
    init: MaybeInput = None,
    teacher: MaybeInput = None,
    second_teacher: MaybeInput = None,
    device: Device = "auto",
    threads: Threads = 1,
    workers: Workers = 0,
    processes: Processes = 1,
    gpus: Gpus = 0,
) -> None:
    """Train one stream."""
    from dsnet import training

    catch_interrupt()  # a checkpoint that is being written is finished first
    training.train(
        spec, clips, output, code, init, teacher, device, workers, threads, second_teacher
    )


@stage(code=("dsnet.scoring",))
def evaluate(
    model: Input,
    clips: Input,
    output: Output,
    device: Device = "auto",
    threads: Threads = 1,
    workers: Workers = 0,
    processes: Processes = 1,
    gpus: Gpus = 0,
) -> None:
    """Score all clips of the train, validation and test videos."""
    from dsnet import evaluation

    evaluation.evaluate(model, clips, output, device, workers, threads)


@stage(spec=_fuse_spec)
def fuse(spec: specs.FusionsSpec, scores: Inputs, output: Outputs) -> None:
    """Fuse the scores of two or more streams by average or by attention, in many ways."""
    from dsnet import fusion

    fusion.fuse_all(spec, scores, output)


@stage(
    spec=lambda experiment, wildcards: specs.similarity_spec(experiment),
    code=("dsnet.similarity", "dsnet.inference"),
)
def similarity(
    spec: specs.SimilaritySpec,
    clips: Input,
    models: Inputs,
    table: Output,
    maps: Output,
    device: Device = "auto",
    threads: Threads = 1,
    gpus: Gpus = 0,
) -> None:
    """Compare the features of students with their teacher's."""
    from dsnet import similarity

    given = dict(zip(spec.streams, models, strict=True))
    similarity.compare(given, spec.teachers, clips, table, maps, device, threads)


@stage(
    spec=lambda experiment, wildcards: specs.latency_spec(experiment),
    code=("dsnet.latency",),
)
def latency(
    spec: specs.LatencySpec,
    clips: Input,
    models: Inputs,
    output: Outputs,
    device: Device = "auto",
    threads: Threads = 1,
    gpus: Gpus = 0,
) -> None:
    """Measure what inference costs, with and without flow."""
    from dsnet import latency, tables

    paths = iter(models)
    rows = [(row.title, [next(paths) for _ in row.streams]) for row in spec.rows]
    table = latency.measure(rows, clips, spec, device, threads)
    tables.write(table, latency.render(table), *output)
