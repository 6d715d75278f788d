"""Weights that streams start from: files, and releases of MARS and torchvision by name."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

from dsnet.disk import PathLike
from dsnet.errors import UserError

FOLDER = "resources/checkpoints"
# MARS's file names: stream, data set, frames per clip.
RELEASE = re.compile(r"(RGB|Flow|MARS|MERS)_(Kinetics|UCF101|HMDB51|MiniKinetics)_(16|64)f")
# Networks of torchvision, and the data set of their weights.
TORCHVISION = re.compile(r"(r3d_18|mc3_18|r2plus1d_18|swin3d_t)_(Kinetics400)")
# Values of {dataset}, by kind of data set. These files were fine-tuned on split 1 alone.
FINE_TUNED = {"ucf101": "UCF101", "hmdb51": "HMDB51"}


class PretrainedError(UserError):
    """Missing weights that a stream starts from."""


def name_of(pretrained: str, clip_length: int, kind: str) -> str:
    """Return a config's ``pretrained`` for one clip length and kind of data set.

    ``{clip_length}`` becomes the number of frames. ``{dataset}`` becomes ``UCF101`` or ``HMDB51``,
    and stays as it is for any other kind.
    """
    name = pretrained.replace("{clip_length}", str(clip_length))
    return name.replace("{dataset}", FINE_TUNED.get(kind, "{dataset}"))


def locate(pretrained: str, clip_length: int, kind: str, folder: PathLike = FOLDER) -> str:
    """Return the path of a ``pretrained`` (:func:`name_of`); PretrainedError if there is none."""
    name = name_of(pretrained, clip_length, kind)
    released = RELEASE.fullmatch(name) or TORCHVISION.fullmatch(name)
    path = os.path.join(folder, f"{name}.pth") if released else name
    if os.path.isfile(path):
        return path
    if not released:
        raise PretrainedError(
            f"pretrained: there is no file {name} (looked in {os.getcwd()}), and it is no release "
            "of MARS or torchvision, which are named like RGB_Kinetics_16f and "
            "r2plus1d_18_Kinetics400"
        )
    if TORCHVISION.fullmatch(name):
        raise PretrainedError(
            f"pretrained: {name} is a release of torchvision that is not there yet. "
            f"`dsnet fetch {name}` puts it at {path} (looked in {os.getcwd()}), or says how to "
            "do so by hand"
        )
    raise PretrainedError(
        f"pretrained: {name} is a release of MARS that is not there yet. Get {name}.pth from "
        "the folder of trained models that the README of the repository craston/MARS on "
        f"GitHub links to, and put it at {path} (looked in {os.getcwd()}); "
        f"`python -m dsnet checkpoint inspect {path}` then says what it is"
    )


def published(name: str) -> tuple[str, str]:
    """Return the address of a release of torchvision, and the start of its SHA-256.

    torchvision has both; a name in an address ends in the start of the hash, as torch.hub checks.
    """
    from dsnet import vision  # planning does without PyTorch

    released = TORCHVISION.fullmatch(name)
    assert released is not None
    weights = vision.module("models").get_model_weights(released[1])[f"{released[2].upper()}_V1"]
    return weights.url, PurePosixPath(weights.url).stem.rpartition("-")[2]
