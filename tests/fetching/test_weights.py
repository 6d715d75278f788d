"""Weights of torchvision, from a local server that has files of another hash or the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from webserver import FileServer

from dsnet import fetching
from dsnet.cli import main
from dsnet.fetching import weights

NAME = "mc3_18_Kinetics400"
FILE = f"{NAME}.pth"
OFFICIAL = "https://download.pytorch.org/models/mc3_18-a90a0ba3.pth"
DATA = b"weights of a network" * 1000


@pytest.fixture
def served(web: FileServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The SHA-256 of what the server has under the official name, whose start is published."""
    (web.folder / "mc3_18-a90a0ba3.pth").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    monkeypatch.setattr(weights, "published", lambda name: (OFFICIAL, digest[:8]))
    return digest


def test_weights_come_under_their_name_after_a_cut(web, served, tmp_path, capsys):
    web.cuts = [7000]
    record = tmp_path / "record.json"
    options = ["--to", str(tmp_path / "weights"), "--mirror", web.address, "--output", str(record)]
    assert main(["fetch", NAME, *options]) == 0
    assert (tmp_path / "weights" / FILE).read_bytes() == DATA
    assert [asked for _, asked in web.requests] == [None, "bytes=7000-"]
    found = json.loads(record.read_bytes())
    assert (found["name"], found["sha256"]) == (FILE, served)
    assert "Weights of torchvision (BSD 3-Clause)" in capsys.readouterr().out
    assert main(["fetch", NAME, *options]) == 0  # it is there
    assert len(web.requests) == 2


def test_weights_of_another_hash_are_refused_and_removed(web, tmp_path, monkeypatch, caplog):
    (web.folder / "mc3_18-a90a0ba3.pth").write_bytes(DATA)
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", NAME, "--mirror", web.address]) == 1
    place = f"resources/checkpoints/{FILE}"
    for words in (
        f"has the SHA256 {hashlib.sha256(DATA).hexdigest()}, where a90a0ba3 is published",
        "what came was removed",
        f"get {OFFICIAL}, put it at {place} and run again",
    ):
        assert words in caplog.text
    assert list(Path("resources/checkpoints").iterdir()) == []


def test_a_file_put_there_by_hand_is_checked_and_left(served, tmp_path):
    path = tmp_path / FILE
    path.write_bytes(DATA)
    assert fetching.fetch_weights(NAME, tmp_path)["address"] is None
    fetching.check_weights(path)
    path.write_bytes(DATA[1:])
    with pytest.raises(fetching.DownloadError, match=r"has the SHA256 .* is published"):
        fetching.check_weights(path)
    with pytest.raises(fetching.DownloadError, match=r"has the SHA256 .* to go on by hand, get"):
        fetching.fetch_weights(NAME, tmp_path)
    assert path.read_bytes() == DATA[1:]


def test_an_unknown_name_is_told_what_there_is(caplog):
    assert main(["fetch", "r3d_34_Kinetics400"]) == 1
    assert "expected one of ucf101, hmdb51, weizmann, or weights of torchvision or" in caplog.text
