"""Files that are whole and right byte by byte, but say what cannot be, are refused at once."""

from __future__ import annotations

import json
import resource
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import torch
from project import RUN, SHARDS, Project

from dsnet import fusion
from dsnet.clips import open_clips
from dsnet.errors import UserError
from dsnet.models import checkpoints
from dsnet.provenance import replacing
from dsnet.scores import read_scores
from dsnet.store import Reader, Writer
from dsnet.store.layout import check

FRAMES = f"results/motions/frames/{SHARDS[0]}.h5"
HUGE = 2**40
ROOM = 1 << 30  # bytes of address space beyond what the process has


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Whatever takes a gigabyte fails with MemoryError, which is no UserError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def changed(source: Path, path: Path, change: Callable[[h5py.File], None]) -> Path:
    """A copy of an HDF5 file with a change, and without the seal of the first."""
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        change(file)
        if "check" in file.attrs:
            file.attrs["check"] = check(file)
    return path


def moved(name: str, put: Callable[[h5py.File, str], None]) -> Callable[[h5py.File], None]:
    """A change that puts something else at the place of a dataset."""

    def change(file: h5py.File) -> None:
        del file[name]
        put(file, name)

    return change


def external(file: h5py.File, name: str) -> None:
    file[name] = h5py.ExternalLink("other.h5", "/data")


def soft(file: h5py.File, name: str) -> None:
    file[name] = h5py.SoftLink("/videos/ids")


def stored_elsewhere(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (4,), np.int64, external=[("/etc/passwd", 0, 32)])


def compressed(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (1 << 28,), np.int64, chunks=(1 << 20,), compression="gzip")


def unwritten(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (HUGE,), np.int64)


def looped(file: h5py.File, name: str) -> None:
    file[name] = file["/"]


@pytest.mark.parametrize("put", [external, soft, stored_elsewhere, compressed, unwritten, looped])
@pytest.mark.parametrize(
    ("source", "name", "read"),
    [(FRAMES, "rgb/offsets", Reader), (f"{RUN}/ds/scores.h5", "test/labels", read_scores)],
    ids=["frames", "scores"],
)
def test_hdf5_has_plain_datasets_alone(
    finished: Project, tmp_path: Path, source: str, name: str, put: Any, read: Any
):
    path = tmp_path / "a.h5"
    shutil.copy(finished / source, path)
    with h5py.File(path, "r+") as file:
        moved(name, put)(file)
    with pytest.raises(UserError, match=r"a\.h5 is damaged.*(labels|offsets|test|rgb) is "):
        read(path)


def write(name: str, change: Callable[[np.ndarray], Any]) -> Callable[[h5py.File], None]:
    """A change of a dataset's values."""

    def put(file: h5py.File) -> None:
        values = change(file[name][:])
        del file[name]
        file[name] = values

    return put


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("rgb/offsets", lambda x: x[::-1].copy()), "offsets are not those"),
        (write("rgb/offsets", lambda x: x[:-1]), "offsets are not those"),
        (write("videos/rgb/start", lambda x: x - 1), "wrong number of rgb images"),
        (write("videos/rgb/items", lambda x: x + 1), "images beyond the end"),
        (write("videos/rgb/items", lambda x: x[:-1]), "different numbers of videos"),
        (write("videos/rgb/crc32", lambda x: x[:, None]), "different numbers of videos"),
    ],
)
def test_tables_of_frames_fit_together(finished: Project, tmp_path: Path, change, message: str):
    path = changed(finished / FRAMES, tmp_path / "a.h5", change)
    with pytest.raises(UserError, match=rf"a\.h5 is damaged.*{message}"):
        Reader(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("test/labels", lambda x: x + 10), "labels from 0 to 9"),
        (write("test/labels", lambda x: x[:-1]), "different numbers"),
        (write("test/counts", lambda x: x + 1), "clips of every video"),
        (write("test/counts", lambda x: x - x), "clips of every video"),
        (write("test/clips", lambda x: x[:, :-1]), "different numbers"),
        (write("test/clips", lambda x: x * np.nan), "NaN or infinite"),
    ],
)
def test_numbers_of_scores_fit_together(finished: Project, tmp_path: Path, change, message: str):
    path = changed(finished / f"{RUN}/ds/scores.h5", tmp_path / "a.h5", change)
    with pytest.raises(UserError, match=rf"a\.h5 is damaged.*{message}"):
        read_scores(path)


@pytest.mark.parametrize(
    "change",
    [
        {"right": [True]},
        {"top1": float("nan")},
        {"top1": "12"},
        {"per_class": [1.0]},
        {"run": {}},
        {"n_videos": 10**12},
    ],
)
def test_numbers_of_a_fusion_fit_together(finished: Project, tmp_path: Path, change):
    content = json.loads((finished / f"{RUN}/fusion/ds+rgb.average.json").read_text())
    with replacing(tmp_path / "a.json") as temporary:
        temporary.write_text(json.dumps({**content, **change}))
    with pytest.raises(UserError, match=r"a\.json is damaged"):
        fusion.read(tmp_path / "a.json")


def test_labels_of_clips_are_of_its_classes(finished: Project, tmp_path: Path):
    def change(file: h5py.File) -> None:
        extra = json.loads(file["extra"].asstr()[()])
        extra["videos"]["label"][0] = 10
        file["extra"][()] = json.dumps(extra)

    path = changed(finished / "results/motions/clips.h5", tmp_path / "a.h5", change)
    with pytest.raises(UserError, match=r"a\.h5 is damaged.*not from 0 to 9"):
        open_clips(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": {"layers": [10**9, 1, 1, 1]}}, "it is said to be"),
        ({"arch": {"stem": 10**9}}, "it is said to be"),
        ({"state_dict": {"fc.weight": torch.zeros(1).expand(10**9)}}, "more numbers than the file"),
        ({"classes": ["a"]}, "size mismatch"),
    ],
)
def test_a_network_is_no_larger_than_its_weights(finished: Project, tmp_path, change, message):
    content = checkpoints.read(finished / f"{RUN}/ds/model.pt")
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    checkpoints.save(tmp_path / "model.pt", content)
    with pytest.raises(checkpoints.CheckpointError, match=rf"(?s)model\.pt does not.*{message}"):
        checkpoints.load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", [0xC0, 0xC2], ids=["baseline", "progressive"])
def test_an_image_that_claims_to_be_huge_is_not_decoded(tmp_path: Path, kind: int):
    small = cv2.imencode(".jpg", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    place = small.index(b"\xff\xc0")
    size = struct.pack(">HH", 65_500, 65_500)
    huge = small[: place + 1] + bytes([kind]) + small[place + 2 : place + 5]
    huge += size + small[place + 9 :]
    with Writer(tmp_path / "a.h5", ["rgb"], {}) as writer:
        writer.add("a", {"rgb": [small, small, huge]})
        writer.add("b", {"rgb": [small, small]})
        writer.close(["a", "b"])
    reader = Reader(tmp_path / "a.h5")
    reader.verify(["b"], ["rgb"])
    with pytest.raises(UserError, match=r"rgb bytes of a are damaged \(.*65500 x 65500 pixels"):
        reader.verify(["a"], ["rgb"])
