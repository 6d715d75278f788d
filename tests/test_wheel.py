"""An installed wheel, away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from project import ROOT

VERBS = {
    "doctor": (["doctor"], "to do: run dsnet doctor in the folder of the Snakefile, a copy of"),
    "predict": (["predict", "a.mp4", "--model", "no.pt"], "no checkpoint no.pt"),
    "flow": (["flow", "no.mp4", "-o", "flow.mp4"], "no.mp4"),
    "export": (["export", "no.pt", "a.onnx", "--onnx"], "no checkpoint no.pt"),
    "fetch": (["fetch", "ucf"], "ucf cannot be fetched; expected one of ucf101"),
}


def clone(folder: Path) -> None:
    """Copy what a wheel is made of."""
    pytest.importorskip("setuptools", minversion="77")
    for part in ("dsnet", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    clone(folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--no-build-isolation", "."], cwd=folder, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_wheel_has_all_files_of_the_package(installed: Path):
    def files(package: Path) -> set[Path]:
        found = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
        return {path for path in found if "__pycache__" not in path.parts}

    assert files(installed / "dsnet") == files(ROOT / "dsnet")


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_for_people_work_without_the_repository(installed: Path, tmp_path: Path, verb: str):
    words, expected = VERBS[verb]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "dsnet", *words]
    outcome = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said = outcome.stdout + outcome.stderr
    assert outcome.returncode == 1
    assert expected in said
    assert "Traceback" not in said
    if verb == "doctor":
        assert "config.yaml: No such file" in said
        assert "ok       flow" in said


def test_a_script_beside_the_clone_finds_the_package_and_not_the_folder(tmp_path: Path):
    """As ``import dsnet`` does after an editable install; both folders are called dsnet."""
    (tmp_path / "dsnet").mkdir()
    clone(tmp_path / "dsnet")
    build = "from setuptools.build_meta import build_editable; build_editable('.')"
    subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path / "dsnet", check=True, capture_output=True
    )
    (wheel,) = (tmp_path / "dsnet").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = tmp_path / "script.py"
    # Without site, which would also find the dsnet that is installed here.
    script.write_text(
        f"import site, sys; site.addsitedir({str(tmp_path / 'site')!r})\n"
        f"sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "from dsnet import load_model\nimport dsnet\nprint(dsnet.__file__)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    outcome = subprocess.run(
        [sys.executable, "-S", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip() == str(tmp_path / "dsnet/dsnet/__init__.py")
