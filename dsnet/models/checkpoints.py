"""Model files: ours (``model.pt``) and weights to start from, ours or MARS's."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dsnet.errors import UserError
from dsnet.models.resnext3d import CHANNELS, ResNeXt3D
from dsnet.provenance import replacing

log = logging.getLogger(__name__)
FORMAT = "dsnet-model"
VERSION = 1


class CheckpointError(UserError):
    """A file of weights that cannot be used; the message says which and why."""


def save(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with ``torch.save``; the file appears when complete."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of :func:`save` or a ``.pth`` on the CPU; code in the file is never executed.

    Raises:
        CheckpointError: the file is damaged, or holds more than tensors and plain values.
        FileNotFoundError: no such file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint {os.fspath(path)}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{os.fspath(path)} cannot be read as weights ({first}); it is damaged or holds code"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{os.fspath(path)} holds a {type(content).__name__}, not weights")
    return content


def build(arch: Mapping[str, Any], stream_input: str, num_classes: int) -> ResNeXt3D:
    """The network of a config's ``model`` for ``rgb`` or ``flow``."""
    return ResNeXt3D(num_classes, CHANNELS[stream_input], **arch)


def load_model(path: str | os.PathLike[str]) -> tuple[ResNeXt3D, dict[str, Any]]:
    """The network of a ``model.pt`` with the selected weights, and all that the file holds.

    Raises:
        CheckpointError: not a model file of this version.
    """
    content = read(path)
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise CheckpointError(f"{os.fspath(path)} is not a {FORMAT} file of version {VERSION}")
    model = build(content["arch"], content["input"], len(content["classes"]))
    model.load_state_dict(content["state_dict"])
    return model, content


def start_from(model: nn.Module, path: str | os.PathLike[str]) -> list[str]:
    """Copy the weights of a checkpoint into ``model``; return the keys that stay as drawn.

    Takes ``model.pt`` and the ``.pth`` of MARS and 3D-ResNets-PyTorch (``state_dict`` with or
    without the prefix ``module.``). The first convolution and the classifier may have another
    shape and then stay as they are.

    Raises:
        CheckpointError: keys other than those are absent or of another shape.
    """
    content = read(path)
    weights: dict[str, Tensor] = {
        key.removeprefix("module."): value
        for key, value in content.get("state_dict", content).items()
        if isinstance(value, Tensor)
    }
    own = model.state_dict()
    differing = [k for k in own if k not in weights or weights[k].shape != own[k].shape]
    wrong = [k for k in differing if k != "conv1.weight" and not k.startswith("fc.")]
    if wrong:
        lines = [
            f"{key}: expected {tuple(own[key].shape)}, "
            + (f"found {tuple(weights[key].shape)}" if key in weights else "absent")
            for key in wrong[:5]
        ]
        raise CheckpointError(
            f"{os.fspath(path)} has the weights of another network "
            f"({len(wrong)} of {len(own)} keys differ):\n  " + "\n  ".join(lines)
        )
    model.load_state_dict({k: weights[k] for k in own if k not in differing}, strict=False)
    log.info("started from %s; drawn anew: %s", path, ", ".join(differing) or "nothing")
    return differing
