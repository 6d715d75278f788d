"""What `dsnet doctor` says of an experiment's data sets, weights and disk."""

import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch
from findings import only

from dsnet import models, sharing, video
from dsnet.doctor import estimate, experiment
from dsnet.doctor.finding import size
from dsnet.experiment import load
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.store import Writer

GB = 10**9
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine(raw, here):
    """An experiment on a folder of four videos of two seconds, 64x32."""
    for value, name in enumerate(("run/a", "run/b", "walk/a", "walk/b")):
        path = here / f"mine/{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        video.encode(path, np.full((50, 32, 64, 3), 30 * value, np.uint8))
    entry = {
        **raw["catalogue"]["weizmann"],
        "kind": "folder",
        "videos": "mine",
        "title": "Mine",
    }
    raw["catalogue"]["mine"] = {**entry, "lists": None, "csv": None, "allow_missing": False}
    raw["datasets"] = ["mine"]
    # Two videos per class are too few to hold one out.
    return {**raw, "protocol": "paper", "fusion": {**raw["fusion"], "fit": "train"}}


def test_a_data_set_that_is_there(mine):
    found = only(experiment.data_sets(load(mine)))
    assert (found.check, found.status) == ("data: mine", "ok")
    assert found.found == "4 of 4 videos, 2 classes"
    mine["datasets"] = ["motions"]
    assert only(experiment.data_sets(load(mine))).status == "ok"


def test_what_cannot_be_trained_or_is_unusual_is_told_before(mine, here):
    held_out = {**mine, "protocol": "held-out"}
    there, told = experiment.data_sets(load(held_out))
    assert (there.status, told.status) == ("ok", "problem")
    assert told.found.startswith("mine: split1: no training video can be held out")
    (here / "mine/walk/b.mp4").rename(here / "mine/walk/notes.txt")
    (here / "mine/jump").mkdir()
    _, left_out, empty, lacking = experiment.data_sets(load(mine))
    assert left_out.found == "mine: no videos by their names, and left out: walk/notes.txt"
    assert empty.found == "mine: folders without videos, which are no classes: jump"
    assert lacking.found.startswith("split1: no test videos of walk, so nothing is known")
    assert {left_out.status, empty.status, lacking.status} == {"warning"}
    shutil.rmtree(here / "mine/walk")
    _, told = experiment.data_sets(load(mine))
    assert "mine: all videos are of one class, run; at least two are needed" in told.found


def test_data_that_another_experiment_uses(mine, here):
    other = load({**mine, "results": "results/other"})
    sharing.record(other)
    (here / other.results).mkdir()
    assert only(experiment.data_sets(load(mine))).status == "ok"
    mine["flow"]["bound"] = 9
    told, _ = experiment.data_sets(load(mine))
    assert (told.check, told.status) == ("data", "problem")
    assert "results/other has other settings for mine" in told.found
    assert "flow.bound 5, here 9" in told.found


@pytest.mark.parametrize(("allowed", "status"), [(False, "problem"), (True, "warning")])
def test_videos_with_the_same_bytes(mine, here, allowed, status):
    roles = {"run/a": "train", "run/b": "test", "walk/a": "train", "walk/b": "test"}
    rows = [f"{name}.mp4,{role}" for name, role in roles.items()]
    (here / "mine.csv").write_text("\n".join(["path,split1", *rows]))
    mine["catalogue"]["mine"].update(csv="mine.csv", allow_duplicates=allowed)
    assert only(experiment.data_sets(load(mine))).status == "ok"
    shutil.copy(here / "mine/run/b.mp4", here / "mine/walk/a.mp4")
    found = only(experiment.data_sets(load(mine)))
    assert found.status == status
    assert "run/b and walk/a have the same bytes, under the classes run and walk" in found.found
    assert "in train and test of split1" in found.found


@pytest.mark.parametrize(("allowed", "status"), [(False, "problem"), (True, "warning")])
def test_videos_that_are_missing(mine, here, allowed, status):
    (here / "mine.csv").write_text("path\nrun/a.mp4\nrun/none.mp4\nwalk/a.mp4\nwalk/b.mp4\n")
    mine["catalogue"]["mine"].update(csv="mine.csv", allow_missing=allowed)
    found = only(experiment.data_sets(load(mine)))
    assert found.status == status
    assert found.found == "3 of 4 videos, 2 classes; the first that is missing is mine/run/none.mp4"
    assert ("allow_missing" in found.advice) != allowed


def test_folders_that_are_missing(raw, here):
    raw["datasets"] = ["ucf101"]
    first, second = experiment.data_sets(load(raw))
    assert first.status == second.status == "problem"
    assert f"no folder data/UCF-101 (looked in {here})" in first.found
    assert "catalogue.ucf101.lists" in second.advice


def test_folders_that_the_workflow_fetches_are_not_missed(raw, here, monkeypatch):
    monkeypatch.setattr(experiment, "has_rar_tool", lambda: True)
    raw["catalogue"]["ucf101"]["fetch"] = True
    found = list(experiment.data_sets(load({**raw, "datasets": ["ucf101"]})))
    assert [finding.status for finding in found] == ["ok", "ok"]
    assert all("the workflow fetches it" in finding.found for finding in found)


def test_what_fetching_needs_is_missed(raw, here, monkeypatch):
    raw["catalogue"]["ucf101"]["fetch"] = raw["catalogue"]["weizmann"]["fetch"] = True
    monkeypatch.setattr(experiment, "has_rar_tool", lambda: False)
    videos, lists, weizmann = experiment.data_sets(
        load({**raw, "datasets": ["ucf101", "weizmann"]})
    )
    assert [found.status for found in (videos, lists, weizmann)] == ["problem", "ok", "ok"]
    assert "data/UCF-101 is not there yet, and nothing here decompresses" in videos.found
    assert "apt install unar" in videos.advice


def test_what_is_fetched_takes_room(raw, here):
    raw["datasets"] = ["ucf101"]
    raw["catalogue"]["ucf101"]["fetch"] = True
    limits = 10 * GB + GB // 50
    assert estimate.fetched(load(raw)) == 2 * limits
    (here / "data/UCF-101").mkdir(parents=True)
    assert estimate.fetched(load(raw)) == 2 * (GB // 50)
    assert "MB of them for what is fetched" in only(experiment.disk(load(raw))).found
    raw["catalogue"]["ucf101"]["fetch"] = False
    assert estimate.fetched(load(raw)) == 0


def test_folders_that_the_workflow_has_fetched_are_missed(raw, here):
    raw["catalogue"]["ucf101"]["fetch"] = True
    (here / "results/ucf101").mkdir(parents=True)
    (here / "results/ucf101/fetched.json").touch()
    (here / "data/UCF-101").mkdir(parents=True)
    found = only(experiment.data_sets(load({**raw, "datasets": ["ucf101"]})))
    assert found.status == "problem"
    assert "no folder data/ucfTrainTestlist" in found.found
    assert found.advice == "delete results/ucf101/fetched.json to have it fetched again"


def test_lists_that_are_not_the_official_ones(raw, here):
    raw["datasets"] = ["ucf101"]
    (here / "data/UCF-101").mkdir(parents=True)
    lists = here / "data/ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\n")
    found = only(experiment.data_sets(load(raw)))
    assert found.status == "problem"
    assert "classInd.txt: expected 101 classes, found 1" in found.found


def test_no_weights_are_needed(raw):
    assert only(experiment.checkpoints(load(raw))).status == "ok"


def test_weights_that_are_there_or_not(raw, here):
    raw["streams"]["flow"]["pretrained"] = "Flow_Kinetics_{clip_length}f"
    raw["streams"]["rgb"]["pretrained"] = "own.pth"
    own, releases = experiment.checkpoints(load(raw))
    assert own.status == releases.status == "problem"
    assert "there is no file own.pth" in own.found
    assert "Flow_Kinetics_16f.pth" in releases.found
    assert "craston/MARS" in releases.advice
    arch = raw["model"]
    weights = models.build(arch, "flow", 400).state_dict()
    (here / "resources/checkpoints").mkdir(parents=True)
    torch.save({"state_dict": weights}, here / "resources/checkpoints/Flow_Kinetics_16f.pth")
    (here / "own.pth").write_bytes(b"no weights")
    release, own = experiment.checkpoints(load(raw))
    assert release.status == "ok"
    assert "for flow, 400 classes" in release.found
    assert own.status == "problem"
    torch.save({"state_dict": weights}, here / "own.pth")  # of flow, for a stream that sees RGB
    _, own = experiment.checkpoints(load(raw))
    assert own.status == "warning"
    assert "the stream's input is rgb, and conv1.weight is drawn anew" in own.found
    raw["streams"]["rgb"]["first_convolution"] = "averaged"
    _, own = experiment.checkpoints(load(raw))
    assert own.status == "ok"
    torch.save(
        {"state_dict": models.build({**arch, "stem": 4}, "rgb", 400).state_dict()}, "own.pth"
    )
    _, own = experiment.checkpoints(load(raw))
    assert own.status == "problem"
    assert "own.pth has the weights of another network" in own.found
    assert "set streams.rgb.pretrained to another file" in own.advice


def test_weights_of_torchvision_that_are_there_or_not(raw, here, monkeypatch):
    raw["model"] = {"backbone": "mc3_18"}
    for stream in ("flow", "rgb"):
        raw["streams"][stream]["pretrained"] = "mc3_18_Kinetics400"
    found = only(experiment.checkpoints(load(raw)))
    assert found.status == "problem"
    path = "resources/checkpoints/mc3_18_Kinetics400.pth"
    assert f"there is no {path} (looked in {here})" in found.found
    address = "https://download.pytorch.org/models/mc3_18-a90a0ba3.pth"
    assert found.advice == f"`dsnet fetch mc3_18_Kinetics400`; or get {address}, put it at {path}"
    (here / path).parent.mkdir(parents=True)
    network = models.build({"backbone": "mc3_18"}, "rgb", 400)
    torch.save(network.state_dict(), here / path)
    found = only(experiment.checkpoints(load(raw)))
    assert found.status == "problem"
    assert "where a90a0ba3 is published" in found.found
    monkeypatch.setattr(experiment.fetching, "check_weights", lambda path: None)
    found = only(experiment.checkpoints(load(raw)))
    assert found.status == "warning"
    assert "mc3_18 for rgb, 400 classes" in found.found
    assert "stem.0.weight is drawn anew" in found.found


def test_weights_to_be_taken_as_they_are(mine, here):
    raw = mine
    raw["streams"]["flow"].update(pretrained="own.pth")
    raw["streams"]["flow"]["training"] = {"epochs": 0}
    for classes, status in ((400, "problem"), (2, "ok")):
        weights = models.build(raw["model"], "flow", classes).state_dict()
        torch.save({"state_dict": weights}, here / "own.pth")
        found = only(experiment.checkpoints(load(raw)))
        assert found.status == status, found
        assert ("cannot be taken as it is" in found.found) == (status == "problem")


def test_the_estimate_is_of_the_measured_bytes_per_frame(raw):
    """docs/performance.md: frames 58 GB, flow 18 GB, clips.h5 76 GB of 27 hours of UCF-101."""
    raw["frames"]["size"] = 256
    assert estimate.data_set(load(raw), "ucf101") == pytest.approx(152 * GB, rel=0.03)
    raw["frames"].update(resize="short_side")
    assert estimate.data_set(load(raw), "ucf101") == pytest.approx(4 / 3 * 152 * GB, rel=0.05)
    assert estimate.data_set(load(raw), "weizmann") is None  # nobody knows before it is there


def test_the_estimate_of_motions_is_what_a_run_leaves(raw):
    """58.3 MB in a finished run of the default experiment."""
    assert estimate.data_set(load(raw), "motions") == pytest.approx(58.3e6, rel=0.15)


def test_frames_and_flow_count_until_they_are_packed_and_not_missed(raw, here):
    both = estimate.data_set(load(raw), "motions")
    made = load(raw)
    spec = {"rgb": frames_spec(made).values(), "flow": flow_spec(made).values()}
    folder = here / "results/motions"
    (folder / "frames").mkdir(parents=True)
    (folder / "frames/0000.h5").write_bytes(bytes(1000))
    with Writer(folder / "clips.h5", ["rgb", "flow"], spec) as writer:
        writer.close([])
    clips = (folder / "clips.h5").stat().st_size

    def found(**changes):
        changed = load({**raw, **changes})
        return estimate.data_set(changed, "motions"), estimate.made(changed)

    assert found() == (both, clips + 1000)  # a deleted one is made again
    assert found(keep="clips") == (both / 2, clips)
    assert found(results="other", data="results") == (both / 2, clips)
    assert found(keep="clips", flow={**raw["flow"], "bound": 4}) == (both, clips + 1000)


def test_the_length_of_videos_is_estimated_from_some(mine):
    mine["frames"].update(size=256, resize="square")
    # four videos of fifty frames, once in shards and once in clips.h5
    assert estimate.data_set(load(mine), "mine") == pytest.approx(2 * 200 * 31_600, rel=0.03)
    mine["frames"].update(resize="short_side")
    assert estimate.data_set(load(mine), "mine") == pytest.approx(2 * 2 * 200 * 31_600, rel=0.05)


def test_models_count_for_every_stream_and_run(raw):
    alone = estimate.models(load(raw))
    assert estimate.models(load({**raw, "seeds": [0, 1, 2]})) > alone
    paper = {"layers": [3, 4, 23, 3], "widths": [128, 256, 512, 1024], "stem": 64, "stem_kernel": 7}
    large = estimate.models(load({**raw, "model": {**paper, "cardinality": 32}}))
    assert large == pytest.approx(191.5e6 * (2 * len(raw["streams"]) + 6), rel=0.01)


@pytest.mark.parametrize(("free", "status"), [(1.2, "ok"), (1.05, "warning"), (0.9, "problem")])
def test_free_space_against_the_estimate(raw, here, monkeypatch, free, status):
    needed = estimate.data_set(load(raw), "motions") + estimate.models(load(raw))
    usage = Usage(0, 0, free * needed)
    monkeypatch.setattr(experiment.shutil, "disk_usage", lambda place: usage)
    found = only(experiment.disk(load(raw)))
    assert found.status == status
    assert size(needed) in found.found
    made = here / "results/motions/clips.h5"
    made.parent.mkdir(parents=True)
    with open(made, "wb") as file:
        file.truncate(int(0.8 * needed))
    assert only(experiment.disk(load(raw))).status == "ok"  # since most of it is there


def test_free_space_where_a_data_set_is_not_there_yet(raw, here):
    raw["datasets"] = ["motions", "weizmann"]
    found = only(experiment.disk(load(raw)))
    assert found.status == "warning"
    assert "weizmann, whose videos are not there yet" in found.found


def test_sizes_are_said_as_people_say_them():
    assert [size(n) for n in (7, 999, 1500, 58e9, 999.6e6, 5.8e12, 4e15)] == [
        "7 B", "999 B", "1.5 kB", "58 GB", "1.0 GB", "5.8 TB", "4000 TB",
    ]  # fmt: skip
