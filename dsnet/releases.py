"""Weights that streams start from: files, and releases of others by name."""

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
# Addresses of mmaction2's weights, by name.
OPENMMLAB = "https://download.openmmlab.com/mmaction/recognition/slowonly"
MMACTION2 = {
    "slowonly_r50_Flow_Kinetics400": f"{OPENMMLAB}/slowonly_r50_8x8x1_256e_kinetics400_flow/"
    "slowonly_r50_8x8x1_256e_kinetics400_flow_20200704-6b384243.pth",
    "slowonly_r50_RGB_Kinetics400": f"{OPENMMLAB}/slowonly_r50_8x8x1_256e_kinetics400_rgb/"
    "slowonly_r50_8x8x1_256e_kinetics400_rgb_20200703-a79c555a.pth",
}
# Networks of flow, and the name that torchvision has for the weights of each.
RAFT = {"raft_small": "C_T_V2", "raft_large": "C_T_SKHT_V2"}
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
    released = RELEASE.fullmatch(name) or fetchable(name)
    path = os.path.join(folder, f"{name}.pth") if released else name
    if os.path.isfile(path):
        return path
    if not released:
        raise PretrainedError(
            f"pretrained: there is no file {name} (looked in {os.getcwd()}), and it is no release "
            "of MARS, torchvision or mmaction2, which are named like RGB_Kinetics_16f, "
            "r2plus1d_18_Kinetics400 and slowonly_r50_Flow_Kinetics400"
        )
    if fetchable(name):
        raise PretrainedError(
            f"pretrained: {name} is a release that is not there yet. "
            f"`dsnet fetch {name}` puts it at {path} (looked in {os.getcwd()}), or says how to "
            "do so by hand"
        )
    raise PretrainedError(
        f"pretrained: {name} is a release of MARS that is not there yet. Get {name}.pth from "
        "the folder of trained models that the README of the repository craston/MARS on "
        f"GitHub links to, and put it at {path} (looked in {os.getcwd()}); "
        f"`python -m dsnet checkpoint inspect {path}` then says what it is"
    )


def fetchable(name: str) -> bool:
    """Return whether a name is of weights of torchvision or mmaction2, which can be fetched."""
    return name in MMACTION2 or name in RAFT or TORCHVISION.fullmatch(name) is not None


def published(name: str) -> tuple[str, str]:
    """Return the address of a release that can be fetched, and the start of its SHA-256.

    A name in an address ends in the start of the hash, as torch.hub checks. torchvision has the
    addresses of its own.
    """
    url = MMACTION2.get(name) or _of_torchvision(name)
    return url, PurePosixPath(url).stem.rpartition("-")[2]


def _of_torchvision(name: str) -> str:
    from dsnet import vision  # planning does without PyTorch

    model, weights = name, RAFT.get(name, "")
    if not weights:
        model, data = name.rsplit("_", 1)
        weights = f"{data.upper()}_V1"
    return str(vision.module("models").get_model_weights(model)[weights].url)


def locate_raft(model: str, weights: str | None, folder: PathLike = FOLDER) -> str:
    """Return the path of ``flow.raft.weights``, null being the release in ``folder``.

    Raises PretrainedError if there is no such file.
    """
    path = weights or os.path.join(folder, f"{model}.pth")
    if not os.path.isfile(path):
        advice = "" if weights else f"; `dsnet fetch {model}` gets it, or says how to do so by hand"
        raise PretrainedError(
            f"flow.raft.weights: there is no file {path} (looked in {os.getcwd()}){advice}"
        )
    return path
