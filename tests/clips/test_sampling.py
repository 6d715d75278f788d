"""Which frames of a video a clip shows, and which square of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet import clips
from dsnet.clips import Crop

ROOT = Path(__file__).parents[2]


def test_scoring_positions_by_hand():
    def listed(frames, length):
        return [p.tolist() for p in clips.scoring_positions(frames, length)]

    assert listed(8, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert listed(11, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]  # the tail is dropped
    assert listed(3, 7) == [[0, 1, 2, 0, 1, 2, 0]]  # a short video is looped
    assert listed(1, 2) == [[0, 0]]


def test_a_few_test_clips_are_spread_over_the_video():
    def starts(frames, most):
        return [int(p[0]) for p in clips.scoring_positions(frames, 4, most)]

    assert starts(20, 1) == [8]
    assert starts(16, 1) == [8]
    assert starts(24, 2) == [4, 16]
    assert starts(40, 3) == [4, 20, 32]
    assert starts(11, 3) == [0, 4]  # there are only two
    assert starts(3, 1) == [0]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 30))
def test_a_few_test_clips_are_some_of_all(frames, length, most):
    every = [p.tolist() for p in clips.scoring_positions(frames, length)]
    some = [p.tolist() for p in clips.scoring_positions(frames, length, most)]
    assert len(some) == min(most, len(every))
    assert some == [positions for positions in every if positions in some]
    # As many are left out before the first as after the last, but for one.
    before, after = every.index(some[0]), len(every) - 1 - every.index(some[-1])
    assert abs(before - after) <= 1 or len(some) > len(every) // 2


@pytest.mark.parametrize("length", [16, 64])
def test_test_clips_begin_at_multiples_of_their_length(length):
    starts = {length - 1: [0], length: [0], length + 1: [0], 2 * length - 1: [0]}
    starts |= {2 * length: [0, length], 2 * length + 1: [0, length], 5: [0]}
    for frames, expected in starts.items():
        found = clips.scoring_positions(frames, length)
        assert [p[0] for p in found] == expected
        for first, positions in zip(expected, found, strict=True):
            own = [(first + i) % frames for i in range(length)]  # looped only where too short
            assert positions.tolist() == own


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**32))
def test_training_positions_are_consecutive_and_inside(frames, length, seed):
    positions = clips.training_positions(np.random.default_rng(seed), frames, length)
    assert len(positions) == length
    assert (positions >= 0).all()
    assert (positions < frames).all()
    assert ((np.diff(positions) == 1) | (positions[1:] == 0)).all()
    if frames >= length:
        assert (np.diff(positions) == 1).all()


def test_training_positions_reach_every_start():
    rng = np.random.default_rng(0)
    starts = {int(clips.training_positions(rng, 10, 7)[0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}


def test_crops_are_the_corners_and_the_centre_at_each_scale():
    rng = np.random.default_rng(0)
    drawn = {clips.draw_crop(rng, 240, 320, [1.0, 0.84089], False) for _ in range(400)}
    whole = {Crop(x, 0, 240) for x in (0, 40, 80)}
    side = 201  # int(240 x 0.84089)
    places = [(59, 19), (0, 0), (119, 0), (0, 39), (119, 39)]
    assert drawn == whole | {Crop(x, y, side) for x, y in places}


# Side at each scale, 2^(-k/4) of 256, to the left and top corner of the right-hand bottom crop and
# of the central one, which MARS has a pixel further where the side is odd.
SQUARE = {
    256: (0, 0, 0, 0),
    215: (41, 41, 20, 20),
    181: (75, 75, 37, 37),
    152: (104, 104, 52, 52),
    128: (128, 128, 64, 64),
}
WIDE = {
    256: (84, 0, 42, 0),
    215: (125, 41, 62, 20),
    181: (159, 75, 79, 37),
    152: (188, 104, 94, 52),
    128: (212, 128, 106, 64),
}


@pytest.mark.parametrize(("width", "crops"), [(256, SQUARE), (340, WIDE)])
def test_the_papers_crops_worked_out_by_hand(width, crops):
    paper = yaml.safe_load((ROOT / "experiments/paper.yaml").read_text(encoding="utf-8"))
    scales = paper["clips"]["scales"]
    assert scales == pytest.approx([1, 0.84089641525, 0.70710678118, 0.59460355750, 0.5])
    rng = np.random.default_rng(0)
    drawn = Counter(clips.draw_crop(rng, 256, width, scales, False) for _ in range(5000))
    expected = Counter()
    for side, (right, bottom, x, y) in crops.items():
        for place in ((x, y), (0, 0), (right, 0), (0, bottom), (right, bottom)):
            expected[Crop(*place, side)] += 200  # scales and places are equally likely
    assert drawn.keys() == expected.keys()
    assert all(0.7 < drawn[crop] / count < 1.3 for crop, count in expected.items())


def test_half_of_the_crops_are_mirrored_where_that_is_allowed():
    rng = np.random.default_rng(1)
    share = np.mean([clips.draw_crop(rng, 8, 8, [1.0], True).flip for _ in range(2000)])
    assert 0.45 < share < 0.55
    assert not any(clips.draw_crop(rng, 8, 8, [1.0], False).flip for _ in range(100))


STRIDED = (st.integers(1, 90), st.integers(1, 20), st.integers(1, 5))


@settings(max_examples=100, deadline=None)
@given(*STRIDED, st.integers(0, 2**32))
def test_a_training_clip_has_every_nth_frame_from_a_start_inside(frames, length, stride, seed):
    positions = clips.training_positions(np.random.default_rng(seed), frames, length, stride)
    steps = stride * np.arange(length)
    assert positions.tolist() == ((positions[0] + steps) % frames).tolist()
    assert (positions >= 0).all()
    assert (positions < frames).all()
    if frames > steps[-1]:  # not looped
        assert positions.tolist() == (positions[0] + steps).tolist()
    else:
        assert positions[0] == 0


def test_training_clips_of_every_nth_frame_reach_every_start():
    rng = np.random.default_rng(0)
    starts = {int(clips.training_positions(rng, 10, 4, 2)[0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}  # frames 3, 5, 7 and 9 are the last


@settings(max_examples=100, deadline=None)
@given(*STRIDED)
def test_test_clips_of_every_nth_frame_do_not_overlap_and_fill_the_video(frames, length, stride):
    found = clips.scoring_positions(frames, length, stride=stride)
    steps = stride * np.arange(length)
    if frames <= steps[-1]:
        assert [p.tolist() for p in found] == [(steps % frames).tolist()]
        return
    for positions in found:
        assert positions.tolist() == (positions[0] + steps).tolist()
        assert positions[-1] < frames
    starts = [int(positions[0]) for positions in found]
    assert starts == list(range(0, frames - int(steps[-1]), int(steps[-1]) + 1))


def test_test_clips_of_every_second_frame_by_hand():
    def listed(frames, **options):
        return [p.tolist() for p in clips.scoring_positions(frames, 3, stride=2, **options)]

    assert listed(9) == [[0, 2, 4]]
    assert listed(11) == [[0, 2, 4], [5, 7, 9]]
    assert listed(15, most=1) == [[5, 7, 9]]
    assert listed(4) == [[0, 2, 0]]  # looped
    assert listed(3) == [[0, 2, 1]]
