"""Weights to start from, dsnet's or those of others: inspecting, copying and converting them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dsnet.disk import PathLike
from dsnet.models import averaging, slowonly
from dsnet.models.backbone import CHANNELS, Backbone
from dsnet.models.building import build
from dsnet.models.checkpoints import FORMAT, VERSION, CheckpointError, check_version, read, save
from dsnet.models.resnext3d import TELLING, ResNeXt3D, read_architecture
from dsnet.models.weights import differing, in_order, misfits, surplus, take_up, tensors
from dsnet.provenance import canonical, keep_input, record
from dsnet.registry import BACKBONES

log = logging.getLogger(__name__)


def start_from(
    model: Backbone, path: PathLike, classes: Sequence[str] = (), averaged: bool = False
) -> list[str]:
    """Copy the weights of a checkpoint into ``model``; return the keys that stay as drawn.

    It takes the files of :func:`load_checkpoint`. The first convolution and the classifier may have
    another shape and then stay as drawn; CheckpointError if other keys differ, or if the file has
    further blocks. ``classes`` are names in the label order of ``model``. If the file names the
    same classes in another order, the rows of its classifier are reordered. ``averaged`` makes a
    first convolution for another input by :func:`.averaging.averaged`; CheckpointError if its
    kernels are of another size.
    """
    return _copy(model, path, read(path), classes, averaged)


def take_all(model: Backbone, path: PathLike, classes: Sequence[str]) -> None:
    """Copy all weights of a checkpoint into ``model``; CheckpointError if one does not fit.

    A file without names of classes, such as MARS's, is taken to have the order of ``classes``.
    """
    content = read(path)
    names, own, theirs = _names(content), model.state_dict(), _weights(content)
    wrong = [f"it has other classes, such as {name}" for name in names if name not in classes][:1]
    wrong += [
        f"{key} is {tuple(theirs[key].shape) if key in theirs else 'not'} there and "
        f"{tuple(own[key].shape)} here"
        for key in _copy(model, path, content, classes)
    ]
    if wrong:
        raise CheckpointError(
            f"{os.fspath(path)} cannot be taken as it is, which training.epochs: 0 asks for: "
            f"{'; '.join(wrong)}. Weights of Kinetics have 400 classes and need training; set "
            f"pretrained to weights of this input and data set, or epochs to more than 0"
        )


def _copy(
    model: Backbone,
    path: PathLike,
    content: Mapping[str, Any],
    classes: Sequence[str],
    averaged: bool = False,
) -> list[str]:
    """Copy ``content``, read from ``path``; see :func:`start_from`."""
    weights = in_order(model, _weights(content), _names(content), classes)
    own = model.state_dict()
    if wrong := misfits(model, weights):
        raise CheckpointError(_differences(path, own, weights, wrong))
    changed = _average(f"{model.first}.weight", own, weights, path) if averaged else {}
    drawn = take_up(model, {**weights, **changed})
    names = (", ".join(keys) or "nothing" for keys in (drawn, changed))
    log.info("started from %s; drawn anew: %s; averaged over its channels: %s", path, *names)
    return drawn


def _average(
    first: str, own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], path: PathLike
) -> dict[str, Tensor]:
    """Make the weight ``first`` of ``theirs`` fit the channels of ``own``, if they differ."""
    if first not in theirs or theirs[first].shape == own[first].shape:
        return {}
    made = averaging.averaged(theirs[first], own[first].shape[1])
    if made.shape != own[first].shape:
        raise CheckpointError(
            f"{os.fspath(path)}: {first} is {tuple(theirs[first].shape)} there and "
            f"{tuple(own[first].shape)} here; kernels of another size cannot be averaged, so set "
            f"first_convolution to drawn"
        )
    return {first: made}


def _weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a file, of dsnet or others, under dsnet's names."""
    return slowonly.renamed(tensors(content))


def _names(content: Mapping[str, Any]) -> list[str]:
    """Return the classes that a file names; none if it was converted without names."""
    names = list(content["classes"]) if content.get("format") == FORMAT else []
    return [] if names == [str(number) for number in range(len(names))] else names


def load_checkpoint(path: PathLike) -> Backbone:
    """Load the network of a checkpoint, in eval mode on the CPU; the log says what it is.

    It takes ``model.pt`` and the ``.pth`` of MARS, 3D-ResNets-PyTorch, torchvision and mmaction2's
    SlowOnly: a ``state_dict``, alone or in a dictionary, with or without the prefix ``module.``,
    for any number of classes. The size
    of the network is read from the shapes. Code in the file is never executed.

    Raises:
        CheckpointError: the file is damaged, has code, or is of another architecture; the message
            has the first keys that differ.
        FileNotFoundError: no such file.
    """
    found = inspect(path)
    model = found.build()
    log.info("loaded %s: %s", path, found.summary())
    return model.eval()


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file under dsnet's names, and its description.

    ``network`` is without weights. ``classes`` is empty if the file does not name them. ``ignored``
    are tensors that the network does not have.
    """

    path: str
    source: str
    arch: dict[str, Any]
    input: str
    num_classes: int
    network: Backbone
    weights: dict[str, Tensor]
    classes: list[str]
    epoch: int | None
    ignored: list[str]
    provenance: str

    def build(self) -> Backbone:
        """Build the network with these weights, on the CPU."""
        model = build(self.arch, self.input, self.num_classes)
        # PyTorch before 0.4.1 has no counters of batches, and they are not needed here.
        model.load_state_dict(self.weights, strict=False)
        return model

    def summary(self) -> str:
        """Describe the checkpoint in one line."""
        trained = f", epoch {self.epoch}" if self.epoch is not None else ""
        left = f", {len(self.ignored)} ignored" if self.ignored else ""
        what = f"{self.network.title()} for {self.input}, {self.num_classes} classes"
        return f"{self.source}: {what}{trained}{left}"

    def describe(self) -> str:
        """Describe the checkpoint in several lines."""
        size = sum(weight.numel() for weight in self.weights.values())
        options = ", ".join(f"{key} {value}" for key, value in self.arch.items())
        lines = [
            f"{self.path}: {self.summary()}",
            f"{options}; {size:,} numbers",
            *([f"classes: {', '.join(self.classes)}"] if self.classes else []),
            *([f"made by: {self.provenance}"] if self.provenance else []),
            *(f"ignored: {key}" for key in self.ignored),
        ]
        return "\n".join(lines)


def inspect(path: PathLike) -> Checkpoint:
    """Read a checkpoint and describe it; see :func:`load_checkpoint`.

    dsnet's files name their backbone. Files of others are taken for the network of
    :data:`dsnet.registry.BACKBONES` that has their tensors, else for :class:`.ResNeXt3D`.
    """
    content = read(path)
    found, ours = _weights(content), content.get("format") == FORMAT
    named = "weights without a name" if found.keys() == tensors(content).keys() else "mmaction2"
    if ours:
        check_version(content, path)
    if ours and "backbone" in content["arch"]:
        arch, modality, count = content["arch"], content["input"], len(content["classes"])
    elif (arch := read_architecture(found)) is not None:
        count, channels = found[TELLING[-1]].shape[0], found[TELLING[0]].shape[1]
        (modality,) = (name for name, number in CHANNELS.items() if number == channels)
    elif (known := _known(found)) is not None:
        arch, modality, count = known
    else:
        with torch.device("meta"):
            own = ResNeXt3D(400).state_dict()
        wrong = [key for key in differing(own, found) if key in TELLING]
        raise CheckpointError(_differences(path, own, found, wrong))
    with torch.device("meta"):
        network = build(arch, modality, count)
    own = network.state_dict()
    if wrong := [*differing(own, found), *surplus(own, found)]:
        raise CheckpointError(_differences(path, own, found, wrong))
    return Checkpoint(
        path=os.fspath(path),
        source="dsnet" if ours else str(content.get("arch", named)),
        arch=arch,
        input=modality,
        num_classes=count,
        network=network,
        weights={key: found[key] for key in own if key in found},
        classes=list(content["classes"]) if ours else [],
        epoch=content.get("epoch") if isinstance(content.get("epoch"), int) else None,
        ignored=sorted(set(found) - set(own)),
        provenance=canonical(content.get("provenance")) if ours else "",
    )


def _known(weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], str, int] | None:
    """Return backbone, input and number of classes of dsnet's own network with these tensors."""
    inputs = {channels: modality for modality, channels in CHANNELS.items()}
    for name in BACKBONES:
        with torch.device("meta"):
            network = build({"backbone": name}, "rgb", 1)
        keys = (f"{network.first}.weight", f"{network.classifier}.weight")
        first, last = (tuple(weights[key].shape) if key in weights else () for key in keys)
        fits = (len(first), len(last)) == (5, 2) and first[1] in inputs
        if fits and not misfits(network, weights):
            return {"backbone": name}, inputs[first[1]], last[0]
    return None


def convert(
    path: PathLike,
    output: PathLike,
    classes: Sequence[str] | None = None,
) -> None:
    """Write a checkpoint as ``model.pt`` (``output`` ends in .pt) or in MARS's layout (.pth).

    A converted ``model.pt`` has no spec. Streams can start or distill from it, but it cannot be
    evaluated. ``classes`` are names in label order, for a ``.pt``. The default is the file's own,
    or numbers.

    Raises:
        UserError: ``output`` is ``path`` itself.
        CheckpointError: see :func:`load_checkpoint`; or the number of names is wrong, or ``output``
            ends otherwise.
    """
    keep_input(path, output)
    found, suffix = inspect(path), os.path.splitext(output)[1]
    if suffix == ".pth":
        weights = {f"module.{key}": value for key, value in found.weights.items()}
        network = found.network
        arch = f"resnext-{network.depth}" if isinstance(network, ResNeXt3D) else network.title()
        save(output, {"epoch": found.epoch, "arch": arch, "state_dict": weights})
        return
    if suffix != ".pt":
        raise CheckpointError(f"{os.fspath(output)}: expected .pt (dsnet) or .pth (MARS)")
    names = list(classes or found.classes or map(str, range(found.num_classes)))
    if len(names) != found.num_classes:
        raise CheckpointError(
            f"{os.fspath(path)} has {found.num_classes} classes, and there are {len(names)} names"
        )
    content = {
        "format": FORMAT,
        "version": VERSION,
        "arch": found.arch,
        "input": found.input,
        "classes": names,
        "state_dict": found.build().state_dict(),
        "epoch": found.epoch,
        "sources": {"converted": found.path},
        "provenance": record(),
    }
    save(output, content)


def _differences(
    path: PathLike,
    own: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    keys: Sequence[str],
) -> str:
    lines = [
        f"{key}: expected {tuple(own[key].shape) if key in own else 'none'}, "
        + (f"found {tuple(theirs[key].shape)}" if key in theirs else "absent")
        for key in sorted(keys, key=lambda key: key in theirs)[:5]  # absent keys first
    ]
    return (
        f"{os.fspath(path)} has the weights of another network "
        f"({len(keys)} of {len(own)} keys differ):\n  " + "\n  ".join(lines)
    )
