"""What a training is made of, from its spec and files: the network and its task."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dsnet import losses, models
from dsnet.experiment.specs import TrainSpec
from dsnet.inference import to_device
from dsnet.losses.distillation import Distillation
from dsnet.models import Backbone
from dsnet.processes import Processes
from dsnet.training.batch_norm import synchronise_batch_norm
from dsnet.training.steps import Classification, Task

PathLike = str | os.PathLike[str]


def make_network(
    spec: TrainSpec,
    classes: Sequence[str],
    device: torch.device,
    processes: Processes,
    init: PathLike | None,
) -> Backbone:
    """A spec's network on ``device``, as drawn but for what the checkpoint ``init`` has.

    Args:
        classes: their names in label order.

    Raises:
        CheckpointError: ``init`` is not of this network.
    """
    made = models.build(spec.model.arch(), spec.stream.input, len(classes))
    if init is not None:
        models.start_from(made, init, classes)
    if processes.count > 1 and spec.stream.training.sync_batch_norm:
        synchronise_batch_norm(made, device)
    to_device(made, device)
    return made


def taken_network(
    spec: TrainSpec, classes: Sequence[str], init: PathLike, data: Mapping[str, Any]
) -> Backbone:
    """A spec's network with all weights of the checkpoint ``init``, on the CPU.

    Args:
        classes: their names in label order.
        data: the spec of the clips that it is to look at.

    Raises:
        CheckpointError: a weight would stay as drawn, the classes are others, or it is of flow by
            another algorithm than that of the clips.
    """
    models.check_flow(models.read(init), data, init)
    made = models.build(spec.model.arch(), spec.stream.input, len(classes))
    models.take_all(made, init, classes)
    return made


def make_task(
    spec: TrainSpec, device: torch.device, teacher: PathLike | None, data: Mapping[str, Any]
) -> Task:
    """What gives a stream's loss, on ``device``: distillation where there is a ``teacher``.

    Args:
        data: the spec of the clips.

    Raises:
        CheckpointError: ``teacher`` cannot be used, or not with these clips.
        PluginError: a user's loss cannot be imported, or not be made of its arguments.
    """
    made: Classification | Distillation = Classification(spec.stream.input)
    if teacher is not None:
        network, content = models.load_model(teacher)
        models.check_flow(content, data, teacher)
        made = losses.build(network, spec.stream.losses.terms(), spec.plugins)
    to_device(made, device)
    return made
