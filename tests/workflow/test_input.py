"""Bad videos and bad configurations, through the whole pipeline."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from project import RUN, TINY, Project, merge

from dsnet import video
from dsnet.models import build, read
from dsnet.provenance import file_digest
from dsnet.store import Reader

CLIPS = "results/mine/clips.h5"
GOOD = ("run/a", "run/b", "run/c", "walk/a", "walk/b", "walk/c")


def entry(folder: Path) -> dict:
    """Configuration of a folder of one's own videos."""
    catalogue = {"mine": {"kind": "folder", "videos": str(folder), "shards": 2}}
    return {"datasets": ["mine"], "catalogue": catalogue}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Six videos of two classes, a text and an empty file."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "my videos"
    for name in GOOD:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        video.encode(folder / f"{name}.mp4", rng.integers(0, 255, (6, 32, 40, 3), np.uint8))
    (folder / "run/text.avi").write_text("This is not a video.\n" * 50)
    (folder / "walk/empty.avi").write_bytes(b"")
    return folder


def test_broken_videos_are_listed_and_the_rest_goes_on(fresh: Project, videos: Path):
    fresh.configure(**entry(videos), max_broken=0.5)
    fresh.finish(CLIPS)
    assert list(Reader(fresh / CLIPS).videos) == list(GOOD)
    broken = pd.read_csv(fresh / "results/mine/broken.csv").set_index("id")
    assert set(broken.index) == {"run/text", "walk/empty"}
    assert "empty" in broken.loc["walk/empty", "reason"]
    assert len(broken.loc["run/text", "reason"]) > 10
    assert broken.loc["run/text", "path"] == str(videos / "run/text.avi")


def test_too_many_broken_videos_fail_and_are_named(fresh: Project, videos: Path):
    fresh.configure(**entry(videos))
    outcome = fresh.snakemake(CLIPS)
    assert outcome.code != 0
    assert not (fresh / "results/mine/manifest.csv").exists()
    # Snakemake shows the end of the log of what failed.
    for words in ("2 of 8 videos", "max_broken", "run/text: ", "walk/empty: "):
        assert words in outcome.text, words
    assert "Traceback" not in outcome.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"training": {"epoch": 3}},
            ["training.epoch: unknown key", "did you mean epochs?"],
        ),
        (
            {"flow": {"bound": -1}},
            ["flow.bound: expected more than 0, got -1", "Flow is clipped"],
        ),
        (
            {"streams": {"ds": {"losses": {"gram": {"normalize": "C"}}}}},
            ["streams.ds.losses.gram.normalize: expected 'paper', 'channels' or 'mean', got 'C'"],
        ),
        (
            {"datasets": ["motion"]},
            ["datasets: motion is not in catalogue (motions"],
        ),
    ],
    ids=["unknown", "bound", "choice", "name"],
)
def test_a_wrong_key_is_named_with_what_was_expected(fresh: Project, changes, expected):
    fresh.configure(**changes)
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    for words in expected:
        assert words in outcome.text, outcome.text
    assert "Traceback" not in outcome.text


def test_a_key_that_is_there_twice_is_named(fresh: Project):
    with open(fresh / "tiny.yaml", "a") as file:
        file.write("training: {epochs: 9}\n")
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    assert re.search(r"tiny\.yaml: line \d+: training is in line \d+ already", outcome.text)
    assert "Traceback" not in outcome.text


def test_a_folder_that_is_not_there_is_named(fresh: Project, tmp_path: Path):
    fresh.configure(**entry(tmp_path / "nowhere"))
    outcome = fresh.snakemake("-n", CLIPS)
    assert outcome.code != 0
    expected = f"catalogue.mine.videos: there is no folder {tmp_path / 'nowhere'}"
    assert expected in outcome.text, outcome.text
    assert "Traceback" not in outcome.text


def test_overlays_merge_as_snakemake_merges_them():
    merged = merge({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}, "d": None})
    assert merged == {"a": {"b": 1, "c": [3]}, "d": None}


def test_a_title_may_have_braces(fresh: Project):
    fresh.configure(streams={"ds": {"title": "DS {dataset} {clip_length}"}})
    text = fresh.finish("-n", "-p").text
    given = re.findall(r"dsnet (\w+) --spec .*DS \{dataset\} \{clip_length\}", text)
    verbs = {"table1", "table2", "significance", "claims", "study", "figures", "attention"}
    assert set(given) == verbs | {"latency", "feature_maps", "classes", "summary", "provenance"}


def test_a_stream_starts_from_a_release_once_it_is_there(fresh: Project):
    fresh.configure(streams={"flow": {"pretrained": "Flow_Kinetics_{clip_length}f"}})
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    for words in ("streams.flow.pretrained: there is no file Flow_Kinetics_4f", "named like"):
        assert words in outcome.text, words
    fresh.configure(streams={"flow": {"pretrained": "Flow_Kinetics_16f"}}, clip_lengths=[16])
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    for words in ("Get Flow_Kinetics_16f.pth from", "resources/checkpoints/Flow_Kinetics_16f.pth"):
        assert words in outcome.text, words
    assert "Traceback" not in outcome.text
    release = fresh / "resources/checkpoints/Flow_Kinetics_16f.pth"
    release.parent.mkdir(parents=True)
    release.touch()
    assert "--init resources/checkpoints/Flow_Kinetics_16f.pth" in fresh.finish("-n", "-p").text


def test_the_first_convolution_of_a_student_is_averaged(fresh: Project):
    """With a rate so low that the weights after the training are those before it."""
    start = {"input": "rgb", "init": "flow", "first_convolution": "averaged"}
    still = {"lr": 1e-12, "weight_decay": 0, "warmup_epochs": 0}
    fresh.configure(streams={"student": {"title": "Student", **start, "training": still}})
    models = [f"results/motions/split1/4f/seed0/{name}/model.pt" for name in ("flow", "student")]
    fresh.finish(models[1])
    assert "drawn anew: nothing; averaged over its channels: conv1.weight" in fresh.logs()
    teacher, student = (read(fresh / model)["state_dict"]["conv1.weight"] for model in models)
    expected = teacher.double().numpy().sum(axis=1) / 3
    for channel in student.unbind(1):
        np.testing.assert_allclose(channel, expected, rtol=1e-5, atol=1e-7)


def test_a_second_teacher_is_an_input_of_its_student_and_the_weight_fades(project: Project):
    losses = {"mse": {"weight": 1, "levels": ["logits"], "fade": True}}
    student = {"title": "Two", "input": "rgb", "teacher": "flow", "losses": losses}
    two = {**student, "second_teacher": "rgb"}
    model = f"{RUN}/two/model.pt"
    project.configure(streams={"two": two})
    assert project.finish(model).jobs == {("train", "two")}
    sources = read(project / model)["sources"]
    for key, stream in (("teacher", "flow"), ("second_teacher", "rgb")):
        assert sources[key] == file_digest(project / f"{RUN}/{stream}/model.pt")
    history = pd.read_csv(project / f"{RUN}/two/history.csv")
    assert history["weight_mse"].tolist() == [1, 0]
    assert history["grad_mse"].iloc[0] > history["grad_mse"].iloc[1] == 0

    project.configure(streams={"two": two, "rgb": {"training": {"lr": 0.01}}})
    assert project.finish("-n", model).jobs == {("train", "rgb"), ("train", "two")}
    project.configure(streams={"two": student})
    assert project.finish("-n", model).jobs == {("train", "two")}


def test_a_stream_is_trained_from_weights_in_mars_layout(fresh: Project):
    arch = {"stem_kernel": 3, **yaml.safe_load((fresh / "config.yaml").read_text())["model"]}
    network = build({**arch, **TINY["model"]}, "flow", 400)
    weights = {f"module.{key}": value for key, value in network.state_dict().items()}
    release = {"epoch": 9, "arch": "resnext-14", "state_dict": weights}
    torch.save(release, fresh / "kinetics_4f.pth")
    fresh.configure(streams={"flow": {"pretrained": "kinetics_{clip_length}f.pth"}})
    model = "results/motions/split1/4f/seed0/flow/model.pt"
    fresh.finish(model)
    assert "started from kinetics_4f.pth; drawn anew: fc.weight, fc.bias" in fresh.logs()
    assert read(fresh / model)["sources"]["init"] == file_digest(fresh / "kinetics_4f.pth")
