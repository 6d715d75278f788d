"""Windows, segments and their files, against what can be counted by hand."""

import io
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsnet import video
from dsnet.predict.outputs import write_csv, write_srt
from dsnet.predict.prediction import Prediction
from dsnet.predict.segments import Segment, segments
from dsnet.predict.windows import windows

CLASSES = ("jump", "=walk", "to  wave\n")


def prediction(times, shares, name="a.mp4"):
    logits = np.log(shares).astype(np.float32)
    return Prediction(name, CLASSES, np.array(times), logits, logits.mean(axis=0), {}, "cpu")


@given(
    frames=st.integers(0, 40),
    span=st.integers(1, 9),
    more=st.integers(0, 4),
    stride=st.integers(1, 12),
)
def test_windows_are_the_slices_that_are_full(frames, span, more, stride):
    found = list(windows(iter(range(frames)), span, more, stride))
    starts = [0] if 0 < frames < span else range(0, frames - span + 1, stride)
    expected = [(start, list(range(frames))[start : start + span + more]) for start in starts]
    assert found == (expected if frames else [])


def test_where_windows_overlap_their_probabilities_are_averaged():
    # 0-3 s: the first alone; 3-4 s: both; 4-6 s: the second alone.
    times = np.array([[0.0, 4.0], [3.0, 6.0]])
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    assert [tuple(found) for found in segments(times, shares, CLASSES)] == [
        (0, 4, "jump", pytest.approx((3 * 0.7 + 1 * 0.4) / 4)),
        (4, 6, "=walk", pytest.approx(0.5)),
    ]
    assert [(found.end, found.name) for found in segments(times, shares, CLASSES, 0.45)] == [
        (3, "jump"),
        (4, "none"),
        (6, "=walk"),
    ]


def test_a_time_that_no_window_covers_is_in_no_segment():
    times = np.array([[0.0, 1.0], [3.0, 4.0]])
    found = segments(times, np.array([[0.9, 0.1, 0], [0.9, 0.1, 0]]), CLASSES)
    assert [(one.start, one.end) for one in found] == [(0, 1), (3, 4)]


@given(
    shares=st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=9),
    span=st.integers(1, 9),
    stride=st.integers(1, 12),
)
def test_segments_are_those_of_every_frame_taken_alone(shares, span, stride):
    chances = np.array(shares) / np.sum(shares, axis=1, keepdims=True)
    starts = stride * np.arange(len(shares))
    times = np.stack([starts, starts + span], axis=1) / 25
    found = segments(times, chances, CLASSES, 0.4)
    for frame in range(starts[-1] + span):
        covering = (starts <= frame) & (frame < starts + span)
        own = [one for one in found if one.start <= (frame + 0.5) / 25 <= one.end]
        assert len(own) == covering.any()
        if own:
            mean = chances[covering].mean(axis=0)
            assert own[0].label == (CLASSES[mean.argmax()] if mean.max() >= 0.4 else None)


def test_the_table_is_safe_to_open_and_has_every_segment(tmp_path):
    path = tmp_path / "out.csv"
    named = prediction([[0, 1.28], [1.28, 2.56]], [[0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], "ä\udce9.mp4")
    write_csv(path, [named, prediction([[0, 1]], [[0.6, 0.3, 0.1]])], 0.5)
    assert "'=walk" in path.read_text(encoding="utf-8")
    table = pd.read_csv(io.StringIO(path.read_text(encoding="utf-8")))
    assert list(table.columns) == ["video", "start", "end", "class", "confidence"]
    assert table["video"].tolist() == ["ä\\xe9.mp4", "ä\\xe9.mp4", "a.mp4"]
    assert table["class"].tolist() == ["'=walk", "none", "jump"]
    assert table["end"].tolist() == [1.28, 2.56, 1]
    assert table["confidence"].tolist() == pytest.approx([0.8, 0.4, 0.6])
    assert list(tmp_path.iterdir()) == [path]  # a seal is for what a stage reads again


def test_subtitles_are_read_by_a_player(tmp_path):
    path = tmp_path / "out.srt"
    write_srt(
        path,
        [
            Segment(0.0, 1.28, "wäve -->\n x", 0.876),
            Segment(1.28, 3599.9996, None, 0.2),
            Segment(3599.9996, 36610.04, "walk", 1.0),
        ],
    )
    done = subprocess.run(
        [video.ffmpeg_executable(), "-v", "error", "-i", path, "-f", "srt", "-"],
        capture_output=True,
        check=True,
    )
    lines = done.stdout.decode().replace("\r", "").split("\n")
    assert [line for line in lines if re.match(r"\d\d:", line)] == [
        "00:00:00,000 --> 00:00:01,280",
        "00:00:01,280 --> 01:00:00,000",
        "01:00:00,000 --> 10:10:10,040",
    ]
    assert [line for line in lines if "%" in line] == [
        "wäve --> x, 88 %",
        "walk, 100 %",
    ]
    assert "none" in lines  # without the share, which is of another class
