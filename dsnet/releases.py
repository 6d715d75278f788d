"""Weights that streams start from: files, and MARS's releases by name."""

from __future__ import annotations

import os
import re

from dsnet.disk import PathLike
from dsnet.errors import UserError

FOLDER = "resources/checkpoints"
# MARS's file names: stream, data set, frames per clip.
RELEASE = re.compile(r"(RGB|Flow|MARS|MERS)_(Kinetics|UCF101|HMDB51|MiniKinetics)_(16|64)f")
# Networks of flow, and where torchvision has their weights.
RAFT = {
    "raft_small": "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth",
    "raft_large": "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth",
}
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
    if not RELEASE.fullmatch(name):
        if not os.path.isfile(name):
            raise PretrainedError(
                f"pretrained: there is no file {name} (looked in {os.getcwd()}), and it is no "
                "release of MARS, which are named like RGB_Kinetics_16f"
            )
        return name
    path = os.path.join(folder, f"{name}.pth")
    if not os.path.isfile(path):
        raise PretrainedError(
            f"pretrained: {name} is a release of MARS that is not there yet. Get {name}.pth from "
            "the folder of trained models that the README of the repository craston/MARS on "
            f"GitHub links to, and put it at {path} (looked in {os.getcwd()}); "
            f"`python -m dsnet checkpoint inspect {path}` then says what it is"
        )
    return path


def locate_raft(model: str, weights: str | None, folder: PathLike = FOLDER) -> str:
    """Return the path of ``flow.raft.weights``; raise PretrainedError if there is no such file.

    ``None`` is the file of ``model`` (:data:`RAFT`), under its name, in ``folder``.
    """
    path = weights or os.path.join(folder, os.path.basename(RAFT[model]))
    if not os.path.isfile(path):
        raise PretrainedError(
            f"flow.raft.weights: there is no file {path} (looked in {os.getcwd()}); get "
            f"{RAFT[model]}, torchvision's weights of {model}, and put it there"
        )
    return path
