"""`dsnet flow VIDEO`: flow to look at, and as numbers."""

import cv2
import numpy as np
import pytest
from scenes import texture

from dsnet import flow, video
from dsnet.cli import main
from dsnet.experiment.specs import FlowSpec
from dsnet.figures import flow as flow_figure


@pytest.fixture
def moving(tmp_path):
    """A video of 7 frames, 48 by 33, whose picture moves 2 pixels to the right per frame."""
    image = texture(0, 33, 80)
    frames = [np.repeat(image[:, 20 - 2 * i :][:, :48, None], 3, 2) for i in range(7)]
    video.encode(tmp_path / "in.avi", frames, fps=25)
    return tmp_path / "in.avi"


def run(*arguments):
    return main(["flow", *map(str, arguments)])


@pytest.mark.parametrize("chunk", [2, 3, 32])
def test_the_flow_of_a_video_beside_its_frames_and_as_numbers(moving, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(flow_figure, "CHUNK", chunk * 33 * 48)
    output, raw = tmp_path / "made/out.mp4", tmp_path / "elsewhere/out.npy"
    assert run(moving, "-o", output, "--raw", raw, "--backend", "numba") == 0
    frames = np.stack(list(video.decode(moving, 25, resize=None)))
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    found = np.load(raw)
    np.testing.assert_array_equal(found, flow.compute(gray, "numba", semantics="cuda"))
    assert found.dtype == np.float32
    assert np.median(found[..., 0]) == pytest.approx(2, abs=0.2)
    pictures = np.stack(list(video.decode(output, 25, resize=None)))
    assert pictures.shape == (6, 34, 96, 3)
    assert np.abs(pictures[:, :33, :48].astype(int) - frames[:-1]).mean() < 8
    red, green, blue = pictures[2, 4:20, 56:88].mean(axis=(0, 1))
    assert red > green + 60  # to the right is red
    assert red > blue + 60


def test_semantics_and_backend_can_be_chosen(moving, tmp_path):
    output, raw = tmp_path / "out.mkv", tmp_path / "out.npy"
    assert run(moving, "-o", output, "--raw", raw, "--backend", "opencv", "--semantics", "cpu") == 0
    frames = list(video.decode(moving, 25, resize=None))
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    np.testing.assert_array_equal(np.load(raw), flow.compute(gray, "opencv"))


@pytest.mark.parametrize("algorithm", ["dis", "farneback"])
def test_another_algorithm_can_be_chosen(moving, tmp_path, algorithm):
    output, raw = tmp_path / "out.mkv", tmp_path / "out.npy"
    assert run(moving, "-o", output, "--raw", raw, "--algorithm", algorithm) == 0
    frames = list(video.decode(moving, 25, resize=None))
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    expected = flow.of_spec(FlowSpec(algorithm=algorithm))(gray)
    np.testing.assert_array_equal(np.load(raw), expected)
    assert np.median(expected[..., 0]) == pytest.approx(2, abs=0.2)


def test_a_failure_leaves_what_was_there(moving, tmp_path, caplog):
    output = tmp_path / "out.mp4"
    output.write_bytes(b"kept")
    moving.write_bytes(moving.read_bytes()[:100])
    assert run(moving, "-o", output) == 1
    assert output.read_bytes() == b"kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.avi", "out.mp4"]
    assert "in.avi" in caplog.text


@pytest.mark.parametrize("size", [(2, 2), (2, 40), (40, 2)])
def test_a_video_too_small_for_flow_is_refused_in_words(tmp_path, caplog, size):
    video.encode(tmp_path / "in.avi", np.zeros((4, *size, 3), np.uint8))
    assert run(tmp_path / "in.avi", "-o", tmp_path / "out.mp4") == 1
    assert (
        f"in.avi: flow needs 3 x 3 pixels at least, and it has {size[1]} x {size[0]}" in caplog.text
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["VIDEO", "-o", "x.txt"], "expected a video file, .mp4"),
        (["VIDEO", "-o", "x.mp4", "--fps", "4"], "flow needs two frames"),
        (["VIDEO", "-o", "x.mp4", "--raw", "VIDEO"], "in.avi is the input itself"),
        (["VIDEO", "-o", "x.mp4", "--raw", "./x.mp4"], "x.mp4 is the file of two outputs"),
        (["VIDEO", "-o", "x.mp4", "--backend", "opencv"], "follows the semantics cpu, not cuda"),
        (["VIDEO", "-o", "x.mp4", "--algorithm", "raft"], "`dsnet fetch raft_small` gets it"),
    ],
)
def test_what_cannot_be_done_is_said(moving, tmp_path, monkeypatch, caplog, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*(str(moving) if a == "VIDEO" else a for a in arguments)) == 1
    assert message in caplog.text
    assert not list(tmp_path.glob("x.*"))
