"""What profiles/slurm promises, as far as no cluster is needed to tell."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import ROOT, Project
from runs import PROFILE


@pytest.fixture
def profile() -> dict[str, Any]:
    return yaml.safe_load((ROOT / PROFILE).read_text(encoding="utf-8"))


def test_the_profile_speaks_of_rules_that_exist(profile: dict[str, Any]):
    """Snakemake says nothing of those that do not."""
    sources = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):", sources, re.MULTILINE))
    assert set(profile["set-resources"]) <= rules


def test_every_rule_that_is_submitted_for_long_says_its_memory_and_time(fresh: Project):
    """The plan, here without the profile, shows the first attempt's."""
    plan = fresh.snakemake("-n").text
    for rule, minutes, megabytes in (
        ("flow_shard", 120, 8000),
        ("pack", 240, 16000),
        ("train", 1440, 32000),
        ("evaluate", 240, 16000),
    ):
        (asked, *_) = re.findall(rf"^rule {rule}:.*?resources: (.*?)$", plan, re.DOTALL | re.M)
        assert f"runtime={minutes}" in asked.split(", "), asked
        assert f"mem_mb={megabytes}" in asked.split(", "), asked


def test_every_entry_has_a_comment():
    """On the lines above it or behind it."""
    lines = (ROOT / PROFILE).read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"[a-z]", line):
            assert above.startswith("#") or re.match(r"[a-z]", above), line


def test_what_the_readme_says_is_there():
    assert "docs/cluster.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert Path(ROOT / "docs/cluster.md").exists()
