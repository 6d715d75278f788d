"""File format ``scores.h5``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

import h5py

from dsnet.disk import reading_hdf5
from dsnet.errors import RemakeError
from dsnet.experiment.specs import TrainSpec
from dsnet.provenance import canonical, record, replacing
from dsnet.scores.values import Part, ScoreError, Scores, metrics

FORMAT = "dsnet-scores"
VERSION = 2  # with the groups of the videos


def write_scores(path: str | PathLike[str], scores: Scores) -> None:
    """Write ``scores.h5``, with :func:`metrics` of every part as an attribute (JSON)."""
    # In memory first: after a full disk, HDF5 can crash the process later.
    with h5py.File.in_memory() as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            run=canonical(scores.run),
            classes=json.dumps(scores.classes),
            spec=canonical(scores.spec and scores.spec.values()),
            provenance=canonical(record()),
            metrics=json.dumps({name: metrics(part) for name, part in scores.parts.items()}),
        )
        for name, part in scores.parts.items():
            group = file.create_group(name)
            for column in ("ids", "groups"):
                texts = list(getattr(part, column))
                group.create_dataset(column, data=texts, dtype=h5py.string_dtype("utf-8"))
            group["labels"], group["clips"], group["counts"] = part.labels, part.clips, part.counts
        file.flush()
        image = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(image)


@contextmanager
def open_scores(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open ``scores.h5`` for reading, as a context manager.

    Raises:
        ScoreError: a file of another format or version.
        RemakeError: opening or reading fails, as in a damaged file.
        OSError: the file is missing, or the system refuses it.
    """
    name = fspath(path)
    try:
        with reading_hdf5(path) as file:
            if (file.attrs.get("format"), file.attrs.get("version")) != (FORMAT, VERSION):
                raise ScoreError(
                    f"{name} is not a {FORMAT} file of version {VERSION}; give another, or delete "
                    f"it and run again"
                )
            yield file
    except ScoreError:
        raise
    except Exception as error:  # damage raises almost anything in HDF5
        if isinstance(error, OSError) and error.errno:
            raise
        raise RemakeError(path, f"{name} is damaged or not a {FORMAT} file ({error})") from error


def read_scores(path: str | PathLike[str]) -> Scores:
    """Read ``scores.h5``; for errors see :func:`open_scores`."""
    with open_scores(path) as file:
        parts = {
            name: Part(
                ids=tuple(group["ids"].asstr()[:]),
                labels=group["labels"][:],
                clips=group["clips"][:],
                counts=group["counts"][:],
                groups=tuple(group["groups"].asstr()[:]),
            )
            for name, group in file.items()
        }
        run, classes, spec = (json.loads(file.attrs[k]) for k in ("run", "classes", "spec"))
    return Scores(run, tuple(classes), parts, spec and TrainSpec.model_validate(spec))
