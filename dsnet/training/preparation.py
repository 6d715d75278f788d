"""Network and task of a training, from its spec and files."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dsnet import clips, losses, models
from dsnet.arithmetic import computing_in
from dsnet.clips.augmentation import Augmentation
from dsnet.disk import PathLike
from dsnet.experiment.augmentation import NOTHING
from dsnet.experiment.specs import TrainSpec
from dsnet.inference import to_device
from dsnet.losses.cross_entropy import CrossEntropy, balanced
from dsnet.losses.distillation import Distillation
from dsnet.models import Backbone, CheckpointError, convolutions
from dsnet.processes import Processes
from dsnet.store import Reader
from dsnet.training.batch_norm import synchronise_batch_norm
from dsnet.training.gradients import TrainingError
from dsnet.training.noise import Dropout, Mixup
from dsnet.training.steps import Classification, Task

log = logging.getLogger(__name__)


def make_network(
    spec: TrainSpec,
    classes: Sequence[str],
    device: torch.device,
    processes: Processes,
    init: PathLike | None,
) -> Backbone:
    """Build a spec's network on ``device``, with the weights of the checkpoint ``init`` that fit.

    ``classes`` are the names in label order. Raises CheckpointError if ``init`` is of another
    network, and TrainingError if dropout finds no classifier.
    """
    made = models.build(spec.model.arch(), spec.stream.input, len(classes))
    if init is not None:
        averaged = spec.stream.first_convolution == "averaged"
        models.start_from(made, init, classes, averaged)
    if spec.stream.still:
        models.see_stills(made)
    if processes.count > 1 and spec.stream.training.sync_batch_norm:
        synchronise_batch_norm(made, device)
    to_device(made, device)
    if spec.stream.training.dropout:
        try:
            classifier = made.get_submodule(made.classifier)
        except AttributeError:
            raise TrainingError(
                f"training.dropout: {made.title()} has no module {made.classifier}, which its "
                f"attribute classifier names"
            ) from None
        classifier.register_forward_pre_hook(Dropout(spec.stream.training.dropout))
    return made


def tune(network: Backbone, task: Task, spec: TrainSpec, processes: Processes) -> None:
    """Give the convolutions of a network on a GPU, and of its teachers, their fastest forms."""
    options = spec.stream.training
    count, size = math.ceil(options.batch_size / processes.count), spec.clips.crop
    device = next(network.parameters()).device

    def example(modality: str) -> Tensor:
        shape = (count, models.CHANNELS[modality], spec.run.clip_length, size, size)
        return torch.randn(shape, device=device).to(memory_format=torch.channels_last_3d)

    with computing_in(options.precision, device), torch.random.fork_rng([device]):
        found = convolutions.tune(network, example(spec.stream.input))
        if isinstance(task, Distillation):
            found += convolutions.tune(task.teacher.network, example(task.other))
            if task.second is not None:
                found += convolutions.tune(task.second.network, example(task.own))
    for line in found:
        log.info("%s", line)


def taken_network(
    spec: TrainSpec, classes: Sequence[str], init: PathLike, data: Mapping[str, Any]
) -> Backbone:
    """Build a spec's network on the CPU, with all weights from the checkpoint ``init``.

    ``classes`` are the names in label order. ``data`` is the spec of the clips that it will get.
    Raises CheckpointError if a weight, the classes or the flow algorithm do not fit.
    """
    models.check_flow(models.read(init), data, init)
    made = models.build(spec.model.arch(), spec.stream.input, len(classes))
    models.take_all(made, init, classes)
    return made


def make_task(
    spec: TrainSpec,
    device: torch.device,
    teacher: PathLike | None,
    reader: Reader,
    second_teacher: PathLike | None = None,
) -> Task:
    """Make a stream's loss on ``device``: distillation with a ``teacher``, else cross-entropy.

    ``reader`` is of ``clips.h5``. Raises CheckpointError if a teacher does not fit these clips, and
    PluginError if a user's loss cannot be made of its arguments.
    """
    made: Classification | Distillation = Classification(spec.stream.input)
    if teacher is not None:
        network, content = models.load_model(teacher)
        models.check_flow(content, reader.spec, teacher)
        second = None
        if second_teacher is not None:
            second, also = models.load_model(second_teacher)
            for path, own in ((teacher, content), (second_teacher, also)):
                _check_classes(path, own["classes"], reader.extra["classes"])
        clip = (spec.run.clip_length, spec.clips.crop, spec.clips.crop)
        terms = spec.stream.losses.terms()
        inputs = (spec.stream.input, content["input"])
        made = losses.build(network, terms, spec.plugins, second, clip, inputs)
    options, classes = spec.stream.training, len(reader.extra["classes"])
    if options.class_weights or options.label_smoothing:
        weights = None
        if options.class_weights:
            table = clips.table(reader).set_index("id")["label"]
            labels = table.loc[clips.parts(reader, spec)["train"]]
            weights = balanced(np.bincount(labels, minlength=classes).tolist())
        made.cross_entropy = CrossEntropy(classes, options.label_smoothing, weights)
    to_device(made, device)
    return made


def _check_classes(path: PathLike, own: Sequence[str], classes: Sequence[str]) -> None:
    """Raise CheckpointError if the logits of the file ``path`` are of other classes."""
    if list(own) != list(classes):
        raise CheckpointError(
            f"{os.fspath(path)} has {len(own)} classes ({', '.join(own[:3])}, ...), and these "
            f"clips have {len(classes)} ({', '.join(classes[:3])}, ...): the logits of two "
            f"teachers need the same in the same order; train both on these clips"
        )


def make_augmentation(spec: TrainSpec, network: Backbone) -> Augmentation | None:
    """Make what changes the training clips of a network, if a spec asks for it."""
    settings = spec.stream.training.augment
    mean = network.statistics.get("rgb_mean", spec.clips.rgb_mean)
    return None if settings == NOTHING else Augmentation(settings, mean)


def make_mixup(spec: TrainSpec, task: Task, classes: int, processes: Processes) -> Mixup | None:
    """Make what mixes clips, if a spec asks for it.

    Raises TrainingError if a loss needs labels, which are mixed too.
    """
    alpha = spec.stream.training.mixup
    if alpha is None:
        return None
    if isinstance(task, Distillation) and task.labelled:
        raise TrainingError(
            f"training.mixup: the losses {', '.join(sorted(task.labelled))} get labels, which "
            f"mixup would mix; set it to null for this stream"
        )
    return Mixup(alpha, classes, spec.run.seed, processes.rank)
