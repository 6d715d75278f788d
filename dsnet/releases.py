"""Weights to start from that others have trained: files, and MARS's releases by name."""

from __future__ import annotations

import os
import re

from dsnet.disk import PathLike
from dsnet.errors import UserError

FOLDER = "resources/checkpoints"
# The names of MARS's files: stream, data set, frames per clip.
RELEASE = re.compile(r"(RGB|Flow|MARS|MERS)_(Kinetics|UCF101|HMDB51|MiniKinetics)_(16|64)f")
# What {dataset} stands for, by kind of data set. These files were fine-tuned on split 1 alone.
FINE_TUNED = {"ucf101": "UCF101", "hmdb51": "HMDB51"}


class PretrainedError(UserError):
    """Weights that a stream is to start from and that are not there."""


def name_of(pretrained: str, clip_length: int, kind: str) -> str:
    """A config's ``pretrained`` for one clip length and kind of data set.

    ``{clip_length}`` in it stands for the number of frames, ``{dataset}`` for ``UCF101`` or
    ``HMDB51``; of another kind it stays.
    """
    name = pretrained.replace("{clip_length}", str(clip_length))
    return name.replace("{dataset}", FINE_TUNED.get(kind, "{dataset}"))


def locate(pretrained: str, clip_length: int, kind: str, folder: PathLike = FOLDER) -> str:
    """The path of a config's ``pretrained``: its own, or that of a release of MARS by name.

    For what stands in braces see :func:`name_of`.

    Raises:
        PretrainedError: there is no such file; says where to get a release and where to put it.
    """
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
