"""Small, uneven and unusual sets of own videos, through the whole pipeline."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from project import Project
from scipy import stats

from dsnet import video
from dsnet.store import Reader


def films(folder: Path, **counts: int) -> None:
    """Write as many small videos of each class."""
    rng = np.random.default_rng(2)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            frames = rng.integers(0, 255, (9, 32, 40, 3), np.uint8)
            video.encode(folder / name / f"{i}.mp4", frames)


@pytest.fixture
def own(fresh: Project) -> Project:
    """The tiny experiment on the folder ``videos``, with the tables of the default experiment."""
    entry = {"kind": "folder", "videos": "videos", "shards": 2}
    fresh.configure(datasets=["mine"], catalogue={"mine": entry})
    return fresh


def test_an_uneven_set_is_trained_and_its_classes_are_told_apart(own: Project):
    films(own / "videos", run=10, walk=3, hop=1)
    (own / "videos/jump").mkdir()
    (own / "videos/run/notes.txt").write_text("This is not a video.\n")
    shutil.copy(own / "videos/run/notes.txt", own / "videos/walk/0.jpg")
    tiny = yaml.safe_load((own / "tiny.yaml").read_text())
    tiny["streams"]["mars"] = tiny["tables"] = None
    (own / "tiny.yaml").write_text(yaml.safe_dump({k: v for k, v in tiny.items() if v}))
    targets = ["results/tables/table1.csv", "results/tables/mine-split1-4f-classes.csv", "claims"]
    outcome = own.snakemake(*targets)
    assert outcome.code == 0, outcome.text + own.logs()
    for words in (
        "tables: rows of streams that are null are left out (ds-gram, ",
        "mine: videos: no videos by their names, and left out: run/notes.txt, walk/0.jpg",
        "mine: videos: folders without videos, which are no classes: jump",
        "mine: split1: no test videos of hop",
    ):
        assert outcome.text.count(words) == 1, words
    assert "run/notes.txt" in (own / "results/logs/mine/manifest.log").read_text()
    assert len(Reader(own / "results/mine/clips.h5").videos) == 14

    classes = pd.read_csv(own / "results/tables/mine-split1-4f-classes.csv")
    assert set(classes["stream"]) == {"flow", "rgb", "ds"}
    of_ds = classes[classes["stream"] == "ds"].set_index("class")
    assert of_ds["n_videos"].to_dict() == {"hop": 0, "run": 3, "walk": 1}
    assert np.isnan(of_ds.loc["hop", "top1"])
    right = round(of_ds.loc["run", "top1"] * 3 / 100)
    interval = stats.binomtest(right, 3).proportion_ci(method="wilson")
    assert of_ds.loc["run", "low"] == pytest.approx(100 * interval.low, abs=1e-3)
    assert of_ds.loc["run", "high"] == pytest.approx(100 * interval.high, abs=1e-3)
    table = pd.read_csv(own / "results/tables/table1.csv")
    mimic = table[table["column"] == "Mimic"].iloc[0]
    assert mimic["macro"] == pytest.approx(of_ds["top1"].mean(), abs=1e-3)  # of run and walk
    assert mimic["top1"] == pytest.approx(
        (3 * of_ds["top1"]["run"] + of_ds["top1"]["walk"]) / 4, abs=1e-3
    )
    claims = pd.read_csv(own / "results/tables/claims.csv")
    assert len(claims) == 3


def test_two_streams_alone_need_no_table_of_students(fresh: Project):
    tiny = yaml.safe_load((fresh / "tiny.yaml").read_text())
    tiny["streams"] |= {"mars": None, "ds": None}
    (fresh / "tiny.yaml").write_text(yaml.safe_dump({**tiny, "tables": {}}))
    jobs = fresh.plan().jobs
    assert {name for rule, name in jobs if rule == "train"} == {"flow", "rgb"}
    assert {rule for rule, _ in jobs if rule.startswith("fuse")} == {"fuse", "fuse_figure"}
    assert {("table1", ""), ("significance", ""), ("classes", "")} <= jobs
    assert not {("table2", ""), ("claims", "")} & jobs


def test_a_set_of_one_class_stops_before_the_first_job(own: Project):
    films(own / "videos", run=3)
    outcome = own.snakemake("results/mine/clips.h5")
    assert outcome.code != 0
    assert "mine: all videos are of one class, run; at least two are needed" in outcome.text
    assert "Traceback" not in outcome.text
    assert not list((own / "results").rglob("manifest*"))
