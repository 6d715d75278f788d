"""Clips of every second frame, through the whole workflow and in prediction."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from project import FLOW, RUN, Project
from test_predict import SIZE, film
from test_sources import lossless, moving

import dsnet
from dsnet import clips, images, shards
from dsnet.cli import main
from dsnet.models import CheckpointError, load_trained
from dsnet.scores import read_scores
from dsnet.store import Reader
from dsnet.video import Live

LENGTH, STRIDE = 4, 2
SPAN = 7
TARGETS = (
    f"{RUN}/fusion/ds+flow.average.json",
    "results/figures/motions-split1-4f-classes.html",
    "results/figures/motions-contact.png",
    "results/tables/latency.csv",
)


@pytest.fixture(scope="module")
def strided(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished run after a change of the stride, as far as tests need it."""
    project = finished.copy_to(tmp_path_factory.mktemp("stride") / "project")
    project.configure(clips={"stride": STRIDE})
    jobs = project.finish(*TARGETS).jobs
    assert jobs >= FLOW | {("pack", ""), ("train", "ds"), ("classes", ""), ("latency", "")}
    assert not {rule for rule, _ in jobs} & {"videos", "manifest", "frames"}
    return project


def test_flow_is_over_the_stride_and_frames_are_as_before(strided, finished):
    new, old = (Reader(p / "results/motions/clips.h5") for p in (strided, finished))
    assert new.spec["rgb"] == old.spec["rgb"]
    assert new.spec["flow"] == {**old.spec["flow"], "stride": STRIDE}
    for id, video in new.videos.items():
        assert (video.frames("rgb"), video.frames("flow")) == (9, 9 - STRIDE)
        assert list(new.items(id, "rgb")) == list(old.items(id, "rgb"))


@pytest.mark.parametrize("stream", ["ds", "flow"])
def test_a_stream_says_what_its_evaluation_said(strided, stream):
    table = pd.read_csv(strided / "results/motions/manifest.csv").set_index("id")
    part = read_scores(strided / RUN / stream / "scores.h5").parts["test"]
    assert part.counts.tolist() == [1] * len(part.ids)  # a span of 7 in 9 frames, or 7 fields
    model = dsnet.load_model(strided / RUN / stream / "model.pt")
    for id, logits in zip(part.ids, part.videos, strict=True):
        found = model.predict(strided / table.path[id])
        np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)


def logits_of(stream, items, places):
    """Scores of the clips of frames, or of planes, at these places."""
    per, batch = images.ITEMS_PER_FRAME[stream.input], []
    for positions in places:
        loaded = [
            images.decode(np.frombuffer(items[per * i + plane], np.uint8), per == 2)
            for i in positions
            for plane in range(per)
        ]
        batch.append(clips.to_square(loaded, stream.input, None, stream.settings.crop))
    return stream.logits(torch.stack(batch))


@pytest.mark.parametrize("frames", [3, 6, 7, 8, 9, 13, 14, 15, 16, 23])
def test_clips_of_any_video_are_those_of_the_evaluation(strided, tmp_path, frames):
    model = dsnet.load_model(strided / RUN / "ds/model.pt", flow=True)
    path = film(tmp_path / "film.mp4", frames)
    data = model.streams[1].data
    stored = list(shards.encoded_frames(path, data.rgb))
    planes = list(shards.encoded_planes([stored], model.method, data.flow))
    assert (len(stored), len(planes)) == (frames, 2 * (frames - STRIDE))
    means = []
    for stream, items, per in zip(model.streams, (stored, planes), (1, 2), strict=True):
        places = clips.scoring_positions(len(items) // per, LENGTH, stride=STRIDE)
        means.append(logits_of(stream, items, places).mean(axis=0))
    found = model.predict(path)
    np.testing.assert_allclose(found.logits, sum(means) / 2, rtol=1e-4, atol=1e-5)
    ends = [min(SPAN * (n + 1), frames) for n in range(max(frames // SPAN, 1))]
    assert found.times[:, 1].tolist() == [end / 25 for end in ends]
    assert found.times[:, 0].tolist() == [0, *(end / 25 for end in ends[:-1])]


@pytest.mark.parametrize("step", [1, 3, 7, 9])
def test_overlapping_clips_have_the_scores_of_their_own_frames(strided, step):
    model = dsnet.load_model(strided / RUN / "ds/model.pt", flow=True)
    (rgb, flow), frames = model.streams, moving(23, SIZE, SIZE)
    found = model.predict(frames, stride=step / 25)
    stored = [images.encode(frame, rgb.data.rgb.quality) for frame in frames]
    planes = list(shards.encoded_planes([stored], model.method, flow.data.flow))
    starts = np.arange(0, 23 - SPAN + 1, step)
    places = [range(start, start + SPAN, STRIDE) for start in starts]
    expected = logits_of(rgb, stored, places)
    both = int((starts + SPAN <= 23 - STRIDE).sum())  # the last clips may lack flow
    expected[:both] = (expected[:both] + logits_of(flow, planes, places[:both])) / 2
    np.testing.assert_allclose(found.clips, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.times, np.stack([starts, starts + SPAN], axis=1) / 25)


def test_clips_of_a_live_source_are_those_of_a_file(strided, tmp_path):
    model = dsnet.load_model(strided / RUN / "ds/model.pt", flow=True)
    path = lossless(tmp_path / "camera.avi", moving(40, SIZE, SIZE), 25)
    expected = model.predict(path, stride=1 / 25)
    found = list(model.watch(Live("camera", str(path), {"re": None}), stride=0.12))
    assert len(found) > 1
    for seen in found:
        assert seen.end - seen.start == pytest.approx(SPAN / 25)
        own = expected.clips[round(25 * seen.start)]
        np.testing.assert_allclose(seen.logits, own, rtol=1e-4, atol=1e-5)


def test_a_video_without_a_pair_is_refused_only_where_flow_is_needed(strided, tmp_path, caplog):
    short, model = film(tmp_path / "short.mp4", STRIDE), str(strided / RUN / "ds/model.pt")
    assert main(["predict", str(short), "--model", model]) == 0
    assert main(["predict", str(short), "--model", model, "--with-flow"]) == 1
    assert f"{short}: flow needs 3 frames, and it has 2" in caplog.text


def test_a_network_refuses_flow_over_another_number_of_frames(strided, finished):
    model, other = strided / RUN / "flow/model.pt", Reader(finished / "results/motions/clips.h5")
    with pytest.raises(CheckpointError, match=r"by tvl1 over 2 frames, .* by tvl1;"):
        load_trained(model, other.spec)
    load_trained(model, Reader(strided / "results/motions/clips.h5").spec)


def test_pages_and_exports_say_the_stride(strided, tmp_path):
    page = (strided / "results/figures/motions-split1-4f-classes.html").read_text()
    assert "px per 2 frames." in page
    output = tmp_path / "ds.pt2"
    assert main(["export", str(strided / RUN / "ds/model.pt"), str(output), "--pt2"]) == 0
    files = {"dsnet": ""}
    torch.export.load(output, extra_files=files)
    about = json.loads(files["dsnet"])
    assert (about["clip_length"], about["stride"]) == (LENGTH, STRIDE)
