"""The real UCF-101 and HMDB-51 samples, by the official lists, from manifest to packed clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import Project

from dsnet.clips import load, open_clips, table

# What the official lists hold: videos, and train and test of split 1.
LISTED = {"ucf101": (13320, 9537, 3783), "hmdb51": (6766, 3570, 1530)}


@pytest.mark.parametrize("name", LISTED)
def test_the_samples_are_packed_by_the_official_lists(
    fresh: Project, shared_data: Path, name: str
) -> None:
    present = sorted((shared_data / name / "videos").glob("*/*.avi"))
    entry = {
        "videos": str(shared_data / name / "videos"),
        "lists": str(shared_data / name / "splits"),
        "allow_missing": True,
        "shards": 2,
    }
    fresh.configure(datasets=[name], catalogue={name: entry})
    fresh.finish(f"results/{name}/clips.h5")
    total, train, test = LISTED[name]
    manifest = pd.read_csv(fresh / f"results/{name}/manifest.csv", keep_default_na=False)
    assert len(manifest) == total
    assert (manifest["split1"] == "train").sum() == train
    assert (manifest["split1"] == "test").sum() == test
    reader = open_clips(fresh / f"results/{name}/clips.h5")
    usable = manifest[manifest["error"] == ""]
    assert list(reader.videos) == list(usable["id"])
    assert len(reader.videos) == len(present)
    assert reader.extra["n_missing"] == total - len(present)
    broken = pd.read_csv(fresh / f"results/{name}/broken.csv")
    assert (broken["reason"] == "missing").all()
    assert len(broken) == total - len(present)
    for row in usable.itertuples():
        video = reader.videos[row.id]
        # At 25 fps there are as many frames as the video lasts, give or take one.
        assert abs(video.frames("rgb") - row.frames * 25 / row.fps) <= 1.5
        assert video.frames("flow") == video.frames("rgb") - 1
    moving = [np.std(load(reader, id, "flow", np.arange(5))) for id in reader.videos]
    assert np.median(moving) > 1  # in steps of the 8-bit planes
    assert set(table(reader)["label"]) == set(usable["label"])


def test_missing_videos_are_an_error_unless_allowed(fresh: Project, shared_data: Path) -> None:
    entry = {
        "videos": str(shared_data / "hmdb51/videos"),
        "lists": str(shared_data / "hmdb51/splits"),
        "shards": 2,
    }
    fresh.configure(datasets=["hmdb51"], catalogue={"hmdb51": entry})
    outcome = fresh.snakemake("results/hmdb51/clips.h5")
    assert outcome.code != 0
    assert "6762 of 6766 videos are missing" in outcome.text
    assert outcome.text.count("brush_hair/") >= 5  # the first five names
    assert "allow_missing: true" in outcome.text


def test_a_folder_that_is_not_there_is_named_with_what_to_do(fresh: Project) -> None:
    fresh.configure(datasets=["ucf101"])
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    assert "catalogue.ucf101.videos: there is no folder data/UCF-101" in outcome.text
    assert "Traceback" not in outcome.text
