"""Video scores and accuracies, by hand."""

import json

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import make_spec

from dsnet import scores
from dsnet.errors import RemakeError
from dsnet.scores import Part, ScoreError, Scores


def part(clips, counts, labels, ids=None):
    ids = tuple(ids or (f"v{i}" for i in range(len(counts))))
    groups = tuple(f"group of {id}" for id in ids)
    return Part(ids, np.array(labels), np.array(clips, np.float32), np.array(counts), groups)


def test_a_video_score_is_the_mean_of_its_clips_logits():
    found = part([[1, 0], [3, 2], [0, 5], [10, 0], [0, 2], [2, 4]], [2, 1, 3], [0, 1, 0])
    np.testing.assert_allclose(found.videos, [[2, 1], [0, 5], [4, 2]])


def test_metrics_by_hand():
    found = scores.metrics(part([[1, 0], [0, 3], [0, 5], [10, 0]], [2, 1, 1], [0, 1, 1]))
    # Videos: (0.5, 1.5) is wrong, (0, 5) right, (10, 0) wrong; clips: right, wrong, right, wrong.
    assert found["video_top1"] == pytest.approx(100 / 3)
    assert found["clip_top1"] == pytest.approx(50)
    assert found["per_class"] == [0, 50]
    assert (found["n_videos"], found["n_clips"]) == (3, 4)


def test_top5_of_ten_classes_and_ties_count_against_the_label():
    logits = np.arange(10.0)[None].repeat(10, axis=0)
    right = scores.topk(logits, np.arange(10), 5)
    assert right.tolist() == [False] * 5 + [True] * 5
    assert not scores.topk(np.zeros((4, 3)), np.array([0, 1, 2, 0]), 1).any()


def test_nan_scores_are_never_right():
    logits = np.full((3, 8), np.nan)
    assert scores.accuracies(logits, np.array([0, 1, 2])) == {"top1": 0, "top5": 0}


def test_top5_is_always_right_with_five_classes():
    logits = np.random.default_rng(0).standard_normal((20, 5))
    assert scores.accuracies(logits, np.arange(20) % 5)["top5"] == 100


def test_a_class_without_videos_has_no_accuracy():
    assert scores.per_class(np.eye(3), np.array([0, 0, 2])) == [50, None, 100]


def test_confusion_has_true_classes_in_its_rows():
    logits = np.eye(3)[[0, 1, 1, 2]]
    found = scores.confusion(logits, np.array([0, 0, 1, 0]))
    np.testing.assert_array_equal(found, [[1, 1, 1], [0, 1, 0], [0, 0, 0]])


@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 999))
def test_accuracies_are_those_of_the_confusion(classes, videos, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((videos, classes)), rng.integers(0, classes, videos)
    matrix = scores.confusion(logits, labels)
    assert matrix.sum() == videos
    top1 = scores.accuracies(logits, labels)["top1"]
    assert top1 == pytest.approx(100 * np.trace(matrix) / videos)


def test_scores_are_read_as_they_were_written(tmp_path):
    written = Scores(
        {"dataset": "d", "seed": 0},
        ("a", "b"),
        {
            "test": part([[1, 2], [3, 4]], [1, 1], [0, 1], ["x/ü", "y"]),
            "train": part([[0, 1]], [1], [1]),
        },
        make_spec(),
    )
    scores.write_scores(tmp_path / "s.h5", written)
    found = scores.read_scores(tmp_path / "s.h5")
    assert (found.run, found.classes, found.spec) == (written.run, written.classes, written.spec)
    for name, expected in written.parts.items():
        assert found.parts[name].ids == expected.ids
        assert found.parts[name].groups == expected.groups
        for column in ("labels", "clips", "counts"):
            np.testing.assert_array_equal(
                getattr(found.parts[name], column), getattr(expected, column)
            )


def test_the_file_has_the_metrics_of_every_part(tmp_path):
    written = Scores({}, ("a", "b"), {"test": part([[1, 2], [3, 4]], [1, 1], [0, 1])})
    scores.write_scores(tmp_path / "s.h5", written)
    with h5py.File(tmp_path / "s.h5") as file:
        found = json.loads(file.attrs["metrics"])
    assert found == {"test": scores.metrics(written.parts["test"])}
    assert found["test"]["per_class"] == [0, 100]


def test_another_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.attrs["format"] = "something"
    with pytest.raises(ScoreError, match=r"s\.h5 is not a dsnet-scores file"):
        scores.read_scores(tmp_path / "s.h5")
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        scores.read_scores(tmp_path / "none.h5")


@pytest.mark.parametrize("kept", [0, 0.01, 0.5, 0.99, "all but the classes"])
def test_a_damaged_file_is_named_and_can_be_made_again(tmp_path, kept):
    path = tmp_path / "s.h5"
    written = Scores({}, ("a", "b"), {"test": part([[1, 2], [3, 4]], [1, 1], [0, 1])})
    scores.write_scores(path, written)
    if isinstance(kept, str):
        with h5py.File(path, "r+") as file:
            del file.attrs["classes"]
    else:
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(RemakeError, match=r"s\.h5 is damaged or not a dsnet-scores file") as caught:
        scores.read_scores(path)
    assert caught.value.path == path


def test_streams_of_other_videos_are_not_aligned():
    a = Scores({}, ("a",), {"test": part([[1], [1]], [1, 1], [0, 0], ["x", "y"])})
    b = Scores({}, ("a",), {"test": part([[1], [1]], [1, 1], [0, 0], ["y", "x"])})
    assert scores.aligned([a, a], "test")[1].ids == ("x", "y")
    with pytest.raises(ScoreError, match="different test videos"):
        scores.aligned([a, b], "test")
