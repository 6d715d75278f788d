"""Files of the synthetic videos: writing all or none, listing, and telling folders apart.

Every frame is coded by itself. Otherwise traces of the frame before could tell the class.
"""

import functools
import json
import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from dsnet.datasets.listing import DataSetError, make_ids, scan
from dsnet.datasets.motions.rendering import CLASSES, ROLES, render
from dsnet.disk import PathLike
from dsnet.provenance import alone, file_digest, replacing
from dsnet.video import encode

NAME = re.compile(r"(train|test)_\d{3,}\.mp4")
FPS = 25


class Motions:
    """The built-in data set."""

    needs = ("videos",)

    def listing(self, entry: Mapping[str, Any]) -> pd.DataFrame:
        """List the videos that :func:`generate` wrote to ``entry["videos"]``.

        Each is its own group; split1 is the role in its name. Raises DataSetError if the entry has
        other numbers per class and role.
        """
        root = os.fspath(entry["videos"])
        names = [row["path"] for row in scan(root) if NAME.fullmatch(row["path"].split("/")[-1])]
        ids = make_ids(names)
        table = pd.DataFrame({"id": ids, "path": [os.path.join(root, name) for name in names]})
        table["class_name"] = [name.split("/")[0] for name in names]
        table["group"] = ids
        table["split1"] = [name.split("/")[1].split("_")[0] for name in names]
        for class_name in sorted({*CLASSES, *table["class_name"]}):
            for role in ROLES:
                found = int(((table["class_name"] == class_name) & (table["split1"] == role)).sum())
                expected = entry[f"{role}_per_class"] if class_name in CLASSES else 0
                if found != expected:
                    raise DataSetError(
                        f"{root}: expected {expected} {role} videos of {class_name}, found "
                        f"{found}; generate the data set again"
                    )
        table.insert(2, "label", table["class_name"].map(CLASSES.index).astype("int64"))
        return table


def generate(entry: Mapping[str, Any], folder: PathLike, jobs: int = 1) -> None:
    """Write the videos ``CLASS/ROLE_INDEX.mp4`` (MPEG-4, 25 fps) to ``folder``.

    ``entry``: train_per_class, test_per_class, size (pixels, square), length (frames), seed, and
    optionally camera, see :func:`.render`. The same entry gives the same pixels, for any ``jobs``.
    ``folder`` appears or changes when complete.
    """
    with alone(folder):
        _generate(entry, Path(folder), jobs)


def write_index(folder: PathLike, path: PathLike) -> None:
    """Write the digest of every video in ``folder`` as JSON, to tell folders apart."""
    videos = sorted(Path(folder).glob("*/*"))
    found = {video.relative_to(folder).as_posix(): file_digest(video) for video in videos}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _generate(entry: Mapping[str, Any], folder: Path, jobs: int) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    videos = [
        (class_name, role, index)
        for class_name in CLASSES
        for role in ROLES
        for index in range(entry[f"{role}_per_class"])
    ]
    for class_name in CLASSES:
        (partial / class_name).mkdir(parents=True)
    write = functools.partial(_write, entry, partial)
    # Threads are enough: ffmpeg takes the time, in its own process for each video.
    with ThreadPoolExecutor(jobs) as pool:
        list(tqdm(pool.map(write, videos), "motions", len(videos), unit="video", disable=None))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _write(entry: Mapping[str, Any], folder: Path, video: tuple[str, str, int]) -> None:
    class_name, role, index = video
    settings = {key: entry[key] for key in ("seed", "size", "length")}
    frames = render(class_name, role, index, **settings, camera=entry.get("camera", 1))
    encode(folder / class_name / f"{role}_{index:03d}.mp4", frames, FPS, gop=1)
