"""Fetching through Snakemake: off by default, then a data set that is not there yet."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import Project
from webserver import FileServer

from dsnet import video
from dsnet.datasets.weizmann import CLASSES
from dsnet.experiment import ConfigError, load
from dsnet.experiment.specs import manifest_spec

MANIFEST = "results/weizmann/manifest.csv"
FETCHED = "results/weizmann/fetched.json"


@pytest.fixture
def weizmann(web: FileServer, tmp_path: Path) -> FileServer:
    """A server of the ten archives, each of one subject's video."""
    clip = tmp_path / "clip.avi"
    video.encode(clip, np.random.default_rng(1).integers(0, 255, (4, 32, 40, 3), np.uint8))
    (web.folder / "weizmann").mkdir()
    for label in CLASSES:
        with zipfile.ZipFile(web.folder / f"weizmann/{label}.zip", "w") as archive:
            archive.write(clip, f"daria_{label}.avi")
    return web


def configure(project: Project, fetch: bool, mirror: str | None = None) -> None:
    entry = {"shards": 2, "allow_missing": True, "fetch": fetch}
    catalogue = {"weizmann": entry}
    project.configure(datasets=["weizmann"], catalogue=catalogue, fetch={"mirror": mirror})


def test_a_data_set_is_fetched_where_that_is_asked_for(fresh: Project, weizmann: FileServer):
    configure(fresh, fetch=False)
    outcome = fresh.snakemake("-n", MANIFEST)
    assert outcome.code != 0
    for words in ("there is no folder data/weizmann", "`dsnet fetch weizmann` or fetch: true"):
        assert words in outcome.text, outcome.text

    configure(fresh, fetch=True, mirror=weizmann.address)
    outcome = fresh.finish(MANIFEST)
    assert outcome.counts == {"fetch": 1, "manifest": 1, "total": 2}
    assert "Please cite: L. Gorelick" in outcome.text
    assert "Please cite: L. Gorelick" in (fresh / "results/logs/weizmann/fetch.log").read_text()
    table = pd.read_csv(fresh / MANIFEST)
    assert len(table) == 90
    assert set(table.loc[table["frames"] == 4, "id"]) == {f"{c}/daria_{c}" for c in CLASSES}
    record = json.loads((fresh / FETCHED).read_text())
    assert [archive["name"] for archive in record["videos"]["archives"]] == [
        f"{label}.zip" for label in CLASSES
    ]

    # Nothing of it is a reason to do anything again.
    configure(fresh, fetch=True)
    assert fresh.finish("-n", MANIFEST).nothing_to_do

    (fresh / "data/weizmann").rename(fresh / "data/elsewhere")
    outcome = fresh.snakemake("-n", MANIFEST)
    assert f"delete {FETCHED} to have it fetched again" in outcome.text, outcome.text


def test_what_cannot_be_had_ends_the_run_with_what_to_do(fresh: Project, weizmann: FileServer):
    (weizmann.folder / "weizmann/side.zip").unlink()
    configure(fresh, fetch=True, mirror=weizmann.address)
    outcome = fresh.snakemake(MANIFEST)
    assert outcome.code != 0
    for words in ("side.zip: the server answers 404", "put it at data/downloads/weizmann/side.zip"):
        assert words in outcome.text, outcome.text
    assert "Traceback" not in outcome.text
    assert not (fresh / "data/weizmann").exists()


def test_only_what_has_an_address_can_be_fetched(raw):
    raw["catalogue"]["motions"]["fetch"] = True
    message = r"catalogue\.motions\.fetch: expected false; only ucf101, hmdb51, weizmann are"
    with pytest.raises(ConfigError, match=message):
        load(raw)


def test_fetching_changes_nothing_of_what_a_manifest_is_made_from(raw):
    before = manifest_spec(load(raw), "ucf101")
    raw["catalogue"]["ucf101"]["fetch"] = True
    assert manifest_spec(load(raw), "ucf101") == before
