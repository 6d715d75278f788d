"""The plan of the paper's whole experiment, from files with the official names."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import Project, merge

from dsnet.datasets.catalogue import build

PAPER = "experiments/paper.yaml"
COUNTS = {"ucf101": 13_320, "hmdb51": 6_766}
PATIENCE = 120  # seconds; it takes a few, this is for a plan that never ends


@pytest.fixture(scope="module")
def stand_ins(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An overlay that names folders of empty files with the official names."""
    catalogue = {}
    for name, count in COUNTS.items():
        lists = shared_data / name / "splits"
        if not lists.is_dir():
            pytest.skip(f"needs the official lists in {lists}")
        folder = tmp_path_factory.mktemp(name)
        entry = {"kind": name, "videos": str(folder), "lists": str(lists), "allow_missing": True}
        paths = [Path(path) for path in build(name, entry)["path"]]
        for parent in {path.parent for path in paths}:
            parent.mkdir(parents=True)
        for path in paths:
            path.touch()
        assert len(paths) == count
        catalogue[name] = {"videos": str(folder), "lists": str(lists)}
    return {"catalogue": catalogue}


@pytest.mark.parametrize("recipe", ["paper", "paper-mars", "paper-literal"])
def test_the_papers_experiment_is_planned_in_seconds(
    fresh: Project, stand_ins: dict[str, Any], recipe: str
):
    (fresh / "folders.yaml").write_text(yaml.safe_dump(stand_ins), encoding="utf-8")
    folder = fresh / "resources/checkpoints"
    folder.mkdir(parents=True)
    names = ("Flow_UCF101", "Flow_HMDB51", "RGB_UCF101", "RGB_HMDB51", "MARS_Kinetics")
    for name in names:
        for length in (16, 64):
            (folder / f"{name}_{length}f.pth").touch()
    started = time.perf_counter()
    plan = fresh.snakemake("-n", overlays=[f"experiments/{recipe}.yaml", "folders.yaml"])
    seconds = time.perf_counter() - started
    print(f"planned in {seconds:.1f} s")
    assert plan.code == 0, plan.text
    assert seconds < PATIENCE
    assert plan.counts == expected_counts(fresh)


def test_without_mars_weights_it_says_so_and_can_train_from_scratch(
    fresh: Project, stand_ins: dict[str, Any]
):
    (fresh / "folders.yaml").write_text(yaml.safe_dump(stand_ins), encoding="utf-8")
    plan = fresh.snakemake("-n", overlays=[PAPER, "folders.yaml"])
    assert plan.code != 0
    assert "streams.flow.pretrained: Flow_UCF101_16f is a release of MARS" in plan.text
    overlays = [PAPER, "experiments/from-scratch.yaml", "folders.yaml"]
    plan = fresh.snakemake("-n", overlays=overlays)
    assert plan.code == 0, plan.text
    assert plan.counts == expected_counts(fresh)


def expected_counts(project: Project) -> dict[str, int]:
    """Jobs of each rule: both data sets, 16 and 64 frames, every stream and seed."""
    base, overlay = (
        yaml.safe_load((project / name).read_text(encoding="utf-8"))
        for name in ("config.yaml", PAPER)
    )
    config = merge(base, overlay)
    shards = sum(config["catalogue"][name]["shards"] for name in COUNTS)
    streams = [name for name, stream in config["streams"].items() if stream is not None]
    assert {"flow", "rgb", "rgb-from-flow", "mars", "ds-mae", "ds-gram", "ds"} <= set(streams)
    runs = len(COUNTS) * 2 * len(config["seeds"])
    counts = {
        "manifest": len(COUNTS),
        "frames": shards,
        "flow_shard": shards,
        "pack": len(COUNTS),
        "contact": len(COUNTS),
        "train": runs * len(streams),
        "evaluate": runs * len(streams),
        **dict.fromkeys(("fuse", "fuse_figure", "fuse_table2", "fuse_table2_figure"), runs),
        **dict.fromkeys(("figures", "attention", "classes", "feature_maps"), len(COUNTS) * 2),
        "similarity": runs,
        **dict.fromkeys(("table1", "table2", "significance", "claims"), 1),
        **dict.fromkeys(
            ("latency", "bars", "cost", "intervals", "summary", "provenance", "all"), 1
        ),
    }
    return {**counts, "total": sum(counts.values())}
