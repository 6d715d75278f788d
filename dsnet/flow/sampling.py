"""Resizing and warping as in OpenCV's CUDA version of TV-L1, compiled by numba.

Unlike on the CPU, pixels are points (no half-pixel shift when resizing), edges are continued beyond
the image, and warping is a cubic convolution with parameter -0.5 at exact positions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dsnet.flow.kernels import FAST, ONE, TINIEST, ZERO
from dsnet.flow.lanes import (
    LINE,
    choose_greater,
    choose_less,
    floor,
    fold,
    load,
    load_channel,
    load_four,
    repeat,
    spread,
    store,
    store_channels,
)

PAD = 4  # texels around a texture: a window outside the image sees only these
CHANNELS = 4  # image, x gradient, y gradient, and one unused, so that a texel is 16 bytes
# Rows of :func:`scratch`: where the window of a pixel begins; its weights, and the result.
COLUMNS, TOP, LEFT_END = 0, 1, 2
ACROSS, DOWN, SAMPLE = 0, 1, 2


def empty_texture(height: int, width: int) -> np.ndarray:
    """Make an uninitialised texture for :func:`texture`, a row of interleaved texels per row."""
    return np.empty((height + 2 * PAD, (width + 2 * PAD) * CHANNELS), np.float32)


@njit(**FAST)
def resize(source, step_y, step_x, out):
    """Resize bilinearly: pixel d of ``out`` is ``source`` at d·step; the last one is repeated."""
    height, width = source.shape
    left = np.empty(out.shape[1], np.int64)
    weight = np.empty(out.shape[1], np.float32)
    for x in range(out.shape[1]):
        at = min(x * step_x, width - 1.0)
        left[x] = int(at)
        weight[x] = at - left[x]
    for y in range(out.shape[0]):
        at = min(y * step_y, height - 1.0)
        top = int(at)
        below = np.float32(at - top)
        bottom = min(top + 1, height - 1)
        for x in range(out.shape[1]):
            i, j = left[x], min(left[x] + 1, width - 1)
            upper = source[top, i] + weight[x] * (source[top, j] - source[top, i])
            lower = source[bottom, i] + weight[x] * (source[bottom, j] - source[bottom, i])
            out[y, x] = upper + below * (lower - upper)


@njit(**FAST)
def texture(image, out):
    """Interleave an image and its central differences, with the edges repeated around."""
    height, width = image.shape
    half = np.float32(0.5)
    for row in range(out.shape[0]):
        y = min(max(row - PAD, 0), height - 1)
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for column in range(width + 2 * PAD):
            x = min(max(column - PAD, 0), width - 1)
            before, after = max(x - 1, 0), min(x + 1, width - 1)
            out[row, CHANNELS * column] = image[y, x]
            out[row, CHANNELS * column + 1] = half * (image[y, after] - image[y, before])
            out[row, CHANNELS * column + 2] = half * (image[below, x] - image[above, x])
            out[row, CHANNELS * column + 3] = 0


@njit(**FAST, inline="always")
def cubic(t):
    """Return Keys's cubic weights, A = -0.5, of four pixels; t: distance from the second."""
    one, half = spread(ONE), spread(np.float32(0.5))
    three_halves, five_halves = spread(np.float32(1.5)), spread(np.float32(2.5))
    s = one - t
    st = half * s * t
    return (
        spread(ZERO) - st * s,
        (three_halves * t - five_halves) * t * t + one,
        (three_halves * s - five_halves) * s * s + one,
        spread(ZERO) - st * t,
    )


@njit(**FAST, inline="always")
def split(position, size):
    """Return whole and fraction of positions, moved towards an image of ``size`` pixels.

    A window further outside has the same texels.
    """
    low, high = spread(np.float32(1 - PAD)), spread(np.float32(size + 1))
    # In this order a position that is no number becomes one.
    position = choose_less(position, high, position, high)
    position = choose_greater(position, low, position, low)
    whole = floor(position)
    return whole, position - whole


def scratch(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Make what :func:`warp` needs for a row.

    That is the columns' numbers with room for two numbers per pixel, (3, stride), and room for
    three times four numbers per pixel, (3, 4 * stride), float32.
    """
    stride = -(-width // LINE) * LINE
    places = np.zeros((3, stride), np.float32)
    places[COLUMNS] = np.arange(stride)
    return places, np.zeros((3, CHANNELS * stride), np.float32)


@njit(**FAST)
def warp(height, width, texels, image0, u1, u2, gx, gy, inverse, rho, places, fours):
    """Sample I1 and ∇I1 at x + u; compute ``inverse`` = 1/|∇I1|², ``rho`` = I1 - ∇I1·u - I0.

    ``texels`` is a :func:`texture`, ``places`` and ``fours`` are a :func:`scratch`, and the others
    are planes of :func:`dsnet.flow.lanes.plane`, float32.
    """
    for y in range(height):
        for x in range(0, width, LINE):
            left, right_part = split(load(places, COLUMNS, x) + load(u1, y, x), width)
            top, lower_part = split(spread(np.float32(y)) + load(u2, y, x), height)
            store(places, TOP, x, top)
            store(places, LEFT_END, x, left)
            a, b, c, d = cubic(right_part)
            store_channels(fours, ACROSS, x, a, b, c, d)
            a, b, c, d = cubic(lower_part)
            store_channels(fours, DOWN, x, a, b, c, d)
        for x in range(width):
            i, row = CHANNELS * x, int(places[TOP, x]) + PAD - 1
            column = CHANNELS * (int(places[LEFT_END, x]) + PAD - 1)
            # A row of the window is 16 numbers, four channels of four pixels.
            window = (
                load(texels, row, column) * spread(fours[DOWN, i])
                + load(texels, row + 1, column) * spread(fours[DOWN, i + 1])
                + load(texels, row + 2, column) * spread(fours[DOWN, i + 2])
                + load(texels, row + 3, column) * spread(fours[DOWN, i + 3])
            )
            store(fours, SAMPLE, i, fold(window * repeat(load_four(fours, ACROSS, i))))
        for x in range(0, width, LINE):
            ix, iy = load_channel(fours, SAMPLE, x, 1), load_channel(fours, SAMPLE, x, 2)
            # Where the gradient is zero, the inverse is large; clipped, it is multiplied by zero.
            square, tiniest = ix * ix + iy * iy, spread(TINIEST)
            store(inverse, y, x, spread(ONE) / choose_less(square, tiniest, tiniest, square))
            store(gx, y, x, ix)
            store(gy, y, x, iy)
            linear = load_channel(fours, SAMPLE, x, 0) - (ix * load(u1, y, x) + iy * load(u2, y, x))
            store(rho, y, x, linear - load(image0, y, x))
