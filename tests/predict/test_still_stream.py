"""A stream of stills through the whole workflow: prediction, features and exports see stills."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from project import RUN, Project

import dsnet
from dsnet.cli import main
from dsnet.predict.streams import Stream
from dsnet.scores import read_scores

FRAME = {"title": "One frame", "input": "rgb", "still": True, "init": "flow"}
TARGETS = (f"{RUN}/frame/scores.h5", f"{RUN}/fusion/frame+flow.average.json")


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished run with one more stream, which sees single frames."""
    project = finished.copy_to(tmp_path_factory.mktemp("still") / "project")
    project.configure(streams={"frame": FRAME})
    jobs = project.finish(*TARGETS).jobs
    assert jobs == {("train", "frame"), ("evaluate", "frame"), ("fuse", "")}
    return project


@pytest.fixture
def model(project):
    return project / RUN / "frame/model.pt"


@pytest.fixture
def pixels():
    """Three clips, and the same with other frames beside the middle one."""
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (3, 4, 24, 24, 3), np.uint8) for _ in range(2))
    other[:, 2] = one[:, 2]
    return torch.from_numpy(one), torch.from_numpy(other)


@pytest.mark.parametrize("path", ["frame/model.pt", "fusion/frame+flow.average.json"])
def test_a_prediction_says_what_the_evaluation_said(project, path):
    table = pd.read_csv(project / "results/motions/manifest.csv").set_index("id")
    streams = ["frame", "flow"] if path.endswith(".json") else ["frame"]
    parts = [read_scores(project / RUN / name / "scores.h5").parts["test"] for name in streams]
    model = dsnet.load_model(project / RUN / path)
    expected = sum(part.videos for part in parts) / len(parts)
    for id, logits in zip(parts[0].ids, expected, strict=True):
        np.testing.assert_allclose(
            model.predict(project / table.path[id]).logits, logits, rtol=1e-4, atol=1e-5
        )


def test_logits_and_features_are_those_of_the_middle_frame(model, project, pixels):
    stream, plain = (
        Stream(path, torch.device("cpu")) for path in (model, project / RUN / "rgb/model.pt")
    )
    assert np.array_equal(*map(stream.logits, pixels))
    assert not np.allclose(*map(plain.logits, pixels))
    for level in ("stem", "avgpool"):
        assert np.array_equal(*(stream.features(clips, level) for clips in pixels))


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_exports_see_stills(model, pixels, tmp_path, kind):
    path = tmp_path / f"frame.{kind}"
    assert main(["export", str(model), str(path), f"--{kind}"]) == 0
    if kind == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = [session.run(None, {"clips": clips.numpy()})[0] for clips in pixels]
    else:
        program = torch.export.load(path).module()
        found = [program(clips).numpy() for clips in pixels]
    np.testing.assert_array_equal(*found)
    expected = Stream(model, torch.device("cpu")).logits(pixels[0])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4)
