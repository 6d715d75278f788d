"""The contact sheet: frames over their flow, in the colours of its direction and speed."""

import numpy as np
import pytest

from dsnet import figures
from dsnet.figures.colours import flow_colours
from dsnet.spacing import evenly, middles


def test_contact_sheet_shows_frames_over_their_flow(clips):
    figure = figures.contact_sheet(clips, ["long", "short"], [1, 0], ("go_down", "go_right"), 4)
    first, second, wheel = figure.axes
    assert [t.get_text() for t in first.get_xticklabels()] == [f"frame {i}" for i in (0, 2, 5, 7)]
    assert [t.get_text() for t in second.get_xticklabels()] == ["frame 0"]
    assert [axes.texts[0].get_text() for axes in (first, second)] == ["go right", "go down"]
    picture = first.images[0].get_array()
    assert picture.shape[1] == 4 * 48 + 3  # a gap of one pixel
    third = 2 * 49 + 24  # centre of the third frame, number 5 of 0..8
    np.testing.assert_allclose(picture[16, third], [255, 150, 20], atol=4)
    np.testing.assert_allclose(picture[33 + 16, third], [255, 0, 0], atol=8)
    np.testing.assert_allclose(second.images[0].get_array()[33 + 16, 16], [128, 255, 0], atol=8)
    assert wheel.get_xlabel().startswith("rim: 4.")
    # The right of the wheel has the colour of motion to the right, the bottom of that downwards.
    disc = wheel.images[0].get_array()
    np.testing.assert_array_equal(disc[100, 200], [255, 0, 0])
    np.testing.assert_array_equal(disc[200, 100], [128, 255, 0])


def test_contact_sheet_of_flow_alone_shows_no_frame(clips):
    both = figures.contact_sheet(clips, ["long"], [1], ("go_down", "go_right"), 4)
    flow = figures.contact_sheet(clips, ["long"], [1], ("go_down", "go_right"), 4, frames=False)
    below = both.axes[0].images[0].get_array()[33:]
    np.testing.assert_array_equal(flow.axes[0].images[0].get_array(), below)
    assert flow.get_figheight() < both.get_figheight()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, [0, 1, 2]),
        (10, list(range(10))),
        (11, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]),
        (19, list(range(0, 19, 2))),
        (101, [0, 11, 22, 33, 44, 56, 67, 78, 89, 100]),
    ],
)
def test_the_ten_classes_of_the_contact_sheet_are_spread_over_all(count, expected):
    assert evenly(count, 10) == expected


def test_middles_stand_for_equal_shares():
    assert middles(6, 3) == [1, 3, 5]
    assert middles(16, 3) == [2, 8, 13]
    assert middles(7, 7) == list(range(7))


def test_contact_sheet_refuses_what_it_cannot_show(clips):
    with pytest.raises(ValueError, match="empty has no frames"):
        figures.contact_sheet(clips, ["empty"], [0], ("a",))
    with pytest.raises(ValueError, match="at least one video"):
        figures.contact_sheet(clips, [], [], ("a",))


def test_flow_colours():
    flow = np.array([[0, 0], [2, 0], [4, 0], [40, 0], [-4, 0], [0, 4]], np.float32)
    assert flow_colours(flow, 4).tolist() == [
        *([255, 255, 255], [255, 128, 128], [255, 0, 0], [255, 0, 0], [0, 255, 255]),
        [128, 255, 0],
    ]
