"""The manifest: one row per video, listed, probed and divided into shards.

Columns, in this order: id, path, label, class_name, group, split1, ..., width, height, fps, frames,
digest, shard, error. ``workflow/schemas/manifest.schema.yaml`` describes each.
"""

import csv
import io
import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from dsnet.datasets import duplicates
from dsnet.datasets.catalogue import build, remarks
from dsnet.datasets.listing import DataSetError, check_classes, readable, some, split_columns
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.provenance import opened, replacing
from dsnet.video import VideoError, VideoInfo, probe, source_digest

log = logging.getLogger(__name__)

MISSING = "missing"
NOTHING = VideoInfo(0, 0, 0.0, 0)
TEXT = ("id", "path", "class_name", "group", "digest", "error")
NUMBERS = {
    "label": "int64", "width": "int64", "height": "int64", "fps": "float64", "frames": "int64",
    "shard": "int64",
}  # fmt: skip


class BrokenVideosError(UserError):
    """More broken videos than the config allows."""


def make_manifest(
    entry: Mapping[str, Any],
    name: str,
    shards: int,
    max_broken: float,
    schema_path: PathLike,
    jobs: int = 1,
) -> pd.DataFrame:
    """List the videos of a data set, probe them ``jobs`` at a time, and divide them into shards.

    ``entry`` is the data set's config, see `dsnet.datasets.catalogue`. At most ``shards`` shards
    are made, numbered from 0, none empty: contiguous blocks of usable videos with about as many
    frames. ``max_broken`` is the largest share of unusable videos among those present.

    Raises BrokenVideosError above that share; DataSetError if there are less than two classes, no
    video is usable or a row violates the schema; and what `catalogue.build` and `duplicates.check`
    raise.
    """
    table = build(name, entry)
    check_classes(name, table)
    _add_probes(table, name, jobs, entry.get("images_fps"))
    usable = (table["error"] == "").to_numpy()
    shard = np.full(len(table), -1)
    shard[usable] = assign_shards(table.loc[usable, "frames"].tolist(), shards)
    table["shard"] = shard
    present = table[table["error"] != MISSING]
    if missing := len(table) - len(present):
        log.warning("%s: %d of %d videos are missing", name, missing, len(table))
    broken = present.loc[present["error"] != "", ["id", "error"]]
    check_broken(name, list(broken.itertuples(index=False)), len(present), max_broken)
    if not usable.any():
        raise DataSetError(f"{name}: none of {len(table)} videos is usable")
    if gone := sorted(set(table["class_name"]) - set(table["class_name"][usable])):
        log.warning("%s: no usable videos of %s", name, some(gone))
    for line in (*remarks(entry, table[usable]), *duplicates.check(name, entry, table)):
        log.warning("%s: %s", name, line)
    table = _with_dtypes(table)
    validate(table, schema_path, name)
    return table


def _add_probes(table: pd.DataFrame, name: str, jobs: int, rate: float | None) -> None:
    """Probe each video: add the columns width, height, fps, frames, digest and error."""
    paths = list(table["path"])
    probed = partial(_probe, rate=rate)
    with ThreadPoolExecutor(jobs) as pool:
        found = list(tqdm(pool.map(probed, paths), name, len(paths), unit="video", disable=None))
    for column in ("width", "height", "fps", "frames"):
        table[column] = [getattr(info, column) for info, _, _ in found]
    table["digest"] = pd.Series([digest for _, digest, _ in found], dtype=object)
    table["error"] = pd.Series([error for _, _, error in found], dtype=object)


def _probe(path: str, rate: float | None) -> tuple[VideoInfo, str, str]:
    """Return the content of the video, the digest of its bytes, and why it is unusable, if so."""
    if not os.path.exists(path):
        return NOTHING, "", MISSING
    try:
        return probe(path, rate=rate), source_digest(path), ""
    except VideoError as error:
        return NOTHING, "", readable(str(error))


def assign_shards(frames: Sequence[int], shards: int) -> list[int]:
    """Return the shard of each video: min(shards, videos) contiguous blocks of similar length."""
    videos = len(frames)
    count = min(shards, videos)
    total = np.cumsum(frames, dtype=np.int64)
    starts = [0]
    for shard in range(1, count):
        # The block ends nearest to its share, but no block is empty.
        ideal = int(np.searchsorted(total, total[-1] * shard / count)) + 1
        starts.append(min(max(ideal, starts[-1] + 1), videos - (count - shard)))
    sizes = np.diff([*starts, videos])
    return [shard for shard, size in enumerate(sizes) for _ in range(size)]


def validate(table: pd.DataFrame, schema_path: PathLike, name: str) -> None:
    """Check each row against the schema, and ids and labels by :func:`_check_names`.

    Raises DataSetError with the row's id, the column, and what was expected and found.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for row in table.to_dict("records"):
        problem = jsonschema.exceptions.best_match(validator.iter_errors(row))
        if problem is not None:
            column = ".".join(map(str, problem.absolute_path)) or "columns"
            raise DataSetError(f"{name}: row {row.get('id')!r}: {column}: {problem.message}")
    _check_names(table, name)


def _check_names(table: pd.DataFrame, name: str) -> None:
    """Raise DataSetError unless ids are unique, and labels count from 0 and name one class each."""
    if not table["id"].is_unique:
        repeated = sorted(set(table.loc[table["id"].duplicated(), "id"]))
        raise DataSetError(f"{name}: expected each id once, repeated: {repeated[:5]}")
    pairs = table[["label", "class_name"]].drop_duplicates()
    if not (pairs["label"].is_unique and pairs["class_name"].is_unique):
        raise DataSetError(f"{name}: expected one class_name for each label and the reverse")
    if set(pairs["label"]) != set(range(len(pairs))):
        raise DataSetError(f"{name}: expected labels from 0 to {len(pairs) - 1}")


def write_manifest(table: pd.DataFrame, path: PathLike) -> None:
    """Write a manifest as CSV when complete; bytes that are not UTF-8 stay as they are."""
    # Text is quoted: a carriage return in a name would otherwise end the row.
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        table.to_csv(file, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def read_manifest(path: PathLike, schema_path: PathLike | None = None) -> pd.DataFrame:
    """Read the result of :func:`write_manifest`, equal in every value and dtype.

    With ``schema_path``, rows are validated. Text columns have dtype object, even for numbers or
    NA.

    Raises:
        RemakeError: the file is damaged.
        DataSetError: columns are missing, or ids and labels do not fit together.
    """
    # Not pandas.read_csv, which refuses names that are not UTF-8.
    with opened(path, "manifest") as content:
        text = content.decode("utf-8", "surrogateescape")
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        if {len(row) for row in rows} - {len(header)}:
            raise ValueError("a row has too few or too many columns")
        table = pd.DataFrame(rows, columns=header, dtype=object)
        if missing := {*TEXT, *NUMBERS} - set(table.columns):
            raise DataSetError(f"{path}: columns missing: {', '.join(sorted(missing))}")
        table = _with_dtypes(table)
        _check_names(table, os.fspath(path))
    if schema_path is not None:
        validate(table, schema_path, os.fspath(path))
    return table


def check_broken(
    name: str, broken: Sequence[tuple[str, str]], present: int, max_broken: float
) -> None:
    """Log each broken video, an (id, reason); raise BrokenVideosError if they are too many.

    ``max_broken`` is the allowed share of the ``present`` videos.
    """
    lines = [f"{id}: {reason}" for id, reason in broken]
    for line in lines:
        log.warning("%s: broken video %s", name, line)
    if len(broken) > max_broken * present:
        first = "\n  ".join(lines[:5])
        raise BrokenVideosError(
            f"{name}: {len(broken)} of {present} videos ({len(broken) / present:.2%}) "
            f"are broken, more than the allowed {max_broken:.2%}; mend them, take them out, or set "
            f"max_broken to a larger share. The first:\n  {first}"
        )


def _with_dtypes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its columns in order and with exact dtypes."""
    splits = split_columns(table.columns)
    order = ["id", "path", "label", "class_name", "group", *splits]
    order += ["width", "height", "fps", "frames", "digest", "shard", "error"]
    extra = [column for column in table.columns if column not in order]
    dtypes = {column: NUMBERS.get(column, "object") for column in order}
    return table[order + extra].astype(dtypes)
