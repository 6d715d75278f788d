"""Flow over several frames: along the path of a pixel, against the truth and two other ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import LIGHT, MOTIONS, about_centre, affine_flow, end_point_error, known, repeated

from dsnet import flow
from dsnet.flow.paths import along

ROUNDING = 0.01  # OpenCV reads at positions rounded to 1/32 pixel


def test_one_step_is_the_flow_itself():
    field = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    assert along(field, 1) is field


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("steps", [2, 3, 4])
def test_repeated_motions_are_their_power(name, steps):
    matrix = about_centre(64, **MOTIONS[name])
    field = np.stack([affine_flow((64, 64), matrix)] * 5)
    found, expected = along(field, steps), affine_flow((64, 64), repeated(matrix, steps))
    assert found.shape == (6 - steps, 64, 64, 2)
    inner = (slice(None), slice(16, -16), slice(16, -16))  # what leaves the picture is continued
    assert np.abs(found - expected)[inner].max() < ROUNDING


@given(st.integers(1, 4), st.integers(0, 2**32))
def test_whole_steps_follow_the_pixels_by_hand(steps, seed):
    field = np.random.default_rng(seed).integers(-2, 3, (4, 5, 6, 2)).astype(np.float32)
    found = along(field, steps)
    for first in range(5 - steps):
        for y, x in np.ndindex(5, 6):
            at, total = np.array([x, y]), np.zeros(2)
            for number in range(first, first + steps):
                # A pixel beyond the border moves as the nearest one inside.
                total = total + field[number, np.clip(at[1], 0, 4), np.clip(at[0], 0, 5)]
                at = (np.array([x, y]) + total).astype(int)
            assert found[first, y, x].tolist() == total.tolist()


BOUND = 20


def errors(name, stride):
    """End-point errors of a motion over ``stride`` frames: at once, summed, along the path."""
    frames, truth, where = known(name, 96, stride)
    fields = flow.compute(frames, **LIGHT)
    at_once = flow.compute(frames[[0, -1]], **LIGHT)[0]
    stored = [flow.decode(flow.encode(f, BOUND), BOUND) for f in (at_once, fields)]
    own = flow.decode(flow.encode(along(fields, stride)[0], BOUND), BOUND)
    return [end_point_error(f, truth, where) for f in (stored[0], stored[1].sum(axis=0), own)]


@pytest.mark.parametrize("name", ["translation", "rotation", "zoom", "sprite"])
def test_large_motions_are_found_best_along_the_path(name):
    at_once, summed, own = errors(name, 4)
    assert own < 0.9 * summed
    assert own < 0.6 * at_once


@pytest.mark.parametrize("name", MOTIONS)
def test_it_is_no_worse_than_the_sum_for_small_motions(name):
    _, summed, own = errors(name, 2)
    assert own < summed
