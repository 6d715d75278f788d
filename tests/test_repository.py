"""Files that describe the repository to people and services, held to what they describe."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def load(path: str | Path) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def package() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    found = {canonicalize_name(name): version for name, version in pairs}
    assert len(found) == len(pairs)
    return found


def test_every_dependency_is_pinned_within_its_bounds(package, pins):
    optional = [line for extra in package["optional-dependencies"].values() for line in extra]
    asked = [Requirement(line) for line in (*package["dependencies"], *optional)]
    asked = [requirement for requirement in asked if requirement.name != package["name"]]
    assert len(asked) > 20
    wrong = [
        str(requirement)
        for requirement in asked
        if pins.get(canonicalize_name(requirement.name), "none") not in requirement.specifier
    ]
    assert wrong == []


def test_constraints_are_sorted():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert lines == sorted(lines, key=str.lower)


@pytest.mark.parametrize("path", sorted(ROOT.glob("envs/*.yaml")), ids=lambda path: path.stem)
def test_an_environment_has_the_versions_that_are_pinned(path, pins):
    *conda, of_pip = load(path)["dependencies"]
    found = [re.split(" =|==", line) for line in (*conda, *of_pip["pip"]) if line != "pip"]
    found = [(name.removesuffix("-base"), version) for name, version in found]
    own = {"python", "ffmpeg"}  # not of PyPI
    assert len(found) > 10
    assert [pair for pair in found if pair[0] not in own and pins.get(pair[0]) != pair[1]] == []


def test_the_citation_is_of_this_version(package):
    citation = load("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == package["name"]
    assert citation["abstract"] == package["description"]
    assert citation["version"] == package["version"]
    assert citation["license"] == package["license"]
    for work in (citation, *citation["references"]):
        assert work["authors"]
        assert work["type"]


def test_the_changelog_begins_with_this_version(package):
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(r"^## \[(.+?)\] - (.+)$", text, re.M)
    assert heading is not None
    assert heading[1] == package["version"]
    assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", heading[2])


def commands(target: str) -> set[str]:
    """The commands of a target of the Makefile that run a tool of the virtual environment."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    return set(re.findall(r"^\t\$\(BIN\)/(.*)$", recipe[1], re.M))


def test_pre_commit_runs_what_make_check_runs():
    (repo,) = load(".pre-commit-config.yaml")["repos"]
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in repo["hooks"]}
    # The workflow's lint and the documentation take too long for every commit.
    assert commands("check") - entries == {"snakemake --lint"}
    assert entries <= commands("check")


def test_pre_commit_can_read_its_configuration():
    command = [sys.executable, "-m", "pre_commit", "validate-config"]
    subprocess.run([*command, ROOT / ".pre-commit-config.yaml"], check=True)


def test_the_service_runs_what_everyone_runs():
    steps = load(".github/workflows/ci.yml")["jobs"]["ci"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


@pytest.mark.parametrize("path", [p for p in TEMPLATES if p.stem != "config"], ids=lambda p: p.stem)
def test_an_issue_form_is_one_that_github_takes(path):
    form = load(path)
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    for key in ("id", "label"):
        values = [{**field, **field["attributes"]}[key] for field in fields]
        assert values
        assert len(set(values)) == len(values)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_files_that_issue_forms_name_are_there():
    text = "\n".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    named = set(re.findall(r"\b(?:docs/\w+\.md|config\.yaml|constraints\.txt)", text))
    assert "docs/faults.md" in named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_catalog_is_told_the_truth():
    usage = load(".snakemake-workflow-catalog.yml")["usage"]
    rules = "\n".join(p.read_text(encoding="utf-8") for p in ROOT.glob("workflow/rules/*.smk"))
    shells, environments = rules.count("    shell:\n"), rules.count("    conda:\n")
    deployment = usage["software-stack-deployment"]
    assert shells > 10
    assert deployment["conda"] is (shells == environments)
    assert deployment["apptainer"] is ("container:" in rules)
    assert usage["report"] is ("\nreport:" in (ROOT / "Snakefile").read_text(encoding="utf-8"))
    assert usage["mandatory-flags"]["flags"] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_figures_of_the_readme_are_those_of_the_documentation():
    readme, results, performance = (
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("README.md", "docs/results.md", "docs/performance.md")
    )
    accuracies = re.findall(r"\d+\.\d ± \d+\.\d", readme)
    assert len(accuracies) > 4
    assert [figure for figure in accuracies if figure not in results] == []
    milliseconds = re.findall(r"\| \**(\d+\.\d)\** \|$", readme, re.M)
    assert len(milliseconds) > 3
    assert [ms for ms in milliseconds if f"| {ms} |" not in performance] == []
