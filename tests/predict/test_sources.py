"""Frames in memory and long videos; features; what each costs."""

import json
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from project import RUN, Project

import dsnet
from dsnet import images, models, video
from dsnet.cli import main
from dsnet.predict.streams import PredictError, Stream

LENGTH, SIZE = 4, 32


@pytest.fixture(scope="session")
def run(finished: Project):
    """The folder of the tiny run's streams."""
    return finished / RUN


@pytest.fixture(scope="module")
def model(run):
    return dsnet.load_model(run / "ds/model.pt")


def moving(frames: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.stack([np.roll(noise, 2 * number, axis=1) for number in range(frames)])


def lossless(path, frames: np.ndarray, fps: int):
    """A video file with these very pixels."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    command = [video.ffmpeg_executable(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", size, "-r", str(fps), "-i", "-", "-c:v", "png", "-pix_fmt", "rgb24", path]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


@pytest.mark.parametrize("fps", [25, 30, 12])
def test_frames_in_memory_are_what_a_lossless_file_of_them_is(model, tmp_path, fps):
    frames = moving(21)
    of_file = model.predict(lossless(tmp_path / "a.avi", frames, fps))
    for given in (frames, torch.from_numpy(frames)):
        found = model.predict(given, fps=fps)
        np.testing.assert_array_equal(found.clips, of_file.clips)
        assert (found.duration, found.video) == (of_file.duration, "frames in memory")
    assert found.duration == pytest.approx(21 / fps, abs=0.04)


def test_frames_of_the_models_rate_and_size_stay_as_they_are():
    frames = moving(7, SIZE, SIZE)
    kept = list(video.resample(frames, 25, 25, "square", SIZE))
    np.testing.assert_array_equal(kept, frames)


def test_a_list_has_a_prediction_of_each(model, tmp_path):
    frames = moving(9)
    path = lossless(tmp_path / "a.avi", frames, 25)
    for several in (list, tuple):
        one, other = model.predict(several([path, frames[:, ::-1]]))
        assert (one.video, other.video) == (str(path), "frames in memory")
    one, other = model.predict([path, str(path)])
    np.testing.assert_array_equal(one.clips, other.clips)
    assert model.predict([]) == []
    one, other = model.predict([path, torch.from_numpy(frames[:, ::-1].copy())])
    assert np.abs(one.clips - other.clips).max() > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((4, 3, 8, 8), np.uint8), r"got \(4, 3, 8, 8\); put the channels last"),
        (np.zeros((8, 8, 3), np.uint8), r"expected \(T, H, W, 3\), RGB, got \(8, 8, 3\)"),
        ([np.zeros((8, 8, 3), np.uint8)], r"got \(8, 8, 3\); join a video's frames by np\.stack"),
        (np.zeros((2, 4, 8, 8, 3), np.uint8), r"8, 3\); several videos are a list"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"got \(0, 8, 8, 3\)"),
        (torch.rand(4, 8, 8, 3), "expected uint8, 0 to 255, got float32; frames of 0 to 1 become"),
        (7, "expected a path or .* got int"),
    ],
)
def test_what_are_no_frames_is_refused(model, wrong, said):
    with pytest.raises(ValueError, match=said):
        model.predict(wrong)


def test_an_address_is_not_taken_for_a_file(model):
    with pytest.raises(PredictError, match=r"watch\(dsnet\.video\.address") as refused:
        model.predict("rtsp://me:secret@camera/1")
    assert "secret" not in str(refused.value)


def test_numbers_out_of_range_are_refused(run, model, caplog):
    for options, said in (
        ({"stride": 0.03}, "stride: expected one frame's time or more, got 0.03"),
        ({"stride": float("nan")}, "stride: expected"),
        ({"fps": 0}, "fps: expected 0.01 or more, got 0"),
    ):
        with pytest.raises(ValueError, match=said):
            model.predict(moving(5), **options)
    with pytest.raises(ValueError, match="a file has its own"):
        model.predict("a.mp4", fps=25)
    with pytest.raises(PredictError, match="too short: 5 frames at 1000 per second"):
        model.predict(moving(5), fps=1000)
    for endless in (1e30, 1e308):
        assert model.predict(moving(9), stride=endless).times.tolist() == [[0, LENGTH / 25]]
    words = ["predict", __file__, __file__, "--model", str(run / "ds/model.pt"), "--stride", "0.01"]
    assert main(words) == 1
    assert caplog.text.count("stride: expected one frame's time or more, got 0.01") == 1


@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_each_overlapping_clip_is_as_if_it_were_alone(run, step):
    """With flow, whose planes are computed once for all clips that have them."""
    rgb = dsnet.load_model(run / "ds/model.pt")
    model, frames = dsnet.load_model(run / "ds/model.pt", flow=True), moving(19)
    found = model.predict(frames, stride=step / 25)
    starts = range(0, 19 - LENGTH + 1, step)
    np.testing.assert_allclose(found.times[:, 0], np.array(starts) / 25)
    for start, logits in zip(starts, found.clips, strict=True):
        # The last clip may have no frame after it, and so no flow.
        alone = model if start + LENGTH < 19 else rgb
        alone = alone.predict(frames[start : start + LENGTH + 1])
        np.testing.assert_allclose(logits, alone.clips[0], rtol=1e-4, atol=1e-5)


@pytest.fixture(params=["motions", "real"])
def two_actions(finished: Project, request) -> list[np.ndarray]:
    """The frames of two videos of different actions."""
    if request.param == "motions":
        folder = finished.folder / "results/motions/videos"
        paths = [folder / "left/test_000.mp4", folder / "rotate_cw/test_000.mp4"]
    else:
        folders = sorted((request.getfixturevalue("shared_data") / "ucf101/videos").iterdir())
        paths = [next(iter(sorted(folder.glob("*.avi")))) for folder in folders[:2]]
    return [np.stack(list(video.decode(path, resize=None)))[:8] for path in paths]


def test_a_long_video_has_the_segments_of_its_parts(run, model, two_actions, tmp_path, capsys):
    path = lossless(tmp_path / "long.avi", np.concatenate([*two_actions, two_actions[1][:2]]), 25)
    table, titles = tmp_path / "out.csv", tmp_path / "out.srt"
    words = ["predict", str(path), "--model", str(run / "ds/model.pt"), "--json"]
    assert main([*words, "--csv", str(table), "--srt", str(titles)]) == 0
    said = json.loads(capsys.readouterr().out)
    alone = [np.array(model.predict(part).clips.argmax(axis=1)) for part in two_actions]
    labels = [model.classes[number] for number in np.concatenate(alone)]
    runs = [name for name, before in zip(labels, [None, *labels], strict=False) if name != before]
    assert [one["label"] for one in said["segments"]] == runs
    assert said["duration"] == pytest.approx(18 / 25)
    assert said["segments"][-1]["end"] == 16 / 25  # the last two frames fill no clip
    assert len(table.read_text().splitlines()) == 1 + len(runs)
    assert titles.read_text().count(" --> ") == len(runs)
    assert main(words[:-1]) == 0
    assert "the last 0.08 s fill no clip and were ignored" in capsys.readouterr().out


def test_outputs_that_cannot_be_are_told_before_the_first_video(run, tmp_path, caplog):
    path = lossless(tmp_path / "a.avi", moving(9), 25)
    (tmp_path / "out").mkdir()
    words = ["predict", str(path), "--model", str(run / "ds/model.pt"), "--srt"]
    for given, said in (
        ([str(tmp_path / "out")], "out is a folder; name a file"),
        ([str(tmp_path / "b"), "--csv", f"{tmp_path}/out/../b"], "b is the file of two outputs"),
    ):
        assert main([*words, *given]) == 1
        assert said in caplog.text
    assert not (tmp_path / "b").exists()


def test_below_the_threshold_it_says_none(run, tmp_path, capsys):
    path = lossless(tmp_path / "a.avi", moving(9), 25)
    words = ["predict", str(path), str(path), "--model", str(run / "ds/model.pt")]
    assert main([*words, "--threshold", "0.99"]) == 0
    text = capsys.readouterr().out
    assert text.count("whole video: none (") == 2
    assert text.count(" s: none (likeliest class ") == 2
    assert "2 videos: none 2" in text
    assert main([*words, "--threshold", "0.99", "--json"]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line)["label"] is None
    with pytest.raises(SystemExit):
        main([*words, "--threshold", "1.5"])
    assert "expected 0 to 1, got 1.5" in capsys.readouterr().err


def test_features_give_the_logits_that_the_classifier_makes_of_them(run, model):
    frames = moving(11)
    pooled, maps = model.features(frames), []
    hook = model.streams[0].network.layer1.register_forward_hook(lambda *seen: maps.append(seen[2]))
    mapped = model.features(frames, "layer1", stride=0.16)
    hook.remove()
    network, _ = models.load_trained(run / "ds/model.pt")
    weight, bias = (value.detach().numpy() for value in network.fc.parameters())
    logits = model.predict(frames).clips
    np.testing.assert_allclose(pooled.vectors @ weight.T + bias, logits, rtol=1e-3, atol=1e-4)
    (found,) = maps
    assert found[0, 0].numel() > 1
    means = found.numpy().astype(np.float64).mean(axis=(2, 3, 4))
    np.testing.assert_allclose(mapped.vectors, means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pooled.times, [[0, 0.16], [0.16, 0.32]])


def test_features_of_videos_are_in_one_file(run, model, tmp_path, caplog):
    paths = [lossless(tmp_path / f"{n}.avi", moving(n, seed=n), 25) for n in (5, 9)]
    words = ["features", "--model", str(run / "ds/model.pt"), "--level", "layer1", "-o"]
    assert main([*words, str(tmp_path / "out.h5"), *map(str, paths)]) == 0
    expected = [model.features(path, "layer1") for path in paths]
    with h5py.File(tmp_path / "out.h5") as file:
        assert [name.decode() for name in file["videos"]] == list(map(str, paths))
        assert file["video"][:].tolist() == [0, 1, 1]
        assert file.attrs["level"] == "layer1"
        for number, one in enumerate(expected):
            own = file["video"][:] == number
            np.testing.assert_allclose(file["features"][:][own], one.vectors, rtol=1e-5)
            np.testing.assert_array_equal(file["times"][:][own], one.times)
    assert main([*words, str(tmp_path / "out.npy"), str(paths[1])]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected[1].vectors, rtol=1e-5)
    for given, said in (
        ([str(tmp_path / "out.npy"), *map(str, paths)], ".npy holds one video, and there are 2"),
        ([str(tmp_path / "out.txt"), str(paths[0])], "expected .npy (one video) or .h5"),
        (
            [str(tmp_path / "a.npy"), str(paths[0]), "--level", "fc"],
            "has no level fc; expected stem",
        ),
    ):
        assert main([*words, *given]) == 1
        assert said in caplog.text
    with pytest.raises(PredictError, match="features are of one stream"):
        dsnet.load_model(run / "ds/model.pt", flow=True).features(moving(5))


def test_the_cost_is_that_of_a_clip_with_all_its_streams(run, monkeypatch):
    model, decode = dsnet.load_model(run / "ds/model.pt", flow=True), images.decode

    def slow_decode(*given):
        time.sleep(0.1)
        return decode(*given)

    def slow_logits(stream, clips):
        time.sleep(0.3)
        return original(stream, clips)

    original = Stream.logits
    monkeypatch.setattr(images, "decode", slow_decode)
    monkeypatch.setattr(Stream, "logits", slow_logits)
    cost = model.predict(moving(LENGTH + 1)).cost
    assert cost["reading"] >= 100 * 3 * LENGTH  # an image and two planes of each frame
    assert cost["network"] >= 600


def test_a_busy_machine_shows_in_the_cost_and_one_interruption_does_not(run, monkeypatch):
    model, logits, pauses = dsnet.load_model(run / "ds/model.pt"), Stream.logits, []

    def paused(stream, clips):
        time.sleep(pauses.pop())
        return logits(stream, clips)

    monkeypatch.setattr(Stream, "logits", paused)
    pauses[:] = [0, 4, 0, 0, 0]
    once = model.predict(moving(5 * LENGTH), batch_size=1)
    pauses[:] = [0.5] * 5
    waiting = model.predict(moving(5 * LENGTH), batch_size=1)
    assert once.cost["network"] < 500
    assert waiting.cost["network"] >= 500  # the time that passed
    assert waiting.network_cpu < 250  # the work that was done in it


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no checkpoint {path}"),
        (b"my notes\n", "{path} is no file of weights"),
        ("folder", "{path} is a folder"),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "features", "export", "show", "benchmark"])
def test_a_wrong_model_is_told_before_pytorch_is_imported(tmp_path, verb, content, said):
    path = tmp_path / "model.pt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    words = {
        "predict": ["predict", "a.mp4", "--model", str(path)],
        "features": ["features", "a.mp4", "--model", str(path), "-o", "a.npy"],
        "export": ["export", str(path), "a.onnx", "--onnx"],
        "show": ["show", str(path)],
        "benchmark": ["benchmark", str(path)],
    }[verb]
    code = (
        "import sys; from dsnet.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert said.format(path=path) in done.stderr
    assert done.stdout == "False\n"
