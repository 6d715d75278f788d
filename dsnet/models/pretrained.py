"""Weights to start from, ours or MARS's: what they are, taking them up, and converting them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dsnet.models.checkpoints import (
    FORMAT,
    VERSION,
    CheckpointError,
    check_version,
    read,
    save,
)
from dsnet.models.resnext3d import CHANNELS, ResNeXt3D, build
from dsnet.models.weights import differing, in_order, may_differ, take_up, tensors
from dsnet.provenance import canonical, keep_input, record

log = logging.getLogger(__name__)


def start_from(
    model: nn.Module, path: str | os.PathLike[str], classes: Sequence[str] = ()
) -> list[str]:
    """Copy the weights of a checkpoint into ``model``; return the keys that stay as drawn.

    Takes what :func:`load_checkpoint` takes. The first convolution and the classifier may have
    another shape and then stay as they are.

    Args:
        classes: names in the label order of ``model``; a file that names the same classes in
            another order has the rows of its classifier put in this one.

    Raises:
        CheckpointError: keys other than those are absent or of another shape.
    """
    return _copy(model, path, read(path), classes)


def take_all(model: nn.Module, path: str | os.PathLike[str], classes: Sequence[str]) -> None:
    """Copy all weights of a checkpoint into ``model``: as :func:`start_from`, but none stay drawn.

    The classes of a file that does not name them, such as MARS's, are taken to be in the order of
    ``classes``.

    Raises:
        CheckpointError: it is of another network, another input or other classes.
    """
    content = read(path)
    names, own, theirs = _names(content), model.state_dict(), tensors(content)
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
    model: nn.Module,
    path: str | os.PathLike[str],
    content: Mapping[str, Any],
    classes: Sequence[str],
) -> list[str]:
    """See :func:`start_from`; ``content`` is what :func:`read` gives of ``path``."""
    weights = in_order(tensors(content), _names(content), classes)
    own = model.state_dict()
    wrong = [k for k in differing(own, weights) if not may_differ(k)]
    if wrong:
        raise CheckpointError(_differences(path, own, weights, wrong))
    drawn = take_up(model, weights)
    log.info("started from %s; drawn anew: %s", path, ", ".join(drawn) or "nothing")
    return drawn


def _names(content: Mapping[str, Any]) -> list[str]:
    """The classes that a file names; none where it was converted without names."""
    names = list(content["classes"]) if content.get("format") == FORMAT else []
    return [] if names == [str(number) for number in range(len(names))] else names


def load_checkpoint(path: str | os.PathLike[str]) -> ResNeXt3D:
    """The network of a checkpoint, in eval mode on the CPU; the log says what it is.

    Takes ``model.pt`` and the ``.pth`` of MARS and 3D-ResNets-PyTorch: a ``state_dict``, alone or
    in a dictionary, with or without the prefix ``module.``, whatever the number of classes. The
    network's size is read off the shapes. Code in the file is never executed.

    Raises:
        CheckpointError: damaged, code, or the weights of another architecture; the message has
            the first keys that differ.
        FileNotFoundError: no such file.
    """
    found = inspect(path)
    model = found.build()
    log.info("loaded %s: %s", path, found.summary())
    return model.eval()


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file under dsnet's names, and what can be told of them.

    ``classes`` is empty where the file does not name them; ``ignored`` are the tensors that the
    network has no place for.
    """

    path: str
    source: str
    arch: dict[str, Any]
    input: str
    num_classes: int
    weights: dict[str, Tensor]
    classes: list[str]
    epoch: int | None
    ignored: list[str]
    provenance: str

    def build(self) -> ResNeXt3D:
        """The network with these weights, on the CPU."""
        model = build(self.arch, self.input, self.num_classes)
        # The counters of batches are absent before PyTorch 0.4.1 and of no use here.
        model.load_state_dict(self.weights, strict=False)
        return model

    @property
    def depth(self) -> int:
        """As in ResNeXt-101: three convolutions per block, the first one and the classifier."""
        return 3 * sum(self.arch["layers"]) + 2

    def summary(self) -> str:
        """In one line."""
        trained = f", epoch {self.epoch}" if self.epoch is not None else ""
        left = f", {len(self.ignored)} ignored" if self.ignored else ""
        return (
            f"{self.source}: 3D ResNeXt-{self.depth} ({self.arch['cardinality']} groups) for "
            f"{self.input}, {self.num_classes} classes{trained}{left}"
        )

    def describe(self) -> str:
        """In some lines, to read."""
        size = sum(weight.numel() for weight in self.weights.values())
        lines = [
            f"{self.path}: {self.summary()}",
            f"blocks {self.arch['layers']}, widths {self.arch['widths']}, stem {self.arch['stem']} "
            f"with a kernel of {self.arch['stem_kernel']}; {size:,} numbers",
            *([f"classes: {', '.join(self.classes)}"] if self.classes else []),
            *([f"made by: {self.provenance}"] if self.provenance else []),
            *(f"ignored: {key}" for key in self.ignored),
        ]
        return "\n".join(lines)


def inspect(path: str | os.PathLike[str]) -> Checkpoint:
    """What a checkpoint holds; see :func:`load_checkpoint`."""
    content = read(path)
    found = tensors(content)
    arch, channels = _architecture(path, found)
    with torch.device("meta"):
        model = ResNeXt3D(found["fc.weight"].shape[0], channels, **arch)
    own = model.state_dict()
    wrong = differing(own, found)
    if wrong:
        raise CheckpointError(_differences(path, own, found, wrong))
    names = {count: name for name, count in CHANNELS.items()}
    ours = content.get("format") == FORMAT
    if ours:
        check_version(content, path)
    return Checkpoint(
        path=os.fspath(path),
        source="dsnet" if ours else str(content.get("arch", "weights without a name")),
        arch=arch,
        input=names[channels],
        num_classes=found["fc.weight"].shape[0],
        weights={key: found[key] for key in own if key in found},
        classes=list(content["classes"]) if ours else [],
        epoch=content.get("epoch") if isinstance(content.get("epoch"), int) else None,
        ignored=sorted(set(found) - set(own)),
        provenance=canonical(content.get("provenance")) if ours else "",
    )


def convert(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
) -> None:
    """Write a checkpoint as ``model.pt`` (``output`` ends in .pt) or in MARS's layout (.pth).

    A converted ``model.pt`` has no spec: it is to start or to distill from, not to evaluate.

    Args:
        classes: names in label order, for a ``.pt``; without them the file's own, or numbers.

    Raises:
        UserError: ``output`` is ``path`` itself.
        CheckpointError: see :func:`load_checkpoint`; or there are other numbers of names and
            classes, or ``output`` ends otherwise.
    """
    keep_input(path, output)
    found, suffix = inspect(path), os.path.splitext(output)[1]
    if suffix == ".pth":
        weights = {f"module.{key}": value for key, value in found.weights.items()}
        arch = f"resnext-{found.depth}"
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


def _architecture(
    path: str | os.PathLike[str], found: Mapping[str, Tensor]
) -> tuple[dict[str, Any], int]:
    """The arguments of :class:`ResNeXt3D` that these tensors are of, and its input channels."""
    grouped = [f"layer{i}.0.conv2.weight" for i in range(1, 5)]
    telling = ["conv1.weight", *grouped, "fc.weight"]
    dimensions = [found[key].ndim if key in found else None for key in telling]
    if dimensions == [5, 5, 5, 5, 5, 2]:
        stem, channels, *kernel = found["conv1.weight"].shape
        widths = [found[key].shape[0] for key in grouped]
        groups = {w // found[key].shape[1] for w, key in zip(widths, grouped, strict=True)}
        if channels in CHANNELS.values() and len(set(kernel)) == len(groups) == 1:
            blocks = [
                len({key.split(".")[1] for key in found if key.startswith(f"layer{i}.")})
                for i in range(1, 5)
            ]
            arch = {
                "layers": blocks,
                "widths": widths,
                "stem": stem,
                "stem_kernel": kernel[0],
                "cardinality": groups.pop(),
            }
            return arch, channels
    with torch.device("meta"):
        own = ResNeXt3D(400).state_dict()
    wrong = [key for key in differing(own, found) if key in telling]
    raise CheckpointError(_differences(path, own, found, wrong))


def _differences(
    path: str | os.PathLike[str],
    own: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    keys: Sequence[str],
) -> str:
    lines = [
        f"{key}: expected {tuple(own[key].shape)}, "
        + (f"found {tuple(theirs[key].shape)}" if key in theirs else "absent")
        for key in sorted(keys, key=lambda key: key in theirs)[:5]  # the absent ones first
    ]
    return (
        f"{os.fspath(path)} has the weights of another network "
        f"({len(keys)} of {len(own)} keys differ):\n  " + "\n  ".join(lines)
    )
