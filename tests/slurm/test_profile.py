"""What profiles/slurm promises, as far as no cluster is needed to tell."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import ROOT, merge
from runs import PROFILE

EXPERIMENTS = ["config.yaml", *sorted(p.name for p in (ROOT / "experiments").glob("*.yaml"))]


@pytest.fixture
def profile() -> dict[str, Any]:
    return yaml.safe_load((ROOT / PROFILE).read_text(encoding="utf-8"))


def shards(experiment: str) -> int:
    """The shards of all data sets of an experiment together."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    if experiment != "config.yaml":
        overlay = (ROOT / "experiments" / experiment).read_text(encoding="utf-8")
        config = merge(config, yaml.safe_load(overlay))
    return sum(config["catalogue"][name].get("shards", 1) for name in config["datasets"])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_no_array_is_ever_held_back_in_part(profile: dict[str, Any], experiment: str):
    """The executor would forget the part that was ready, and wait for it for ever."""
    per_second = int(re.fullmatch(r"(\d+)/1s", profile["max-jobs-per-timespan"])[1])
    # frames and flow of different data sets may be ready at the same time
    assert min(profile["jobs"], per_second) >= 2 * shards(experiment)


def test_the_profile_speaks_of_rules_that_exist(profile: dict[str, Any]):
    """Snakemake says nothing of those that do not."""
    sources = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):", sources, re.MULTILINE))
    assert set(profile["set-resources"]) <= rules
    assert set(profile["slurm-array-jobs"].split(",")) <= rules


def test_every_entry_has_a_comment():
    """On the lines above it or behind it."""
    lines = (ROOT / PROFILE).read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"[a-z]", line):
            assert above.startswith("#") or re.match(r"[a-z]", above), line


def test_what_the_readme_says_is_there():
    assert "docs/cluster.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert Path(ROOT / "docs/cluster.md").exists()
