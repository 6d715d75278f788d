"""The short form of ``make mutants``: every tenth change of the splits, each noticed by a test."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "dsnet", "tests/conftest.py", "tests/test_splits.py")
SETTINGS = """\
[tool.mutmut]
source_paths = ["dsnet"]
only_mutate = ["dsnet/splits.py"]
pytest_add_cli_args_test_selection = ["tests/test_splits.py"]
process_isolation = "forkserver"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The code and the tests of the splits, where mutmut may write."""
    for name in (*NEEDED, "tests/workflow/project.py", "tests/workflow/forked.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    settings = tmp_path / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    changed = re.sub(r"^\[tool\.mutmut\]\n.*?(?=^\[|\Z)", SETTINGS, text, flags=re.M | re.S)
    assert changed != text
    settings.write_text(changed, encoding="utf-8")
    return tmp_path


def mutmut(folder: Path, *words: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_every_tenth_change_of_the_splits_is_noticed(folder: Path):
    mutmut(folder, "run", "--max-children", "2", "dsnet.splits.*5")
    mutmut(folder, "export-cicd-stats")
    found = json.loads((folder / "mutants/mutmut-cicd-stats.json").read_text())
    assert found["killed"] >= 5
    assert {key: found[key] for key in ("survived", "no_tests", "suspicious", "timeout")} == {
        "survived": 0,
        "no_tests": 0,
        "suspicious": 0,
        "timeout": 0,
    }
