"""Released weights scored as they are, from files in MARS's layout to Table 1."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from project import RUN, TINY, Project, merge
from rehearsal import CHECKPOINTS, filled, link_samples, prepare, rehearse, remove
from test_rehearsal import TEST, TRAINING

from dsnet import load_model
from dsnet.clips import open_clips
from dsnet.models import build, load_checkpoint, load_trained, read, take_all
from dsnet.provenance import file_digest
from dsnet.scores import read_scores

RELEASED = "experiments/released.yaml"
MEANS = {"rgb": np.float32([114.7748, 107.7354, 99.4750]), "flow": np.float32([127.5] * 2)}
UNTRAINED = ("flow", "rgb", "mars")


def save_release(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Weights that the fixtures' recipe fills, in MARS's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"module.{key}": value for key, value in filled(shapes).items()}
    torch.save({"epoch": 9, "arch": "resnext-101", "state_dict": state}, path)


def test_weights_are_scored_as_they_are_and_teach(fresh: Project) -> None:
    base = yaml.safe_load((fresh / "config.yaml").read_text(encoding="utf-8"))
    arch = merge({"stem_kernel": 3, **base["model"]}, TINY["model"])
    for stream in UNTRAINED:
        network = build(arch, "flow" if stream == "flow" else "rgb", 10)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        save_release(fresh / f"{stream}_4f.pth", shapes)
    as_they_are = {"init": None, "pretrained": None, "training": {"epochs": 0}}
    streams = {n: {**as_they_are, "pretrained": f"{n}_{{clip_length}}f.pth"} for n in UNTRAINED}
    streams["mars"] |= {"teacher": None, "losses": {"mse": None}}
    fresh.configure(streams=streams)
    # Which is drawn of the scores and histories of all streams.
    targets = ["results/figures/motions-split1-4f-training.png"]
    fresh.finish(*targets)
    for stream in UNTRAINED:
        folder = fresh / RUN / stream
        history = pd.read_csv(folder / "history.csv")
        assert len(history) == 0
        assert {"epoch", "train_top1", "val_loss"} <= set(history)
        assert not list((folder / "tensorboard").glob("event*"))
        model = read(folder / "model.pt")
        assert (model["epoch"], model["last"]["epoch"]) == (0, 0)
        assert model["sources"]["init"] == file_digest(fresh / f"{stream}_4f.pth")
        expected = own_scores(fresh, stream)
        part = read_scores(folder / "scores.h5").parts["test"]
        found = dict(zip(part.ids, part.videos, strict=True))
        assert found.keys() == expected.keys()
        for id, logits in expected.items():
            # Pillow resizes to whole values.
            np.testing.assert_allclose(found[id], logits, rtol=0.02, atol=0.02, err_msg=id)
    assert len(pd.read_csv(fresh / RUN / "ds/history.csv")) == 2
    assert read(fresh / RUN / "ds/model.pt")["sources"]["teacher"] == file_digest(
        fresh / RUN / "flow/model.pt"
    )
    part = read_scores(fresh / RUN / "mars/scores.h5").parts["test"]
    manifest = pd.read_csv(fresh / "results/motions/manifest.csv").set_index("id")
    video = fresh / manifest["path"][part.ids[0]]
    predicted = load_model(fresh / RUN / "mars/model.pt").predict(video)
    np.testing.assert_allclose(predicted.logits, part.videos[0], rtol=1e-4, atol=1e-4)
    assert fresh.finish("-n", *targets).nothing_to_do


def own_scores(project: Project, stream: str) -> dict[str, np.ndarray]:
    """The mean logits of every test video, of its images and the release alone."""
    network = load_checkpoint(project / f"{stream}_4f.pth")
    modality = "flow" if stream == "flow" else "rgb"
    reader = open_clips(project / "results/motions/clips.h5")
    table = pd.DataFrame(reader.extra["videos"])
    found = {}
    for id in table[table["split1"] == "test"]["id"]:
        items = [bytes(item) for item in reader.items(id, modality)]
        frames = [np.asarray(small(item)) for item in items]
        if modality == "flow":
            frames = [np.dstack(pair) for pair in zip(frames[::2], frames[1::2], strict=True)]
        count = len(frames) // 4
        clips = np.float32(frames[: 4 * count]).reshape(count, 4, 24, 24, -1) - MEANS[modality]
        with torch.inference_mode():
            logits = network(torch.from_numpy(clips.transpose(0, 4, 1, 2, 3).copy()))
        found[id] = logits.mean(dim=0).numpy()
    return found


def small(item: bytes) -> Image.Image:
    """A stored square image at the side that the tiny networks see."""
    return Image.open(io.BytesIO(item)).resize((24, 24), Image.Resampling.BILINEAR)


def test_what_cannot_be_taken_as_it_is_says_so(fresh: Project) -> None:
    base = yaml.safe_load((fresh / "config.yaml").read_text(encoding="utf-8"))
    arch = merge({"stem_kernel": 3, **base["model"]}, TINY["model"])
    shapes = {k: tuple(v.shape) for k, v in build(arch, "flow", 400).state_dict().items()}
    save_release(fresh / "kinetics.pth", shapes)
    fresh.configure(streams={"flow": {"pretrained": "kinetics.pth", "training": {"epochs": 0}}})
    outcome = fresh.snakemake(f"{RUN}/flow/model.pt")
    assert outcome.code != 0
    for words in ("kinetics.pth cannot be taken as it is", "fc.weight is (400, ", "need training"):
        assert words in fresh.logs(), words
    assert not (fresh / RUN / "flow/model.pt").exists()


@pytest.fixture
def released(
    shared_fixtures: Path, shared_data: Path, tmp_path: Path
) -> Iterator[tuple[Project, Path]]:
    """The experiment on three videos, with ``MARS_UCF101_16f`` as the fixtures' recipe fills it."""
    recorded = json.loads((shared_fixtures / "mars_resnext101_rgb_16f_101.json").read_text())
    shapes = {key: tuple(shape) for key, shape in recorded["keys"]}
    weights = tmp_path / "weights"
    save_release(weights / "MARS_UCF101_16f.pth", shapes)
    (weights / "RGB_UCF101_16f.pth").symlink_to("MARS_UCF101_16f.pth")  # alike but for the numbers
    first = (shapes["conv1.weight"][0], 2, *shapes["conv1.weight"][2:])
    save_release(weights / "Flow_UCF101_16f.pth", {**shapes, "conv1.weight": first})
    videos = link_samples(shared_data / "ucf101/videos", tmp_path / "videos", (TRAINING, *TEST))
    project = prepare(
        tmp_path / "project",
        weights,
        {"ucf101": videos},
        shared_data,
        (),
        clip_lengths=[16],
        flow={"tvl1": {"warps": 1, "outer_iterations": 1}},  # a tenth of the time
        training={"epochs": 0},
        fusion={"epochs": 1},
    )
    yield project, shared_fixtures
    remove(project.folder, weights)


def test_table_1_has_mars_cells_measured_without_training(released: tuple[Project, Path]) -> None:
    project, fixtures = released
    rehearse(project, "results/released/tables/table1.csv", hours=1, recipe=[RELEASED])
    run = project / "results/released/ucf101/split1/16f/seed0"
    network, content = load_trained(run / "mars/model.pt")
    assert content["data"]["rgb"]["sampling"] == "output_rate"
    assert content["data"]["flow"]["rounding"] == "truncate"
    expected = np.load(fixtures / "mars_resnext101_rgb_16f_101.npz")
    x = (40 * np.random.default_rng(7).standard_normal((1, 3, 16, 112, 112))).astype(np.float32)
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(logits, expected["logits"], rtol=1e-3, atol=1e-3)
    scores = read_scores(run / "mars/scores.h5")
    assert {f"{id}.avi" for id in scores.parts["test"].ids} == set(TEST)
    right = scores.parts["test"].videos.argmax(1) == scores.parts["test"].labels
    table = pd.read_csv(project / "results/released/tables/table1.csv")
    rows = table.query("method == 'MARS (16f)' and dataset == 'UCF-101' and source == 'measured'")
    by_column = rows.set_index("column")
    assert by_column["paper_top1"].dropna().to_dict() == {
        **{"Mimic": 94.6, "Mimic+RGB": 95.6, "Mimic+Flow": 94.9}
    }
    assert by_column["top1"]["Mimic"] == pytest.approx(100 * right.mean())
    assert set(rows["pretrain"]) == {"MARS_UCF101_16f"}
    assert set(rows["n_videos"]) == {2}
    assert (run / "mars/history.csv").read_text(encoding="utf-8").count("\n") == 1
    release = project / CHECKPOINTS / "MARS_UCF101_16f.pth"
    again = build(content["arch"], "rgb", 101)
    take_all(again, release, content["classes"])
    assert torch.equal(again.fc.weight, network.fc.weight)
