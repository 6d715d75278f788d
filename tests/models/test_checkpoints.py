"""Model files: round trips, damage, and code in a file."""

import argparse

import pytest
import torch
from networks import SMALL, Evil, content

from dsnet.models import CheckpointError, build, load_model, read, save


def test_a_saved_model_is_loaded_with_the_same_outputs(tmp_path):
    network = build(SMALL, "rgb", 2).eval()
    save(tmp_path / "model.pt", content(network))
    loaded, found = load_model(tmp_path / "model.pt")
    x = torch.randn(1, 3, 8, 32, 32)
    assert torch.equal(loaded.eval()(x), network(x))
    assert found["spec"] == {"any": 1}


def test_code_in_a_file_is_never_executed(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth cannot be read as weights"):
        read(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # of PyTorch, about TorchScript
@pytest.mark.parametrize("what", ["code", "object", "script", "module"])
def test_nobody_is_told_to_run_the_code_in_a_file(tmp_path, what):
    layer = torch.nn.Linear(2, 2)
    if what == "script":
        torch.jit.save(torch.jit.script(layer), str(tmp_path / "x.pth"))
    else:
        content = {"code": Evil(), "object": argparse.Namespace(lr=0.1), "module": layer}[what]
        torch.save({"state_dict": {}, "more": content}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth cannot be read as weights") as caught:
        read(tmp_path / "x.pth")
    assert "holds more than tensors and plain values" in str(caught.value)
    assert "get the file anew" in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_file_that_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"Is a directory: '.*"):
        read(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 10, 0.1, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_cut_file_is_named(tmp_path, keep, legacy):
    saved = content(build(SMALL, "rgb", 2))
    # MARS's files are of a PyTorch that wrote no zip files.
    torch.save(saved, tmp_path / "model.pt", _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "model.pt").read_bytes()
    length = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "model.pt").write_bytes(whole[:length])
    with pytest.raises(CheckpointError, match=r"model\.pt cannot be read as weights"):
        read(tmp_path / "model.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        read(tmp_path / "none.pt")
