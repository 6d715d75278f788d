"""Files of networks: writing of ``model.pt``, and safe reading of any file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError

from dsnet.disk import PathLike
from dsnet.errors import ChangedError, UserError
from dsnet.experiment.data import IMPORTED
from dsnet.experiment.data import TVL1_NAME as TVL1
from dsnet.experiment.specs import TrainSpec
from dsnet.models.backbone import Backbone
from dsnet.models.building import build
from dsnet.models.resnext3d import read_architecture
from dsnet.models.still import see_stills
from dsnet.provenance import canonical, check_seal, is_refusal, replacing

FORMAT = "dsnet-model"
VERSION = 1


class CheckpointError(UserError):
    """A file of weights that cannot be used; the message says which and why."""


class ChangedModelError(ChangedError, CheckpointError):
    """A file of weights that is not as dsnet wrote it."""


def save(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with ``torch.save``; the file appears when it is complete."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read(path: PathLike, weights: bool = True) -> dict[str, Any]:
    """Read a file of :func:`save` or a ``.pth`` on the CPU; code in the file is never executed.

    Without ``weights``, which may be gigabytes, they are not read unless used, nor checked.

    Raises:
        CheckpointError: the file is damaged, or has more than tensors and plain values. Damage in a
            file of others is found only if it cannot be read.
        OSError: no such file, or the system refuses it.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint {os.fspath(path)}")
    sealed = weights and check_seal(path, error=ChangedModelError)
    try:
        _check_sizes(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=not weights)
    except Exception as error:  # damage raises almost anything, such as IndexError or struct.error
        if is_refusal(error):
            raise
        check_seal(path, error=ChangedModelError)
        # PyTorch's message is left out: it advises to run the code that may be in the file.
        raise CheckpointError(
            f"{os.fspath(path)} cannot be read as weights: it is damaged, or holds more than "
            f"tensors and plain values, which may be code and was not loaded; get the file anew, "
            f"or have its state_dict saved alone by whoever made it"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{os.fspath(path)} holds a {type(content).__name__}, not weights")
    if content.get("format") == FORMAT and not sealed:
        _check_bytes(path, weights)
    return content


def _check_sizes(path: PathLike) -> None:
    """Raise ValueError if the parts of a file are larger than itself, as when it is compressed."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > os.path.getsize(path):
                raise ValueError("it is compressed")


def _check_bytes(path: PathLike, weights: bool) -> None:
    """Check the CRC-32 of a file of :func:`save`, which PyTorch does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            for part in archive.infolist():
                if weights or "/data/" not in part.filename:
                    with archive.open(part) as stream:
                        while stream.read(1 << 24):
                            pass
    except Exception as error:  # a damaged header raises almost anything, too
        if is_refusal(error):
            raise
        check_seal(path, error=ChangedModelError)
        raise CheckpointError(
            f"{os.fspath(path)} is damaged ({error}); delete it and run again"
        ) from error


def check_version(content: Mapping[str, Any], path: PathLike) -> None:
    """Raise CheckpointError if ``content``, of the file ``path``, is not a model file of dsnet."""
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise CheckpointError(
            f"{os.fspath(path)} is not a {FORMAT} file of version {VERSION}; weights of others are "
            f"scored by the workflow, as experiments/released.yaml does"
        )


def load_model(path: PathLike) -> tuple[Backbone, dict[str, Any]]:
    """Load the network of a ``model.pt`` with the selected weights, and the file's content.

    A network that was trained on stills sees stills, too (:func:`.see_stills`).

    Raises:
        CheckpointError: not a model file of this version, or its weights are not those of the
            network that it describes.
    """
    content = read(path)
    check_version(content, path)
    try:
        _check_network(content["arch"], content["state_dict"])
        model = build(content["arch"], content["input"], len(content["classes"]))
        model.load_state_dict(content["state_dict"])
        if content.get("spec", {}).get("stream", {}).get("still"):
            see_stills(model)
    except UserError:
        raise
    except Exception as error:
        if is_refusal(error):
            raise
        raise CheckpointError(
            f"{os.fspath(path)} does not have the weights of its network ({error}); delete it and "
            f"run again"
        ) from error
    return model, content


def _check_network(arch: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError if the network, which is built before it gets its weights, is a larger one.

    A user's network is the user's to limit.
    """
    for name, value in weights.items():
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"{name} has more numbers than the file")
    if arch.get("backbone", "resnext3d") == "resnext3d":
        said = {key: value for key, value in arch.items() if key != "backbone"}
        found = {**said, **(read_architecture(weights) or dict.fromkeys(said))}
        if canonical(said) != canonical({key: found[key] for key in said}):
            raise ValueError(f"it is said to be {said}, and is {found}")


def load_trained(
    path: PathLike, data: Mapping[str, Any] | None = None
) -> tuple[Backbone, dict[str, Any]]:
    """Load a stream's ``model.pt`` as :func:`load_model` does; ``spec`` is a :class:`.TrainSpec`.

    ``data`` is the spec of the clips that the network will get.

    Raises:
        CheckpointError: the file is of another version or was converted, or its flow is not by the
            algorithm of the clips.
    """
    model, content = load_model(path)
    if "spec" not in content:
        raise CheckpointError(
            f"{os.fspath(path)} was converted and does not say what its clips are; give a stream "
            f"that dsnet has trained, or name the file as a stream's pretrained and set its "
            f"training.epochs to 0, as experiments/released.yaml does"
        )
    try:
        content["spec"] = TrainSpec.model_validate(content["spec"])
    except ValidationError as error:
        raise CheckpointError(f"{os.fspath(path)} has a spec of another version: {error}") from None
    if data is not None:
        check_flow(content, data, path)
    return model, content


def check_flow(content: Mapping[str, Any], data: Mapping[str, Any], path: PathLike) -> None:
    """Raise CheckpointError if ``content``, of ``path``, has other flow than ``data``.

    That is flow by another algorithm or RAFT, of another layout of images, or over another number
    of frames. ``data`` is the
    spec of the clips that the network will get. A file passes if it does not say how its clips were
    made.
    """
    if content.get("input") == "flow" and "data" in content:
        known, found = (_flow_of(spec["flow"]) for spec in (content["data"], data))
        if known != found:
            raise CheckpointError(
                f"{os.fspath(path)} was trained on flow by {known}, and the flow of these clips is "
                f"by {found}; train it on them, or give clips with flow by {known}"
            )


def _flow_of(spec: Mapping[str, Any]) -> str:
    name = spec.get("raft", {"model": spec.get("algorithm", TVL1)})["model"]
    if name == IMPORTED:
        name += f" ({spec['imported']['layout']})"
    stride = spec.get("stride", 1)
    return name if stride == 1 else f"{name} over {stride} frames"
