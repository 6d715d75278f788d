"""Model files: round trips, damage, and code in a file."""

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
    with pytest.raises(CheckpointError, match=r"evil\.pth cannot be read as weights") as caught:
        read(tmp_path / "evil.pth")
    assert "which might run code" in str(caught.value)
    assert "weights_only" not in str(caught.value)  # PyTorch tells how to run it
    assert "executed" not in capsys.readouterr().out


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
