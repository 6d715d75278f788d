"""What `dsnet doctor` says of a machine, well and ill."""

import stat
import warnings
from types import SimpleNamespace

import cv2
import pytest
import torch
from findings import only

from dsnet import flow, gpus, video
from dsnet.doctor import machine
from dsnet.experiment import load


def statuses(findings):
    return [finding.status for finding in findings]


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpus, "DEVICES", ())


def test_cores(raw, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(4)))
    raw["training"].update(threads=1, workers=3)
    assert only(machine.cores(load(raw))).status == "ok"
    raw["training"]["workers"] = 8
    found = only(machine.cores(load(raw)))
    assert found.status == "warning"
    assert "one training keeps 9 busy" in found.found
    assert "set training.workers to 3" in found.advice


def test_cores_of_several_processes(raw, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(8)))
    raw["training"].update(threads=1, workers=3, gpus=2)
    assert only(machine.cores(load(raw))).status == "ok"
    raw["training"]["gpus"] = 3
    found = only(machine.cores(load(raw)))
    assert found.status == "warning"
    assert "one training keeps 12 busy (training.threads and workers of 3 processes)" in found.found
    assert "set training.workers to 1 " in found.advice


def test_an_ffmpeg_that_works(raw):
    found = only(machine.ffmpeg(load(raw)))
    assert found.status in ("ok", "warning")
    assert video.ffmpeg_executable() in found.found


def test_an_ffmpeg_that_lacks_a_decoder(raw, monkeypatch):
    shown = {"-version": "ffmpeg version 4.0 Copyright", "-decoders": " VFS..D mpeg4  MPEG-4\n"}
    monkeypatch.setattr(machine, "_output", lambda executable, option: shown[option])
    found = only(machine.ffmpeg(load(raw)))
    assert found.status == "warning"
    assert found.found.startswith("4.0 at ")
    assert "cannot decode h264" in found.found
    assert "mpeg4," not in found.found.replace("msmpeg4", "")


def test_an_ffmpeg_that_does_not_work(raw, monkeypatch, tmp_path):
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\necho 'Unknown encoder mpeg4' >&2\nexit 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for module in (video, video.running):
        monkeypatch.setattr(module, "ffmpeg_executable", lambda: str(script))
    found = only(machine.ffmpeg(load(raw)))
    assert found.status == "problem"
    assert "Unknown encoder mpeg4" in found.found
    assert "imageio-ffmpeg" in found.advice


def test_an_ffmpeg_that_is_too_old(raw, fake_ffmpeg):
    script = fake_ffmpeg("exit")
    script.write_text("#!/bin/sh\necho ffmpeg version 4.2.2-static\n")
    found = only(machine.ffmpeg(load(raw)))
    assert found.status == "problem"
    assert "is version 4.2, which takes other frames" in found.found
    assert "5.1 or newer" in found.advice


def test_no_ffmpeg(raw, monkeypatch):
    def none():
        raise RuntimeError("no ffmpeg: put one on PATH")

    monkeypatch.setattr(video, "ffmpeg_executable", none)
    assert only(machine.ffmpeg(load(raw))).status == "problem"


def test_opencv(raw, monkeypatch):
    assert statuses(machine.opencv(load(raw))) == ["ok", "ok", "ok"]
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    monkeypatch.delattr(cv2, "optflow")
    version, optflow, _ = machine.opencv(load(raw))
    assert version.status == optflow.status == "warning"
    assert "<5" in version.advice
    assert "no optflow" in optflow.found


def test_the_flow_backend(raw, monkeypatch):
    raw["flow"]["backend"] = "numba"
    monkeypatch.setattr(gpus, "DEVICES", ())
    found = only(machine.flow_backend(load(raw)))
    assert found.status == "ok"
    assert found.found.startswith("numba on cpu")
    monkeypatch.setattr(gpus, "DEVICES", ("/dev/null",))
    found = only(machine.flow_backend(load(raw)))
    assert found.status == "warning"
    assert "although there is a GPU" in found.found
    assert "cuda: PyTorch finds no NVIDIA GPU" in found.advice
    monkeypatch.setattr(flow, "resolve", lambda *given: "cuda")
    assert "auto" in only(machine.flow_backend(load(raw))).advice
    # The semantics' name says nothing of the device.
    monkeypatch.setattr(flow.BACKENDS["numba"].load(), "device", lambda: "cuda:0")
    raw["flow"]["semantics"] = "cpu"
    found = only(machine.flow_backend(load(raw)))
    assert (found.status, found.found) == ("ok", "numba on cuda:0, semantics cpu")


def test_imported_flow_needs_no_backend(raw):
    raw["flow"] = {"algorithm": "imported", "imported": {"layout": "denseflow"}}
    raw["datasets"], raw["catalogue"]["weizmann"]["images_fps"] = ["weizmann"], 25
    found = only(machine.flow_backend(load(raw)))
    assert found.status == "ok"
    assert found.found == "imported from images of layout denseflow; none is computed"


def test_a_flow_backend_that_cannot_run(raw, monkeypatch):
    raw["flow"]["backend"] = "opencv-cuda"
    module = flow.BACKENDS["opencv-cuda"].load()
    monkeypatch.setattr(module, "why_not", lambda: "built without CUDA")
    found = only(machine.flow_backend(load(raw)))
    assert found.status == "problem"
    assert "built without CUDA" in found.found


def test_no_gpu_where_none_is_asked_for(raw, no_gpu):
    assert only(machine.gpu(load(raw))).status == "ok"


@pytest.mark.parametrize(("device", "status"), [("auto", "warning"), ("cuda", "problem")])
def test_no_gpu_where_one_is_asked_for(raw, no_gpu, device, status):
    raw["streams"]["ds"]["training"] = {"gpus": 1, "device": device}
    found = only(machine.gpu(load(raw)))
    assert found.status == status
    assert "asks for 1, and PyTorch finds none" in found.found
    assert "training.device: cpu" in found.advice


def test_gpus_that_are_there(raw, monkeypatch):
    about = SimpleNamespace(name="A100", total_memory=40 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: about)
    raw["training"]["gpus"] = 2
    first, second = machine.gpu(load(raw))
    assert first.status == second.status == "ok"
    assert first.found.startswith("cuda:0: A100, 40 GiB")
    raw["training"]["gpus"] = 4
    assert statuses(machine.gpu(load(raw))) == ["ok", "ok", "problem"]


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (None, "has no GPU support"),
        ("13.0", "built for 13.0, cannot use it: the driver is old"),
    ],
)
def test_a_gpu_that_pytorch_cannot_use(raw, monkeypatch, built, words):
    def available():
        warnings.warn("the driver is old\nand more", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", available)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(gpus, "DEVICES", ("/dev/null",))
    found = only(machine.gpu(load(raw)))
    assert found.status == "problem"
    assert words in found.found
    assert found.advice


def test_locks(raw, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert only(machine.locks(load(raw))).status == "ok"
    raw.update(data="shared")
    assert only(machine.locks(load(raw))).status == "ok"  # of both, the folder that is there
    (tmp_path / "shared").mkdir()
    assert [finding.status for finding in machine.locks(load(raw))] == ["ok", "ok"]

    def none(file, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(machine.fcntl, "flock", none)
    results, data = machine.locks(load(raw))
    assert results.found == f"the file system of {tmp_path} has none (Operation not supported)"
    assert f"{tmp_path}/shared" in data.found
    assert results.status == data.status == "warning"
    assert "HDF5_USE_FILE_LOCKING=FALSE" in data.advice
