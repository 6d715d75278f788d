"""Files of networks: writing of ``model.pt``, and safe reading of any file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError

from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.data import TVL1_NAME as TVL1
from dsnet.experiment.specs import TrainSpec
from dsnet.models.backbone import Backbone
from dsnet.models.building import build
from dsnet.provenance import replacing

FORMAT = "dsnet-model"
VERSION = 1


class CheckpointError(UserError):
    """A file of weights that cannot be used; the message says which and why."""


def save(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with ``torch.save``; the file appears when it is complete."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read(path: PathLike) -> dict[str, Any]:
    """Read a file of :func:`save` or a ``.pth`` on the CPU; code in the file is never executed.

    Raises:
        CheckpointError: the file is damaged, or has more than tensors and plain values. Damage in a
            file of others is found only if it cannot be read.
        FileNotFoundError: no such file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint {os.fspath(path)}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)} cannot be read as weights: {error}") from error
    except Exception as error:  # damage raises almost anything, such as IndexError or struct.error
        # PyTorch's message is left out: it advises to run the code that may be in the file.
        raise CheckpointError(
            f"{os.fspath(path)} cannot be read as weights: it is damaged, or holds more than "
            f"tensors and plain values, which may be code and was not loaded; get the file anew, "
            f"or have its state_dict saved alone by whoever made it"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{os.fspath(path)} holds a {type(content).__name__}, not weights")
    if content.get("format") == FORMAT:
        _check_bytes(path)
    return content


def _check_bytes(path: PathLike) -> None:
    """Check the CRC-32 of a file of :func:`save`, which PyTorch does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        wrong = str(error)
    if wrong is not None:
        raise CheckpointError(
            f"{os.fspath(path)} is damaged ({wrong}: CRC-32 differs); delete it and run again"
        )


def check_version(content: Mapping[str, Any], path: PathLike) -> None:
    """Raise CheckpointError if ``content``, of the file ``path``, is not a model file of dsnet."""
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise CheckpointError(
            f"{os.fspath(path)} is not a {FORMAT} file of version {VERSION}; weights of others are "
            f"scored by the workflow, as experiments/released.yaml does"
        )


def load_model(path: PathLike) -> tuple[Backbone, dict[str, Any]]:
    """Load the network of a ``model.pt`` with the selected weights, and the file's content.

    Raises:
        CheckpointError: not a model file of this version.
    """
    content = read(path)
    check_version(content, path)
    model = build(content["arch"], content["input"], len(content["classes"]))
    model.load_state_dict(content["state_dict"])
    return model, content


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
    """Raise CheckpointError if ``content``, of ``path``, has another flow algorithm than ``data``.

    ``data`` is the spec of the clips that the network will get. A file passes if it does not say
    how its clips were made.
    """
    if content.get("input") == "flow" and "data" in content:
        known, found = (spec["flow"].get("algorithm", TVL1) for spec in (content["data"], data))
        if known != found:
            raise CheckpointError(
                f"{os.fspath(path)} was trained on flow by {known}, and the flow of these clips is "
                f"by {found}; train it on them, or give clips with flow by {known}"
            )
