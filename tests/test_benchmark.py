"""`dsnet benchmark`: forms that answer alike take turns, and others are named with the reason."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project import RUN, Project

from dsnet import benchmark as module
from dsnet.benchmark import WARM_UP, benchmark
from dsnet.cli import main

FORMS = ["PyTorch", "compiled", "torch.export", "ONNX Runtime"]


@pytest.fixture(scope="module")
def model(finished: Project) -> Path:
    return finished / RUN / "ds/model.pt"


def test_all_forms_are_measured_and_shown(model, capsys):
    options = ["--onnx", "--rounds", "2", "--batch", "1", "--threads", "1"]
    assert main(["benchmark", str(model), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["form"] for row in found["forms"]] == FORMS
    for row in found["forms"]:
        assert row["device"] == "CPU"
        assert 0 < row["ms"] <= row["ms_90"]
        assert row["clips_per_second"] > 0
        assert row["difference"] < 1e-4
    assert found["forms"][0]["difference"] == 0
    assert (found["threads"], found["batch"], found["rounds"]) == (1, 1, 2)
    assert "torch 2" in found["machine"]
    lines = module.Speed(**found).describe().splitlines()
    assert lines[0] == str(model)
    assert lines[1] == f"{found['machine']}; CPU threads: 1; 2 rounds"
    assert "clips/s in batches of 1" in lines[3]
    assert [line.split("CPU")[0].strip() for line in lines[4:]] == FORMS
    assert len({len(line) for line in lines[3:]}) == 1  # aligned


@pytest.fixture
def without_compiler(monkeypatch):
    def fail(network, **options):
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setattr(module.torch, "compile", fail)


def test_numbers_are_those_of_the_rounds_after_the_warm_up(model, monkeypatch, without_compiler):
    seconds = iter(range(1, 1000))
    turns = []

    def timeit(run, number):
        assert number == 1
        turns.append((run.func, len(run.args[0])))
        return next(seconds)

    monkeypatch.setattr(module.timeit, "timeit", timeit)
    found = benchmark(model, batch=4, rounds=9, threads=1)
    first, failed, second = found.forms
    assert failed == {"form": "compiled", "reason": "no compiler"}
    assert found.describe().splitlines()[-1] == "compiled: no compiler"
    # Two forms take turns: 1, 3, 5, ... and 2, 4, 6, ... seconds; first single clips, then batches.
    runs = WARM_UP + 9
    assert turns == [*(turns[:2] * runs), *([(run, 4) for run, _ in turns[:2]] * runs)]
    assert {count for _, count in turns[:2]} == {1}
    singles = np.arange(1, 2 * runs, 2.0)[WARM_UP:]
    for shift, row in enumerate((first, second)):
        assert row["ms"] == pytest.approx(1e3 * (singles[4] + shift))  # the fifth of nine
        assert row["ms_90"] == pytest.approx(1e3 * (singles[7] + 0.2 * 2 + shift))
        assert row["clips_per_second"] == pytest.approx(4 / (2 * runs + singles[4] + shift))


@pytest.mark.parametrize("wrong", [0.01, np.nan])
def test_a_form_with_other_logits_is_not_measured(model, monkeypatch, without_compiler, wrong):
    load = module.load

    def other(path, kind, threads):
        run = load(path, kind, threads)
        return lambda clips: run(clips) * (1 + wrong if len(clips) > 1 else 1)

    monkeypatch.setattr(module, "load", other)
    row = benchmark(model, batch=2, rounds=1, threads=1).forms[-1]
    assert row == {
        "form": "torch.export",
        "reason": f"its logits differ by {wrong:.2g} of the largest",
    }


def test_missing_packages_are_named(model, monkeypatch, without_compiler):
    monkeypatch.setitem(sys.modules, "onnx", None)
    row = benchmark(model, onnx=True, batch=2, rounds=1, threads=1).forms[-1]
    assert row["form"] == "ONNX Runtime"
    assert "pip install 'dsnet[export]'" in row["reason"]


def test_a_machine_without_a_compiler_has_a_reason(model, tmp_path):
    command = [sys.executable, "-m", "dsnet", "benchmark", str(model), "--rounds", "1"]
    command += ["--batch", "1", "--json"]
    changed = {"CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=os.environ | changed, capture_output=True, check=True)
    row = json.loads(done.stdout)["forms"][1]
    assert row["form"] == "compiled"
    assert "C++ compiler" in row["reason"]
    assert "/nowhere/c++" in row["reason"]
