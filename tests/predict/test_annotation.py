"""What the annotated video shows, measured in its pictures."""

import numpy as np
import pytest

from dsnet import video
from dsnet.predict.annotation import BAR, annotate
from dsnet.predict.prediction import Prediction

CLASSES = ("jump", "run", "walk", "wave")
SHARES = np.array([[0.1, 0.2, 0.45, 0.25], [0.6, 0.04, 0.3, 0.06]])


def shown(folder, classes=CLASSES, shares=SHARES, size=(360, 640), panel="over"):
    """The pictures of eight grey frames of (height, width), four of each of two clips."""
    video.encode(folder / "a.mp4", [np.full((*size, 3), 90, np.uint8)] * 8)
    logits = np.log(shares).astype(np.float32)
    times = np.array([[0.0, 0.16], [0.16, 0.32]])
    said = Prediction("a", classes, times, logits, logits.mean(axis=0), {}, "cpu")
    annotate(folder / "a.mp4", folder / "out.mp4", said, 25, panel)
    return np.stack(list(video.decode(folder / "out.mp4", resize=None))).astype(int)


def bars(picture):
    """The widths of the bars from top to bottom, as shares of where the widest may end."""
    of_bar = (np.abs(picture - BAR).max(axis=2) < 40).sum(axis=1)
    tops = np.flatnonzero(np.diff(np.where(of_bar > 3, 1, 0), prepend=0) == 1)
    height, width, _ = picture.shape
    return [of_bar[top + 2] / (width - width // 2 - 4 * (height // 16)) for top in tops]


def test_the_bars_are_the_three_likeliest_of_the_clip_that_is_shown(tmp_path):
    pictures = shown(tmp_path)
    assert bars(pictures[1]) == pytest.approx([0.45, 0.25, 0.2], abs=0.02)
    assert bars(pictures[5]) == pytest.approx([0.6, 0.3, 0.06], abs=0.02)


def test_names_stand_beside_their_bars(tmp_path):
    """The order of the classes changes nothing; another name beside a bar does."""
    plain = shown(tmp_path)
    turned = shown(tmp_path, CLASSES[::-1], SHARES[:, ::-1])
    np.testing.assert_array_equal(turned[0], plain[0])
    wrong = shown(tmp_path, ("jump", "run", "wave", "walk"))
    differs = np.abs(wrong[0] - plain[0]).max(axis=2) > 60
    rows, columns = np.nonzero(differs)
    assert differs.any()
    assert rows.min() > 240
    assert columns.max() < 320
    # The likeliest class so far has another share once the second clip counts too.
    below = slice(240 + 22 * 3 + 5, 360)
    assert np.abs(plain[0, below] - plain[7, below]).max() > 60


@pytest.mark.parametrize(("panel", "expected"), [("below", (470, 640)), ("beside", (360, 1280))])
def test_a_panel_outside_hides_nothing(tmp_path, panel, expected):
    pictures = shown(tmp_path, panel=panel)
    assert pictures.shape == (8, *expected, 3)
    assert np.abs(pictures[:, :360, :640] - 90).max() < 12
    lines = np.abs(pictures[0] - BAR).max(axis=2) < 40
    widest = np.sort(lines.sum(axis=1))[::-1][3]
    assert widest == pytest.approx(0.45 * (640 - 320 - 4 * 22), abs=4)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2340, 1080), (2340, 1080)),  # a phone's
        ((160, 90), (480, 270)),
        ((640, 8), (640, 8)),
        ((8, 640), (24, 1920)),
        ((100, 3000), (100, 3000)),
    ],
)
def test_narrow_and_flat_videos_have_what_fits(tmp_path, size, expected):
    pictures = shown(tmp_path, size=size)
    assert pictures.shape == (8, *expected, 3)
    assert pictures[0, -2:].mean() < 60  # the panel's lower edge, or what there is of it
    assert (pictures[0, 0].mean() > 80) == (expected[0] > 60)
