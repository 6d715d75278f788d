"""Scores of a trained stream, and of a network whose scores can be worked out by hand."""

import math

import cv2
import numpy as np
import pytest
import torch
from specs import make_spec

from dsnet import clips, evaluation, models
from dsnet.scores import Part, ScoreError, metrics, read_scores
from dsnet.store import Writer


def test_a_flow_stream_learns_what_only_motion_tells(teacher, clips_path, tmp_path):
    scores = evaluation.evaluate(teacher, clips_path, tmp_path / "scores.h5")
    assert metrics(scores.parts["test"])["video_top1"] == 100
    assert {name: len(part.ids) for name, part in scores.parts.items()} == {
        "train": 12, "validation": 6, "test": 12,
    }  # fmt: skip
    again = read_scores(tmp_path / "scores.h5")
    assert again.run == {**make_spec().run.values(), "n_missing": 0, "n_listed": 0}
    assert again.classes == ("right", "down")
    assert set(again.parts["train"].ids).isdisjoint(again.parts["test"].ids)
    table = clips.table(clips.open_clips(clips_path)).set_index("id")
    for part in again.parts.values():
        assert list(part.groups) == table.loc[list(part.ids), "group"].tolist()
    assert (again.parts["test"].counts == 2).all()  # eight flow fields, clips of four


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (5, "d: video top-1 50.00, clip top-1 50.00 (2 videos)"),
        (6, "d: video top-1 50.00, video top-5 100.00, clip top-1 50.00, clip top-5 100.00 (2 v"),
    ],
)
def test_top_5_of_five_classes_is_not_told(caplog, classes, told):
    """The right class is always among them."""
    labels = np.array([0, classes - 1])
    logits = np.arange(2 * classes, dtype=float).reshape(2, classes)
    logits[0, 0] = 3.5  # the second or third
    part = Part(("a", "b"), labels, logits, np.array([1, 1]), ("a", "b"))
    with caplog.at_level("INFO"):
        evaluation._tell("d", part)
    assert told in caplog.text


def test_a_network_that_puts_out_nan_is_not_scored(teacher, clips_path, tmp_path):
    content = models.read(teacher)
    content["state_dict"]["fc.bias"][0] = math.nan
    models.save(tmp_path / "model.pt", content)
    with pytest.raises(ScoreError, match=r"model\.pt: the network puts out NaN"):
        evaluation.evaluate(tmp_path / "model.pt", clips_path, tmp_path / "scores.h5")
    assert not (tmp_path / "scores.h5").exists()


class Mean(models.Backbone):
    """Logits: the mean of a clip, which is the mean of its frames' numbers, and ten."""

    def forward(self, x):
        return torch.stack([x.mean(dim=(1, 2, 3, 4)), torch.full((len(x),), 10.0)], dim=1)


def numbered(path, lengths):
    """Clips of test videos of one class, whose frame t is t everywhere, and of one to train on."""
    table = {"id": [], "label": [], "group": [], "split1": []}
    with Writer(path, ["rgb"], {}) as writer:
        for role, frames in [("train", 1), *(("test", length) for length in lengths)]:
            images = [np.full((16, 16, 3), t, np.uint8) for t in range(frames)]
            id = f"{role}/{frames}"
            writer.add(id, {"rgb": [cv2.imencode(".png", x)[1].tobytes() for x in images]})
            for key, value in zip(table, (id, 0, id, role), strict=True):
                table[key].append(value)
        extra = {"classes": ["moving", "still"], "n_missing": 0, "n_listed": 0, "videos": table}
        writer.close(table["id"], extra)
    return path


# Frames of a video to the numbers of its clips and the mean of their means: a sixteenth of
# 3 x (0 + .. + 4) + 0; of (0 + .. + 14) + 0; 7.5 = mean(0..15) and 23.5 = mean(16..31).
OF_16 = {
    5: (1, 1.875),
    15: (1, 6.5625),
    16: (1, 7.5),
    17: (1, 7.5),
    31: (1, 7.5),
    32: (2, 15.5),
    33: (2, 15.5),
}
# 12 x (0 + .. + 4) + 0 + 1 + 2 + 3 in 64; (0 + .. + 62) + 0 in 64; 31.5 and 95.5.
OF_64 = {
    5: (1, 1.96875),
    63: (1, 30.515625),
    64: (1, 31.5),
    65: (1, 31.5),
    127: (1, 31.5),
    128: (2, 63.5),
    130: (2, 63.5),
}


@pytest.mark.parametrize(("length", "expected"), [(16, OF_16), (64, OF_64)])
def test_a_videos_score_worked_out_by_hand(tmp_path, monkeypatch, length, expected):
    run = {"clip_length": length, "protocol": "paper"}
    spec = make_spec("rgb", run=run, clips={"rgb_mean": [0, 0, 0]})
    content = {"spec": spec, "input": "rgb", "classes": ["moving", "still"]}
    monkeypatch.setattr(evaluation.models, "load_trained", lambda path: (Mean(), content))
    path = numbered(tmp_path / "clips.h5", expected)
    evaluation.evaluate("model.pt", path, tmp_path / "scores.h5")
    found = read_scores(tmp_path / "scores.h5").parts["test"]
    assert dict(zip(found.ids, found.counts, strict=True)) == {
        f"test/{frames}": clips for frames, (clips, _) in expected.items()
    }
    assert found.videos.tolist() == [[score, 10] for _, score in expected.values()]
    if length == 16:
        # Of seven videos those of 32 and 33 frames are above ten; of nine clips their second ones.
        assert metrics(found)["video_top1"] == pytest.approx(100 * 2 / 7)
        assert metrics(found)["clip_top1"] == pytest.approx(100 * 2 / 9)
