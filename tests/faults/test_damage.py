"""Damaged bytes are found, named and made anew, and never trained on."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import h5py
import pytest
import torch
from checks import assert_same_results, leftovers, scores, shard_digests, state_dict
from project import RUN, SHARDS, Project
from stages import one, stages

from dsnet.cli import INTERRUPTED, main
from dsnet.datasets.manifest import read_manifest
from dsnet.store import DamagedError, Reader, StoreError, Writer
from dsnet.training.results import Results

DATASET = "results/motions"
LOGS = "results/logs/motions"
SCORES = f"{RUN}/rgb/scores.h5"


def damage(path: Path, place: int) -> None:
    """Flip one bit of the byte at ``place``, as a disk may, without a trace in the times."""
    times = path.stat()
    with open(path, "r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 4]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def image(path: Path, modality: str, id: str) -> int:
    """The place of a byte in the middle of the first image of a video."""
    video = Reader(path).videos[id]
    with h5py.File(path) as file:
        group, first = file[modality], video.start[modality]
        begin, end = group["offsets"][first : first + 2]
        return group["data"].id.get_offset() + int(begin + end) // 2


def training_video(project: Project, shard: str) -> str:
    table = read_manifest(project / f"{DATASET}/manifest.csv")
    chosen = table[(table["split1"] == "train") & (table["shard"] == int(shard))]
    return chosen["id"].iloc[0]


def test_damage_in_frames_flow_and_clips_is_found_named_and_made_anew(
    project: Project, finished: Project
):
    """One after the other, each in the same plain run, to the undisturbed run's results."""
    frames, flow, clips = (
        project / f"{DATASET}/{name}"
        for name in (f"frames/{SHARDS[0]}.h5", f"flow/{SHARDS[1]}.h5", "clips.h5")
    )
    of_frames, of_flow = (training_video(project, shard) for shard in SHARDS)
    damage(frames, image(frames, "rgb", of_frames))
    damage(flow, image(flow, "flow", of_flow))
    of_frames_flow = project / f"{DATASET}/flow/{SHARDS[0]}.h5"
    for path in (of_frames_flow, clips, project / f"{RUN}/rgb/model.pt", project / SCORES):
        path.unlink()  # so that what is damaged is used

    outcome = project.snakemake(SCORES)
    assert outcome.code != 0
    assert f"frames/{SHARDS[0]}.h5: the rgb bytes of {of_frames} are damaged" in outcome.text
    assert f"frames/{SHARDS[0]}.h5.damaged; run again" in outcome.text
    assert not frames.exists()
    assert frames.with_name(f"{frames.name}.damaged").exists()  # nothing is lost

    outcome = project.snakemake(SCORES)
    assert outcome.code != 0
    assert ("frames", SHARDS[0]) in outcome.jobs
    assert f"flow/{SHARDS[1]}.h5: the flow bytes of {of_flow} are damaged" in outcome.text
    assert not flow.exists()

    project.finish(f"{DATASET}/clips.h5")
    damage(clips, image(clips, "rgb", of_frames))
    outcome = project.snakemake(SCORES)
    assert outcome.code != 0
    assert f"clips.h5: the rgb bytes of {of_frames} are damaged" in outcome.text
    assert not clips.exists()
    assert "epoch=" not in (project / f"{LOGS}/split1/4f/seed0/rgb/train.log").read_text()

    project.finish(SCORES)
    assert shard_digests(project) == shard_digests(finished)
    assert scores(project / SCORES) == scores(finished / SCORES)
    assert leftovers(project) == []
    assert project.finish(SCORES).nothing_to_do


def test_damaged_scores_are_named_and_made_anew(project: Project, finished: Project):
    fused = f"{RUN}/fusion/ds+rgb.average.json"
    damaged = project / SCORES
    os.truncate(damaged, damaged.stat().st_size // 2)
    (project / fused).unlink()  # so that what is damaged is used
    outcome = project.snakemake(fused)
    assert outcome.code != 0
    assert "rgb/scores.h5 is damaged" in outcome.text
    assert "rgb/scores.h5.damaged; run again" in outcome.text
    assert not damaged.exists()
    project.finish(fused)
    assert scores(damaged) == scores(finished / SCORES)
    assert leftovers(project) == []


FIGURE = "results/figures/motions-split1-4f-{}.png"
DRAWN = {
    f"{RUN}/fusion/ds+flow.attention.json": FIGURE.format("attention"),
    f"{RUN}/maps.npz": FIGURE.format("features"),
    "results/tables/study.csv": "results/figures/study.png",
}


@pytest.mark.parametrize("made", [DRAWN, {f"{DATASET}/manifest.csv": f"{DATASET}/clips.h5"}])
def test_files_with_seals_are_named_put_aside_and_made_anew(
    project: Project, finished: Project, made: dict[str, str]
):
    """One bit of each is damaged, and what is made from it is gone."""
    for damaged, wanted in made.items():
        damage(project / damaged, (project / damaged).stat().st_size // 2)
        (project / wanted).unlink()
    outcome = project.snakemake("--keep-going", *made.values())
    assert outcome.code != 0
    assert "Traceback" not in outcome.text
    for damaged in made:
        assert f"{damaged} is damaged or was edited" in outcome.text
        assert f"it was moved to {damaged}.damaged; run again" in outcome.text
        assert not (project / damaged).exists()
        (project / f"{damaged}.damaged").unlink()
    project.finish(*made.values())
    assert_same_results(project, finished, *made.values())
    assert leftovers(project) == []


@pytest.mark.parametrize(("verb", "modality"), [("train", "flow"), ("evaluate", "rgb")])
def test_clips_are_checked_in_what_a_stream_sees(
    project: Project, monkeypatch, caplog, verb: str, modality: str
):
    """The flow of a video is damaged: the students, which learn from it, stop; scores need not."""
    stage = one(stages(project), verb, "seed0/ds")
    clips = project / f"{DATASET}/clips.h5"
    damage(clips, image(clips, "flow", training_video(project, SHARDS[0])))
    monkeypatch.chdir(project.folder)
    for path in stage.outputs:
        path.unlink()
    assert main(stage.arguments) == (1 if modality == "flow" else 0)
    assert ("the flow bytes of" in caplog.text) == (modality == "flow")


def test_what_was_rebuilt_alone_makes_nothing_else_run(project: Project):
    """Its content is as before, which is what counts."""
    (project / f"{DATASET}/clips.h5").unlink()
    project.finish(f"{DATASET}/clips.h5")
    assert project.plan().nothing_to_do


def test_whichever_byte_is_damaged_it_is_noticed_or_of_no_account(tmp_path: Path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb", "flow"], {"a": 1}, "b") as writer:
        for id in ("x", "y"):
            writer.add(id, {"rgb": [id.encode() * 30] * 2, "flow": [id.encode() * 20] * 4})
        writer.close(["y", "x"], {"c": "d"})

    def content() -> list[object]:
        reader = Reader(path)
        reader.verify(reader.videos, reader.modalities)
        images = [reader.items(id, m) for id in reader.videos for m in reader.modalities]
        return [reader.digest, reader.spec, reader.source, reader.extra, reader.provenance, images]

    whole, right = path.read_bytes(), content()
    noticed = 0
    for place in random.Random(0).sample(range(len(whole)), 250):
        path.write_bytes(whole)
        damage(path, place)
        try:
            assert content() == right, f"the damage at byte {place} goes unnoticed"
        except StoreError:
            noticed += 1
    assert noticed > 20


@pytest.mark.parametrize("table", ["rgb/offsets", "videos/rgb/crc32", "videos/flow/start"])
def test_a_damaged_table_is_noticed_on_opening(finished: Project, tmp_path: Path, table: str):
    path = tmp_path / "clips.h5"
    path.write_bytes((finished / f"{DATASET}/clips.h5").read_bytes())
    with h5py.File(path) as file:
        place = file[table].id.get_offset()
    damage(path, place + 8)
    with pytest.raises(DamagedError, match=r"clips\.h5 is damaged .*tables") as caught:
        Reader(path)
    assert caught.value.path == path


def test_a_file_of_another_kind_is_left_where_it_is(project: Project, monkeypatch, caplog):
    """Not every file that is no clips.h5, or no scores.h5, is a damaged one."""
    monkeypatch.chdir(project.folder)
    for wrong in (f"{RUN}/ds/model.pt", SCORES):
        assert main(["contact", "--clips", wrong, "--output", "a.png", "a.svg"]) == 1
        assert (project / wrong).exists()
        assert f"{wrong}" in caplog.text
    clips = f"{DATASET}/clips.h5"
    spec = {
        "streams": ["ds", "rgb"],
        "fusions": [{"streams": ["ds", "rgb"], "kind": "average"}],
        "kinds": {"average": {"spec": {}, "code": ""}},
    }
    options = ["--spec", json.dumps(spec), "--output", "a.json"]
    assert main(["fuse", *options, "--scores", clips, clips]) == 1
    assert (project / clips).exists()
    assert f"{clips} is not a dsnet-scores file" in caplog.text


def test_a_training_falls_back_to_the_checkpoint_before_a_truncated_one(
    project: Project, finished: Project, monkeypatch
):
    stage = one(stages(project), "train", "seed0/ds")
    for path in stage.outputs:
        (project / str(path)).unlink()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(Results, "write", interrupted)
    assert main(stage.arguments) == INTERRUPTED
    last = project / f"{RUN}/ds/.checkpoint.pt"
    os.truncate(last, last.stat().st_size * 2 // 3)
    project.finish(f"{RUN}/ds/model.pt")
    said = (project / str(stage.log)).read_text()
    assert "is damaged" in said
    assert "falling back to the previous checkpoint" in said
    assert "going on after epoch 1 of" in said
    own, others = state_dict(project, "ds"), state_dict(finished, "ds")
    assert all(torch.equal(own[name], others[name]) for name in others)
    assert leftovers(project) == []
