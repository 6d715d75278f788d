"""The check of a GPU (benchmarks/gpu): all of it on a CPU, made tiny, and parts that fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = ROOT / "benchmarks/gpu"
sys.path.append(str(ROOT / "benchmarks"))
import projection  # noqa: E402
from gpu import bundle, check, results, tables  # noqa: E402

# Only runs the program, which it would look at.
SANITIZER = '#!/bin/sh\ntest "$1 $3 $4" = "--tool --error-exitcode 9" && shift 4 && exec "$@"\n'


def in_child(folder, *words):
    """Run a command of the check, made tiny, in a folder; return the finished process."""
    env = {**os.environ, "TINY": "1", "OUT": str(folder / "out"), "WORK": str(folder / "work")}
    env |= {"GPU_DATA": str(folder / "data"), "DSNET": str(ROOT), "PY": sys.executable}
    env["PATH"] = f"{folder}:{env['PATH']}"
    env["PYTHONPATH"] = f"{ROOT}:{ROOT / 'benchmarks'}"
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The results of all parts."""
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "compute-sanitizer").write_text(SANITIZER)
    (folder / "compute-sanitizer").chmod(0o755)
    making = (sys.executable, "-m", "gpu.data", str(folder / "data"))
    made = in_child(folder, *making)
    assert made.returncode == 0, made.stderr
    before = (folder / "data/clips.h5").stat().st_mtime_ns
    assert in_child(folder, *making).returncode == 0
    assert (folder / "data/clips.h5").stat().st_mtime_ns == before
    done = in_child(folder, "bash", str(CHECK / "gpu_check.sh"))
    log = (folder / "out/log.txt").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    return json.loads((folder / "out/results.json").read_text())


def test_every_part_ends_well_and_its_values_are_right(found):
    assert list(found["parts"]) == list(check.PARTS)
    assert {status["exit"] for status in found["parts"].values()} == {0}
    assert found["about"]["backends"]["numba"] is None
    tests = found["tests"]["pytest"]  # of which a CPU can run none
    assert tests["tests"] == tests["skipped"] >= 9
    assert found["smoke"]["the same training twice"] == {"twice": True, "resumed": True}
    assert found["smoke"]["training and scores, float32"]["n_videos"] == 10
    assert set(found["smoke"]["losses and gradients on CPU and GPU"].values()) == {0}
    nothing = {"memcheck": "nothing found", "racecheck": "nothing found"}
    assert found["sanitizer"] == {"numba": nothing}
    for semantics in ("cpu", "cuda"):
        numba = found["flow"][f"numba on cpu, semantics {semantics}"]
        assert (numba["equal_8bit"], numba["max_px"]) == (1, 0)
        torch = found["flow"][f"torch on cpu, semantics {semantics}"]
        assert torch["worst_equal_8bit"] > 0.98
    assert found["flow"]["opencv on cpu, semantics cpu"]["equal_8bit"] == 1
    assert found["jpeg"]["numba on cpu, semantics cuda"]["pairs"] == 3
    steps = {**found["steps"], **found["compiled"]}
    losses = [step["losses"] for step in steps.values()]
    assert len(losses) == 4
    assert len({round(s["operations_per_s"] * s["ms"] / 1e6) for s in steps.values()}) == 1
    assert all(each == pytest.approx(losses[0], rel=1e-3) for each in losses)
    assert len(found["groups"]["autotune True"]) == 5
    assert any("convolution" in operation for operation in found["profile"]["bfloat16"])
    for stream in ("flow", "ds"):
        assert found["train"][stream]["epochs"] == 2
        assert found["train"][f"scores of {stream}"]["n_videos"] == 10


def test_a_bundle_has_what_the_check_imports_and_pytorch_does_not_bring():
    names = {line.partition("==")[0] for line in bundle.missing()}
    assert {"pydantic", "pydantic_core", "jsonschema", "rpds-py", "ffmpeg-python"} <= names
    assert not {"torch", "numpy", "numba", "h5py", "dsnet", "imageio-ffmpeg"} & names


MADE_UP = {
    "parts": {
        "about": {"exit": 0, "seconds": 2.5, "limit": 40},
        "flow": {"exit": 1, "seconds": 99.6, "limit": 100},
        "train": {"exit": "timeout", "seconds": 130.1, "limit": 130},
        "compiled": {"exit": "not started"},
    },
    "about": {
        "machine": {"machine": "2026-02-01, PC", "gpu": "A GPU", "commit": "0123456789"},
        "ceilings": {"copied bytes per second": 4.321e12},
    },
    "flow": {
        "x on cuda:0": {"pairs_per_s": 4321.4, "equal_8bit": 0.99987, "max_px": 0.0002},
        "y on cuda:0": {"error": "RuntimeError: no"},
    },
    "jpeg": {"x on cuda:0": {"pairs_per_s": 765.4}, "numba on cpu": {"pairs_per_s": 900.0}},
    "steps": {
        "float32": {
            **{"ms": 123.4, "clips_per_s": 259.3, "operations_per_s": 8.76e12},
            **{"first_s": 1.234, "peak_GiB": 30.12},
        },
        "bfloat16, no teacher": {"ms": 1.0, "clips_per_s": 32e3, "operations_per_s": 9e14},
        "bfloat16": {"ms": 50.0, "clips_per_s": 640, "operations_per_s": 21.6e12},
        "bfloat16, autotune": {"ms": 40.0, "clips_per_s": 800, "operations_per_s": 27e12},
    },
    "groups": {"autotune True": ["2 convolutions (8, 3) of (2, 3): as it is (as it is 0.1 ms)"]},
    "profile": {"bfloat16": {"aten::conv": [2345, 7]}},
    "train": {
        "flow": {"epochs": 30, "seconds_per_epoch": 0.54, "best_val_top1": 87.5},
        "scores of flow": {"video_top1": 81.25},
    },
}
ROWS = [
    "### A GPU",
    "`docs/gpu/made-up.json`, commit 0123456: 2026-02-01, PC; 4.32e+12 copied bytes per second.",
    "| about | 2.5 | 0 |  |",
    "| flow | 99.6 | 1 | y on cuda:0: RuntimeError: no |",
    "| train | 130 | timeout |  |",
    "| compiled |  | not started |  |",
    "| x on cuda:0 | 4321 | 100 | 0.0002 | 765 |",
    "| float32 | 123 | 259 | 8.76 | 1.23 | 30.1 |",
    "| 2 convolutions (8, 3) of (2, 3), autotune True | as it is | as it is 0.1 ms |",
    "| bfloat16 | `aten::conv` | 2.35 | 7 |",
    "| flow | 30 | 0.54 | 87.5 | 81.2 |",
]


def test_tables_are_made_of_the_results(tmp_path):
    page = f"before\n{tables.BEGIN}old\n{tables.END}after\n"
    none = tables.with_tables(page, tmp_path)
    assert none == f"before\n{tables.BEGIN}\n{tables.NOTHING}\n{tables.END}after\n"
    (tmp_path / "made-up.json").write_text(json.dumps(MADE_UP))
    made = tables.with_tables(none, tmp_path)
    assert [row for row in ROWS if f"\n{row}\n" not in made] == []
    assert tables.NOTHING not in made
    assert "y on cuda:0 |" not in made
    assert tables.with_tables(made, tmp_path) == made
    assert tables.name_of(MADE_UP) == "a-gpu-2026-02-01.json"


def test_a_projection_takes_the_rates_of_the_newest_check(tmp_path):
    cfg = projection.experiment([ROOT / "experiments/paper.yaml"])
    training = cfg.training.model_copy(update={"precision": "bfloat16"})
    reduced = cfg.model_copy(update={"training": training})
    assert projection.gpu_rates(tmp_path, cfg) == projection.ASSUMED
    (tmp_path / "partial.json").write_text("{}")
    older = {"machine": {"machine": "2026-01-02, a machine", "gpu": "An old GPU"}}
    (tmp_path / "older.json").write_text(json.dumps({**MADE_UP, "about": older}))
    assert projection.gpu_rates(tmp_path, cfg).name == "An old GPU"
    (tmp_path / "made-up.json").write_text(json.dumps(MADE_UP))
    rates = projection.gpu_rates(tmp_path, cfg)
    assert rates == projection.GpuRates("A GPU", 8.76e12, 765.4)
    assert projection.gpu_rates(tmp_path, reduced).operations == 27e12


def test_the_documentation_has_the_tables_of_all_results():
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert page.count(tables.BEGIN) == page.count(tables.END) == 1
    assert tables.with_tables(page, ROOT / "docs/gpu") == page


# In a module of its own, which is imported at once.
PARTS = """
import os, subprocess, time
from gpu import results

def sound():
    results.put("value", 1)

def failing():
    results.put("kept", 1)
    results.attempt("lost", int, "x")

def dying():
    results.put("kept", 1)
    os._exit(3)

def hanging():
    results.put("child", subprocess.Popen(["sleep", "60"]).pid)
    time.sleep(60)
"""


def runs(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


def test_a_part_that_fails_or_hangs_costs_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "OUT", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = "parts"
    (tmp_path / f"{module}.py").write_text(PARTS)
    limits = {"hanging": 5, "failing": 30, "dying": 30, "gone": 30, "sound": 30}
    parts = {name: check.Part(module, name, limit) for name, limit in limits.items()}
    assert check.run(parts, 60) == ["hanging", "failing", "dying", "gone"]
    found = results.read()
    exits = {name: status["exit"] for name, status in found["parts"].items()}
    assert exits == {"hanging": "timeout", "failing": 1, "dying": 3, "gone": 1, "sound": 0}
    assert found["sound"] == {"value": 1}
    assert found["dying"] == {"kept": 1}
    assert found["failing"]["kept"] == 1
    assert found["failing"]["lost"]["error"].startswith("ValueError")
    assert "no attribute 'gone'" in (tmp_path / "log.txt").read_text()
    assert not runs(found["hanging"]["child"])
    assert check.run({"sound": parts["sound"]}, 1) == ["sound"]  # too late to start
    assert results.read()["parts"]["sound"] == {"exit": "not started"}
    assert "sound" not in results.read()  # it was of the check before
    assert "dying" in results.read()
