"""What the tests share: real samples where they are, small clips, the filled config, one run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Each worker of pytest-xdist has its core. Threads that spin while they wait would take others'.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# Values are those of a CPU. Only `make test-gpu`, which runs the tests marked `gpu`, shows a GPU.
if "DSNET_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import cv2
import hypothesis
import numpy as np
import pytest
import yaml
from project import Project, merge, once

from dsnet import flow as tvl1
from dsnet.experiment import Experiment, load
from dsnet.store import Writer
from dsnet.video import ffmpeg_executable

# How long an example takes says more about the machine's load than about the code.
hypothesis.settings.register_profile("dsnet", deadline=None)
hypothesis.settings.load_profile("dsnet")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``gpu`` where none is to be seen."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a GPU, and `make test-gpu`")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that is the same for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def finished(shared_folder: Path) -> Project:
    """The tiny experiment, run once on this machine; not to be changed."""
    return Project(once(shared_folder, "finished", lambda folder: Project.create(folder).finish()))


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Put a shell script in ffmpeg's place."""

    def install(script: str) -> Path:
        executable = tmp_path / "bin" / "ffmpeg"
        executable.parent.mkdir(exist_ok=True)
        answer = "case $1 in -version) echo ffmpeg version 9.0; exit;; esac"
        executable.write_text(f"#!/bin/sh\n{answer}\n{script}\n")
        executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(executable.parent), prepend=os.pathsep)
        ffmpeg_executable.cache_clear()
        return executable

    yield install
    ffmpeg_executable.cache_clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and official lists, where there is one."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real samples in {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_fixtures() -> Path:
    """The folder of parity fixtures, where there is one."""
    folder = SHARED / "fixtures"
    if not folder.is_dir():
        pytest.skip(f"needs the parity fixtures in {folder}")
    return folder


@pytest.fixture
def raw() -> dict[str, Any]:
    """config.yaml as written."""
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def loaded(raw: dict[str, Any]) -> Callable[..., Experiment]:
    """A maker of the default experiment with nested changes."""
    return lambda changes: load(merge(raw, changes))


@pytest.fixture
def experiment(loaded: Callable[..., Experiment]) -> Experiment:
    """The experiment of config.yaml."""
    return loaded({})


def moving_squares(rng: np.random.Generator, label: int, frames: int, size: int) -> np.ndarray:
    """(frames, size, size, 3) uint8: a bright square moving right (0) or down (1) over noise."""
    out = np.repeat(rng.integers(0, 60, (1, size, size, 3), np.uint8), frames, axis=0)
    y, x = rng.integers(2, size // 2, 2)
    for i in range(frames):
        dy, dx = (0, i) if label == 0 else (i, 0)
        out[i, y + dy : y + dy + 8, x + dx : x + dx + 8] = 230
    return out


@pytest.fixture(scope="session")
def make_clips() -> Callable[..., Path]:
    """A maker of small ``clips.h5`` files with two classes that differ by motion alone."""

    def make(path: Path, train: int = 6, test: int = 4, frames: int = 9, size: int = 24) -> Path:
        rng = np.random.default_rng(5)
        bound = 4.0
        table: dict[str, list[Any]] = {"id": [], "label": [], "group": [], "split1": []}
        flow = {"bound": bound, "backend": "numba", "semantics": "cuda", "tvl1": {"warps": 1}}
        with Writer(path, ["rgb", "flow"], {"rgb": {}, "flow": flow}) as writer:
            for role, count in (("train", train), ("test", test)):
                for index in range(2 * count):
                    id, label = f"{role}/{index}", index % 2
                    video = moving_squares(rng, label, frames, size)
                    images = [cv2.imencode(".jpg", f[..., ::-1])[1].tobytes() for f in video]
                    field = np.zeros((frames - 1, size, size, 2), np.float32)
                    field[..., label] = 1 + rng.random()
                    field += rng.normal(0, 0.2, field.shape).astype(np.float32)
                    planes = tvl1.to_bytes(field, bound, 95)
                    writer.add(id, {"rgb": images, "flow": planes})
                    for key, value in zip(table, (id, label, id, role), strict=True):
                        table[key].append(value)
            extra = {"classes": ["right", "down"], "n_missing": 0}
            writer.close(table["id"], {**extra, "n_listed": 0, "videos": table})
        return path

    return make


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run."""
    return finished.copy_to(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The tiny experiment before its first run."""
    return Project.create(tmp_path / "project")
