"""No output replaces its own input, whatever the command and by whatever name."""

import os
import shutil

import numpy as np
import pytest
from project import RUN, Project

from dsnet import video
from dsnet.cli import main

COMMANDS = {
    "predict": (
        "film.mp4",
        ["predict", "{input}", "--model", "model.pt", "--annotate", "{output}"],
    ),
    "table": (
        "model.pt",
        ["predict", "film.mp4", "--model", "{input}", "--csv", "{output}"],
    ),
    "features": (
        "film.npy",
        ["features", "{input}", "--model", "model.pt", "--output", "{output}"],
    ),
    "flow": ("film.mp4", ["flow", "{input}", "--output", "{output}"]),
    "export": ("model.pt", ["export", "{input}", "{output}", "--pt2"]),
    "checkpoint": ("model.pt", ["checkpoint", "convert", "{input}", "{output}"]),
}


@pytest.mark.parametrize("name", ["itself", "another spelling", "a link"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_is_the_input_is_refused(
    finished: Project, tmp_path, monkeypatch, caplog, command, name
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(finished / RUN / "ds/model.pt", "model.pt")
    video.encode("film.mp4", np.zeros((5, 32, 32, 3), np.uint8))
    shutil.copy("film.mp4", "film.npy")
    given, words = COMMANDS[command]
    output = {
        "itself": given,
        "another spelling": f"../{tmp_path.name}/{given}",
        "a link": f"of-{given}",
    }
    if name == "a link":
        os.link(given, output[name])
    before = (tmp_path / given).read_bytes()
    assert main([word.format(input=given, output=output[name]) for word in words]) == 1
    assert f"{output[name]} is the input itself; name another output" in caplog.text
    assert (tmp_path / given).read_bytes() == before
