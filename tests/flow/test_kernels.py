"""Iterations of TV-L1: together as one by one, and the same with and without divisions."""

import numpy as np
import pytest

from dsnet.flow import kernels
from dsnet.flow.lanes import LEFT, plane

STEPS = (np.float32(0.045), np.float32(0.3), np.float32(0.25 / 0.3))  # λθ, θ, τ/θ
SHAPES = [(1, 1), (2, 3), (5, 16), (7, 17), (16, 5), (33, 47)]


def state(height, width):
    """Planes of a level: u, its dual, the gradient, its square, rho, and room for changes."""
    rng = np.random.default_rng(height * width)
    planes = [plane(height, width) for _ in range(11)]
    for n, scale in {0: 1, 1: 1, 6: 10, 7: 10, 9: 10}.items():
        planes[n][:height, :width] = rng.normal(0, scale, (height, width))
    planes[8][:] = planes[6] ** 2 + planes[7] ** 2
    return planes


def inverted(planes):
    """The state with 1/|∇I1|²."""
    planes[8][:] = 1 / np.maximum(planes[8], kernels.TINIEST)
    return planes


def images(planes, height, width):
    """u and its dual without the padding."""
    columns = [0, 0, LEFT, 0, LEFT, 0]
    rows = [0, 0, 0, 1, 0, 1]
    return [
        p[y : y + height, x : x + width] for p, x, y in zip(planes[:6], columns, rows, strict=True)
    ]


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_iterations_of_one_pass_are_iterations_one_by_one(height, width, count):
    together, alone = inverted(state(height, width)), inverted(state(height, width))
    total = kernels.sweep_fast(count, True, height, width, *together, *STEPS)
    for n in range(count):
        expected = kernels.sweep_fast(1, n == count - 1, height, width, *alone, *STEPS)
    assert total == expected > 0
    for found, one_by_one in zip(
        images(together, height, width), images(alone, height, width), strict=True
    ):
        np.testing.assert_array_equal(found, one_by_one)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_fast_iterations_differ_by_rounding(height, width):
    fast, exact = inverted(state(height, width)), state(height, width)
    total = kernels.sweep_fast(20, True, height, width, *fast, *STEPS)
    for _ in range(20):
        expected = kernels.sweep_exactly(height, width, *exact, *STEPS)
    assert total == pytest.approx(expected, rel=1e-3, abs=1e-6)
    for found, exactly in zip(
        images(fast, height, width), images(exact, height, width), strict=True
    ):
        np.testing.assert_allclose(found, exactly, rtol=0, atol=2e-5)


def test_what_lies_beside_the_image_does_not_count():
    """Lanes reach over the end of a row: what they compute there stays there."""
    height, width = 7, 17
    clean, dirty = inverted(state(height, width)), inverted(state(height, width))
    for n in (0, 1, 6, 7, 8, 9):
        dirty[n][:height, width + 1 :] = np.nan
    found = kernels.sweep_fast(4, True, height, width, *dirty, *STEPS)
    assert found == kernels.sweep_fast(4, True, height, width, *clean, *STEPS)
    for a, b in zip(images(dirty, height, width), images(clean, height, width), strict=True):
        np.testing.assert_array_equal(a, b)
