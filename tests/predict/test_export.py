"""An exported network answers as PyTorch's does, and says what its user must know."""

import json
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from project import RUN, Project

from dsnet import clips, export, models
from dsnet.cli import main


@pytest.fixture
def model(finished: Project):
    return finished / RUN / "ds/model.pt"


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 4, 24, 24, 3), np.uint8)


def expected(model, batch: np.ndarray) -> np.ndarray:
    network, content = models.load_trained(model)
    with torch.no_grad():
        seen = clips.normalise(torch.from_numpy(batch), "rgb", content["spec"].clips)
        return network.eval()(seen).numpy()


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_answers_as_pytorch(model, tmp_path, count):
    path = tmp_path / "ds.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert main(["export", str(model), str(path), "--onnx"]) == 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"clips": pixels(count)})
    np.testing.assert_allclose(found, expected(model, pixels(count)), rtol=1e-4, atol=1e-4)
    about = json.loads(session.get_modelmeta().custom_metadata_map["dsnet"])
    check(about, model)


def test_a_program_answers_as_pytorch(model, tmp_path):
    path = tmp_path / "ds.pt2"
    assert main(["export", str(model), str(path), "--pt2"]) == 0
    files = {"dsnet": ""}
    program = torch.export.load(path, extra_files=files).module()
    for count in (1, 5):
        found = program(torch.from_numpy(pixels(count))).numpy()
        np.testing.assert_allclose(found, expected(model, pixels(count)), rtol=1e-4, atol=1e-4)
    check(json.loads(files["dsnet"]), model)


def check(about, model):
    content = models.load_model(model)[1]
    assert about["classes"] == content["classes"]
    assert (about["input"], about["clip_length"], about["crop"]) == ("rgb", 4, 24)
    assert about["data"]["rgb"]["size"] == 32


def test_a_network_that_answers_otherwise_is_not_written(model, tmp_path, monkeypatch, caplog):
    written = export._write_program

    def wrong(module, example, about, path):
        module.network.fc.bias += 1
        written(module, example, about, path)
        module.network.fc.bias -= 1

    monkeypatch.setattr(export, "_write_program", wrong)
    path = tmp_path / "ds.pt2"
    with torch.no_grad():
        assert main(["export", str(model), str(path), "--pt2"]) == 1
    assert "logits differ by" in caplog.text
    assert list(tmp_path.iterdir()) == []
