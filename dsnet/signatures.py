"""A first look at files of weights and videos, before PyTorch is imported."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.provenance import check_seal

# How files of torch.save begin: a ZIP archive, or a pickle, as older ones are.
WEIGHTS = (b"PK\x03\x04", b"\x80")


def check_model(path: PathLike, fusions: bool = True) -> None:
    """Raise an error for what cannot be a model: a missing file, a folder, text, a video.

    Raises:
        FileNotFoundError: there is no such file.
        ChangedError: its seal says that it is not as dsnet wrote it.
        UserError: it does not begin as a file of weights does, and is no ``.json`` of a fusion, or
            ``fusions`` are not possible.
    """
    name = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint {name}")
    if os.path.isdir(path):
        raise UserError(f"{name} is a folder; name the model.pt of a stream, in it or below it")
    if fusions and name.endswith(".json"):
        return
    with open(path, "rb") as file:
        if not file.read(4).startswith(WEIGHTS):
            check_seal(path)
            more = ", or the .json of a fusion" if fusions else ""
            raise UserError(f"{name} is no file of weights; name the model.pt of a stream{more}")


def check_videos(names: Sequence[str]) -> None:
    """Raise FileNotFoundError if none of the videos is there; addresses are not looked for."""
    if names and not any("://" in name or os.path.exists(name) for name in names):
        raise FileNotFoundError(f"there is no {', '.join(names)} (looked in {os.getcwd()})")
