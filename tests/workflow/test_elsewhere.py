"""The workflow from other places: workflow/Snakefile, a module of another workflow, a crate."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from project import OVERLAY, ROOT, TINY, Outcome, Project, forked

from dsnet.crate import PROFILES
from dsnet.crate import crate as pack_run
from dsnet.errors import UserError

MODULE = """
configfile: "{project}/config.yaml"
configfile: "{project}/tiny.yaml"

module dsnet:
    snakefile: "{project}/workflow/Snakefile"
    config: config

use rule * from dsnet as dsnet_*

rule count:
    default_target: True
    input: "results/motions/clips.h5"
    output: "count.txt"
    shell: "ls -l {{input}} > {{output}}"
"""


def test_the_other_snakefile_plans_the_same_jobs(fresh: Project):
    jobs = fresh.plan().jobs
    assert ("whole", "") not in jobs
    assert fresh.finish("-n", "-s", "workflow/Snakefile").jobs == jobs | {("whole", "")}


def test_a_workflow_of_ones_own_takes_it_as_a_module(fresh: Project, tmp_path: Path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "Snakefile").write_text(MODULE.format(project=fresh.folder))
    command = fresh.command("--max-jobs-per-timespan", "5000/1s", overlays=())
    done = subprocess.run(
        command, cwd=own, env=fresh.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Outcome(0, done.stdout + done.stderr).counts["dsnet_pack"] == 1
    assert "clips.h5" in (own / "count.txt").read_text()
    assert not (fresh / "results").exists()


def pack(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(forked.programs() / "python"),
            "-m",
            "dsnet",
            "crate",
            "--configfile",
            OVERLAY,
            *words,
        ],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def crate(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    output = tmp_path_factory.mktemp("crate") / "run.zip"
    done = pack(finished, "-o", str(output), "--license", "CC-BY-4.0")
    assert done.returncode == 0, done.stderr
    return finished, output


def test_a_crate_describes_every_file_that_it_has(crate):
    project, path = crate
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
        for name in (n for n in names if n.startswith("results/")):
            assert archive.read(name) == (project / name).read_bytes(), name
    by_id = {entity["@id"]: entity for entity in graph}
    root = by_id["./"]
    assert {unquote(part["@id"]) for part in root["hasPart"]} == names - {"ro-crate-metadata.json"}
    assert {each["@id"] for each in root["conformsTo"]} == set(PROFILES) <= set(by_id)
    assert root["license"] == "CC-BY-4.0"
    workflow = by_id[root["mainEntity"]["@id"]]
    assert workflow["@id"] == "Snakefile"
    assert "ComputationalWorkflow" in workflow["@type"]
    (action,) = (entity for entity in graph if entity["@type"] == "CreateAction")
    assert action["instrument"]["@id"] == "Snakefile"
    assert [each["@id"] for each in action["object"]] == [
        "settings/0-config.yaml",
        "settings/1-tiny.yaml",
    ]
    results = {unquote(each["@id"]) for each in action["result"]}
    assert {"results/tables/table1.csv", "results/figures/table1.png"} <= results
    assert results == {name for name in names if name.startswith("results/")}


def test_a_crate_has_no_videos_and_no_weights_unless_asked(crate, tmp_path):
    project, path = crate
    assert pack(project, "-o", str(tmp_path / "all.zip"), "--models").returncode == 0
    with zipfile.ZipFile(path) as small, zipfile.ZipFile(tmp_path / "all.zip") as large:
        more = set(large.namelist()) - set(small.namelist())
        made = " ".join(name for name in large.namelist() if name.startswith("results/"))
    assert not {"clips", "frames", "videos", "contact", "features", "classes"} & set(
        re.split(r"\W", made)
    )
    streams = [name for name, value in TINY["streams"].items() if value is not None]
    assert f"results/motions/split1/4f/seed0/{streams[0]}/model.pt" in more
    assert all(name.endswith("model.pt") for name in more)


def test_a_run_without_tables_gives_no_crate(fresh: Project):
    done = pack(fresh)
    assert done.returncode == 1
    assert "results has no tables; run snakemake with the same files first" in done.stderr
    assert not (fresh / "crate.zip").exists()


@pytest.mark.parametrize(
    ("written", "output", "said"),
    [("a: [1\n", "crate.zip", "mine.yaml"), ("{}\n", "mine.yaml", "mine.yaml is the input itself")],
)
def test_a_wrong_overlay_is_told_and_none_is_replaced(tmp_path, monkeypatch, written, output, said):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "config.yaml", "config.yaml")
    Path("mine.yaml").write_text(written)
    with pytest.raises(UserError, match=said):
        pack_run(output, ["mine.yaml"])
    assert Path("mine.yaml").read_text() == written


def test_the_container_installs_what_make_installs():
    recipe = (ROOT / "envs/Containerfile").read_text()
    setup = (ROOT / "Makefile").read_text()
    for words in ("--constraint constraints.txt", "--editable ./logger"):
        assert words in recipe
        assert words in setup
    copied = [line.split()[1:-1] for line in recipe.splitlines() if line.startswith("COPY")]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
