"""Files of features: one vector per clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from dsnet.datasets.listing import readable
from dsnet.disk import PathLike
from dsnet.predict.prediction import Features
from dsnet.predict.streams import PredictError
from dsnet.provenance import replacing


def check_output(output: PathLike, videos: int) -> None:
    """Raise PredictError unless ``output`` can hold the features of so many videos."""
    suffix = Path(output).suffix
    if suffix not in (".npy", ".h5"):
        raise PredictError(f"{os.fspath(output)}: expected .npy (one video) or .h5")
    if suffix == ".npy" and videos > 1:
        raise PredictError(
            f"{os.fspath(output)}: .npy holds one video, and there are {videos}; name an .h5 file"
        )


def write_features(output: PathLike, found: Sequence[Features], model: PathLike) -> None:
    """Write the features of videos.

    ``.npy`` has the vectors of the one video, (C, D) float32. HDF5 has a row per clip, of all
    videos in their order: ``features``, (N, D) float32; ``times``, (N, 2) float64 seconds; and
    ``video``, (N,) int64, the place in ``videos``, which are UTF-8 names. The attributes are
    ``level`` and ``model``.
    """
    with replacing(output) as temporary:
        if Path(output).suffix == ".npy":
            with open(temporary, "wb") as stream:
                np.save(stream, found[0].vectors)
            return
        counts = [len(one.vectors) for one in found]
        with h5py.File(temporary, "w") as file:
            file["features"] = np.concatenate([one.vectors for one in found])
            file["times"] = np.concatenate([one.times for one in found])
            file["video"] = np.repeat(np.arange(len(found)), counts)
            file["videos"] = [readable(one.video) for one in found]
            file.attrs.update(level=found[0].level, model=readable(os.fspath(model)))
