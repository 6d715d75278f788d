"""Predicting gives what the evaluation of the same videos gives, however long a video is."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from project import RUN, Project

import dsnet
import dsnet.errors
from dsnet import clips, images, models, shards, video
from dsnet.cli import main
from dsnet.models import checkpoints
from dsnet.predict.streams import Stream
from dsnet.scores import read_scores

LENGTH, SIZE = 4, 32


@pytest.fixture(scope="session")
def run(finished: Project) -> Path:
    """The folder of the tiny run's streams."""
    return finished / RUN


@pytest.fixture(scope="session")
def test_videos(finished: Project, run: Path) -> list[tuple[str, Path]]:
    """The test videos, id and path, in the order of their scores."""
    table = pd.read_csv(finished / "results/motions/manifest.csv").set_index("id")
    return [
        (id, finished / table.path[id])
        for id in read_scores(run / "ds/scores.h5").parts["test"].ids
    ]


def film(path: Path, frames: int, size: int = SIZE) -> Path:
    """A video of noise that drifts, of so many frames."""
    noise = np.random.default_rng(frames).integers(0, 256, (size, size, 3), np.uint8)
    video.encode(path, (np.roll(noise, i, axis=1) for i in range(frames)))
    return path


@pytest.mark.parametrize("stream", ["ds", "rgb", "flow"])
def test_a_stream_says_what_its_evaluation_said(run, test_videos, stream):
    model = dsnet.load_model(run / stream / "model.pt")
    part = read_scores(run / stream / "scores.h5").parts["test"]
    ends = np.cumsum(part.counts)
    for number, (_, path) in enumerate(test_videos):
        found = model.predict(path, batch_size=3)
        own = part.clips[ends[number] - part.counts[number] : ends[number]]
        np.testing.assert_allclose(found.clips, own, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.logits, part.videos[number], rtol=1e-4, atol=1e-5)


def test_with_flow_it_says_what_the_fusion_by_averaging_said(run, test_videos):
    fused = json.loads((run / "fusion/ds+flow.average.json").read_text())
    model = dsnet.load_model(run / "ds/model.pt", flow=True)
    labels = read_scores(run / "ds/scores.h5").parts["test"].labels
    found = [model.predict(path) for _, path in test_videos]
    right = [p.logits.argmax() == label for p, label in zip(found, labels, strict=True)]
    assert right == fused["right"]
    assert found[0].backend
    assert found[0].cost["flow"] > 0


@pytest.mark.parametrize("frames", [2, 3, 4, 5, 8, 9, 12])
def test_clips_are_those_of_the_evaluation_for_every_length(run, tmp_path, frames):
    model = dsnet.load_model(run / "ds/model.pt", flow=True)
    path = film(tmp_path / "film.mp4", frames)
    stored = list(shards.encoded_frames(path, model.streams[0].data.rgb))
    flow_spec = model.streams[1].data.flow
    planes = list(shards.encoded_planes([stored], model.method, flow_spec))
    assert (len(stored), len(planes)) == (frames, 2 * frames - 2)
    logits = []
    for stream, items, per_frame in zip(model.streams, (stored, planes), (1, 2), strict=True):
        batch = []
        for positions in clips.scoring_positions(len(items) // per_frame, LENGTH):
            loaded = [
                images.decode(np.frombuffer(items[per_frame * i + plane], np.uint8), per_frame == 2)
                for i in positions
                for plane in range(per_frame)
            ]
            batch.append(clips.to_square(loaded, stream.input, None, stream.settings.crop))
        logits.append(stream.logits(torch.stack(batch)))
    found = model.predict(path)
    expected = (logits[0].mean(axis=0) + logits[1].mean(axis=0)) / 2
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert len(found.clips) == len(logits[0])
    assert found.times[-1, 1] == min(max(frames // LENGTH, 1) * LENGTH, frames) / 25


MEMORY = """
import resource, sys, torch
from pathlib import Path
from dsnet import load_model
torch.set_num_threads(1)
model = load_model(sys.argv[1])
for path in sys.argv[2:]:
    found = model.predict(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(len(found.clips), found.times[-1, 1], peak)
"""


def test_a_second_ten_seconds_and_ten_minutes_take_the_same_memory(run, tmp_path):
    lengths = (1, 10, 600)
    paths = [film(tmp_path / f"{seconds}.mp4", 25 * seconds) for seconds in lengths]
    command = [sys.executable, "-c", MEMORY, str(run / "ds/model.pt"), *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [int(count) for count, _, _ in lines] == [25 * s // LENGTH for s in lengths]
    assert [float(end) for _, end, _ in lines] == [25 * s // LENGTH * LENGTH / 25 for s in lengths]
    (_, ten_seconds, ten_minutes) = (float(peak) for _, _, peak in lines)
    # All frames of ten minutes would be 46 MB even at this size.
    assert ten_minutes - ten_seconds < 15


def test_files_and_folders_are_told_as_json_a_line_each(run, tmp_path, capsys):
    folder = tmp_path / "videos"
    (folder / "deeper").mkdir(parents=True)
    film(folder / "deeper/b.mp4", 9)
    (folder / "a.dat").write_text("not a video")
    (folder / "notes.txt").write_text("not looked at")
    (folder / ".hidden").write_text("not looked at")
    single = film(tmp_path / "single.avi", 5)
    command = ["predict", str(folder), str(single), "--model", str(run / "ds/model.pt"), "--json"]
    assert main(command) == 1  # one of them cannot be used
    broken, first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert broken == {
        "video": str(folder / "a.dat"),
        "error": f"{folder}/a.dat: not a video: plain text",
    }
    assert (first["video"], second["video"]) == (str(folder / "deeper/b.mp4"), str(single))
    assert sum(first["scores"].values()) == pytest.approx(1)
    assert list(first["scores"]) == models.load_model(run / "ds/model.pt")[1]["classes"]
    assert [(clip["start"], clip["end"]) for clip in first["clips"]] == [(0, 0.16), (0.16, 0.32)]
    assert first["flow_backend"] is None
    assert set(first["ms_per_clip"]) == {"reading", "flow", "network"}
    assert first["ms_to_open"] > 0
    assert first["duration"] == 9 / 25


def test_what_only_the_first_pass_pays_for_is_no_part_of_the_cost(run, tmp_path, monkeypatch):
    logits, seen = Stream.logits, set()

    def slow_at_first(stream, clips):
        if stream not in seen:
            seen.add(stream)
            time.sleep(3)
        return logits(stream, clips)

    monkeypatch.setattr(Stream, "logits", slow_at_first)
    model = dsnet.load_model(run / "ds/model.pt", flow=True)
    found = model.predict(film(tmp_path / "film.mp4", 5))
    assert len(seen) == 2
    assert 0 < found.cost["network"] * len(found.clips) < 2000


def test_a_real_video_is_seen_to_its_end(shared_data, run, tmp_path, capsys):
    path = shared_data / "ucf101/videos/Diving/v_Diving_g01_c04.avi"
    model, out = run / "ds/model.pt", tmp_path / "out.mp4"
    words = ["predict", str(path), "--model", str(model), "--with-flow", "--json"]
    assert main([*words, "--annotate", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    frames = sum(1 for _ in video.decode(path, 25, resize=None))
    assert frames > 50
    assert [clip["start"] for clip in said["clips"]] == pytest.approx(
        [LENGTH * number / 25 for number in range(frames // LENGTH)]
    )
    found = dsnet.load_model(model, flow=True).predict(path)
    assert list(said["scores"].values()) == pytest.approx(list(found.probabilities))
    annotated = list(video.decode(out, resize=None))
    assert len(annotated) == frames
    assert annotated[0].shape == (480, 640, 3)  # twice what it was, so that words can be read


def test_folders_that_links_point_to_are_looked_into(run, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    film(tmp_path / "elsewhere/a.mp4", 5)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/linked").symlink_to(tmp_path / "elsewhere")
    assert main(["predict", str(tmp_path / "videos"), "--model", str(run / "ds/model.pt")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/videos/linked/a.mp4\n")


def test_a_folder_may_have_the_outputs_of_an_earlier_run(run, tmp_path):
    film(tmp_path / "a.mp4", 5)
    outputs = {"predict": ("--csv", "out.csv"), "features": ("-o", "out.h5")}
    for _ in range(2):
        for verb, (option, name) in outputs.items():
            words = [verb, str(tmp_path), "--model", str(run / "ds/model.pt")]
            assert main([*words, option, str(tmp_path / name)]) == 0


def test_a_name_that_is_not_utf8_is_written_so_that_it_can_be_read(run, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(film(tmp_path / "film.mp4", 5), name)
    for words, written in (([], rb"caf\xe9.mp4"), (["--json"], rb"caf\udce9.mp4")):
        command = [sys.executable, "-m", "dsnet", "predict", name, "--model", run / "ds/model.pt"]
        strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
        done = subprocess.run([*command, *words], env=strict, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert written in done.stdout


def test_text_names_the_likeliest_classes(run, tmp_path, capsys):
    path = film(tmp_path / "film.mp4", 9)
    assert main(["predict", str(path), "--model", str(run / "ds/model.pt"), "--with-flow"]) == 0
    text = capsys.readouterr().out
    best = dsnet.load_model(run / "ds/model.pt", flow=True).predict(path).top(1)
    assert f"whole video: {best[0][0]} {100 * best[0][1]:.1f} %" in text
    assert " to 0.32 s: " in text
    assert "the last 0.04 s fill no clip and were ignored" in text
    assert "ms per clip" in text


def test_an_annotated_video_has_all_frames_and_its_panel(run, tmp_path):
    path, out = film(tmp_path / "film.mp4", 11, size=361), tmp_path / "out.mp4"
    command = ["predict", str(path), "--model", str(run / "ds/model.pt"), "--annotate", str(out)]
    assert main(command) == 0
    before, after = (list(video.decode(p, resize=None)) for p in (path, out))
    assert len(after) == len(before) == 11
    assert after[0].shape == (362, 362, 3)  # the codec wants even sides

    def change(number: int, rows: slice) -> float:
        ours, theirs = (v[number][rows, :361].astype(float) for v in (after, before))
        return float(np.abs(ours - theirs).mean())

    assert change(0, slice(0, 200)) < 10 < 30 < change(0, slice(300, 361))
    # Within a clip the panel stays as it is, and with the next clip it changes.
    panels = [frame[260:].mean(axis=(0, 2)) for frame in after]
    assert np.abs(panels[1] - panels[2]).max() < np.abs(panels[3] - panels[4]).max()


def test_a_name_that_is_no_videos_is_refused_before_the_prediction(run, tmp_path, caplog, capsys):
    path, out = film(tmp_path / "film.mp4", 5), tmp_path / "out.gif"
    command = ["predict", str(path), "--model", str(run / "ds/model.pt"), "--annotate", str(out)]
    assert main(command) == 1
    assert "out.gif: expected a video file" in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--annotate", "out.mp4"], "takes one video, and there are 2"),
        (["--flow-model", "{run}/ds/model.pt"], "expected an RGB and a flow stream"),
        (["--device", "cuda"], "PyTorch finds no GPU"),
        (["--device", "gpu"], "device gpu: expected auto, cpu, cuda or cuda:N"),
        (["--device", "xpu"], "device xpu: expected auto, cpu, cuda or cuda:N"),
        (["--device", "meta"], "device meta: expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_cannot_be_is_refused(run, tmp_path, caplog, arguments, complaint):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    paths = [str(film(tmp_path / f"{i}.mp4", 5)) for i in range(2)]
    arguments = [word.format(run=run) for word in arguments]
    assert main(["predict", *paths, "--model", str(run / "rgb/model.pt"), *arguments]) == 1
    assert complaint in caplog.text


def test_videos_without_motion_or_pictures_are_named(run, tmp_path, caplog):
    model = str(run / "ds/model.pt")
    single = film(tmp_path / "single.mp4", 1)
    assert main(["predict", str(single), "--model", model]) == 0
    assert main(["predict", str(single), "--model", model, "--with-flow"]) == 1
    assert f"{single}: flow needs 2 frames, and it has 1" in caplog.text
    assert main(["predict", str(tmp_path / "none.mp4"), "--model", model]) == 1
    assert f"there is no {tmp_path}/none.mp4 (looked in " in caplog.text
    assert main(["predict", str(tmp_path / "none.mp4"), str(single), "--model", model]) == 1
    assert "none.mp4: cannot be read: No such file or directory" in caplog.text
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(tmp_path / "empty"), "--model", model]) == 1
    assert "no videos in" in caplog.text


def test_models_that_do_not_go_together_or_say_too_little_are_refused(run, tmp_path):
    content = checkpoints.read(run / "flow/model.pt")
    other = tmp_path / "other.pt"
    checkpoints.save(other, {**content, "classes": [*content["classes"][1:], "another"]})
    with pytest.raises(dsnet.errors.UserError, match="differ in their classes"):
        dsnet.load_model(run / "ds/model.pt", flow=other)
    checkpoints.save(other, {key: value for key, value in content.items() if key != "data"})
    with pytest.raises(dsnet.errors.UserError, match="does not say how its videos were prepared"):
        dsnet.load_model(other)
    (tmp_path / "alone").mkdir()
    alone = tmp_path / "alone/model.pt"
    alone.write_bytes((run / "ds/model.pt").read_bytes())
    with pytest.raises(dsnet.errors.UserError, match="no flow stream"):
        dsnet.load_model(alone, flow=True)
    broken = checkpoints.read(run / "ds/model.pt")
    broken["state_dict"]["fc.bias"][0] = torch.nan
    checkpoints.save(other, broken)
    with pytest.raises(dsnet.errors.UserError, match="NaN or infinity"):
        dsnet.load_model(other)
    with pytest.raises(ValueError, match="batch_size: expected 1 or more, got 0"):
        dsnet.load_model(run / "ds/model.pt").predict(film(tmp_path / "film.mp4", 5), batch_size=0)


def test_the_package_has_stable_names_and_loads_nothing_before_they_are_used():
    assert set(dsnet.__all__) == {"Prediction", "VideoClassifier", "load_model"}
    assert all(hasattr(dsnet, name) for name in dsnet.__all__)
    assert set(dsnet.__all__) <= set(dir(dsnet))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dsnet.nothing
    code = "import sys, dsnet; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
