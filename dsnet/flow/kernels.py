"""Iterations of TV-L1 in vector instructions of one core, compiled by numba.

Symbols are those of Sánchez Pérez, Meinhardt-Llopis and Facciolo, "TV-L1 Optical Flow Estimation",
IPOL 2013. ``sweep_exactly`` follows OpenCV's CPU code, ``sweep_fast`` its CUDA code.

On the CPU every operation is rounded to float32 in OpenCV's order, and none are fused. Warping
rounds positions to 1/32 pixel there, so a difference in the last digit grows from warp to warp to
hundredths of a pixel. Only equal digits give equal flow. OpenCV's CUDA code warps at exact
positions, and its last digits depend on the compiler and the GPU. So ``sweep_fast`` may multiply by
reciprocals, and its results are some 1e-6 pixels from those of correct rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsnet.flow.lanes import (
    LEFT,
    LINE,
    choose_greater,
    choose_less,
    first,
    load,
    norm,
    root,
    spread,
    store,
)

JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
FAST = JIT | {"fastmath": {"contract", "reassoc", "nsz"}}
TINY = np.float32(np.finfo(np.float32).eps)
TINIEST = np.float32(np.finfo(np.float32).tiny)
ZERO, ONE = np.float32(0), np.float32(1)
# Sweeps of `sweep_fast` in one pass over memory at most: the rows in use then fit in the cache.
TOGETHER = 8


@njit(**JIT, inline="always")
def primal_exactly(y, x, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, threshold, theta):
    """Update a block of row y of u to v + θ·div p; return |Δu|².

    v = u + clip(-rho(u)/|∇I1|², ±λθ)·∇I1.
    """
    i = x + LEFT
    low, zero = spread(-threshold), spread(ZERO)
    threshold, theta = spread(threshold), spread(theta)
    a, b, ix, iy = load(u1, y, x), load(u2, y, x), load(gx, y, x), load(gy, y, x)
    r = load(rho, y, x) + (ix * a + iy * b)
    gradient = load(square, y, x)
    limit = threshold * gradient
    d = choose_greater(gradient, spread(TINY), r / (zero - gradient), zero)
    d = choose_less(r, zero - limit, threshold, d)
    d = choose_greater(r, limit, low, d)
    div1 = (load(p11, y, i) - load(p11, y, i - 1)) + (load(p12, y + 1, x) - load(p12, y, x))
    div2 = (load(p21, y, i) - load(p21, y, i - 1)) + (load(p22, y + 1, x) - load(p22, y, x))
    if x == 0:  # OpenCV adds in another order in the first column.
        div1 = first((load(p11, y, i) + load(p12, y + 1, x)) - load(p12, y, x), div1)
        div2 = first((load(p21, y, i) + load(p22, y + 1, x)) - load(p22, y, x), div2)
    new1, new2 = (a + d * ix) + theta * div1, (b + d * iy) + theta * div2
    store(u1, y, x, new1)
    store(u2, y, x, new2)
    return (new1 - a) * (new1 - a) + (new2 - b) * (new2 - b)


@njit(**JIT, inline="always")
def dual_exactly(y, x, below, u1, u2, p11, p12, p21, p22, rate):
    """Update a block of row y: p ← (p + (τ/θ)∇u) / (1 + (τ/θ)|∇u|); ``below``: the next row."""
    i, rate, one = x + LEFT, spread(rate), spread(ONE)
    ax, ay = load(u1, y, x + 1) - load(u1, y, x), load(u1, below, x) - load(u1, y, x)
    bx, by = load(u2, y, x + 1) - load(u2, y, x), load(u2, below, x) - load(u2, y, x)
    a, b = one + rate * norm(ax, ay), one + rate * norm(bx, by)
    store(p11, y, i, (load(p11, y, i) + rate * ax) / a)
    store(p12, y + 1, x, (load(p12, y + 1, x) + rate * ay) / a)
    store(p21, y, i, (load(p21, y, i) + rate * bx) / b)
    store(p22, y + 1, x, (load(p22, y + 1, x) + rate * by) / b)


@njit(**FAST, inline="always")
def primal_fast(y, x, u1, u2, p11, p12, p21, p22, gx, gy, inverse, rho, threshold, theta):
    """Compute :func:`primal_exactly`, up to rounding, of ``inverse`` = 1/|∇I1|²."""
    i = x + LEFT
    ix, iy, low, high = load(gx, y, x), load(gy, y, x), spread(-threshold), spread(threshold)
    theta, a, b = spread(theta), load(u1, y, x), load(u2, y, x)
    d = (load(rho, y, x) + (ix * a + iy * b)) * load(inverse, y, x)
    d = choose_less(d, low, low, choose_greater(d, high, high, d))
    div1 = (load(p11, y, i) - load(p11, y, i - 1)) + (load(p12, y + 1, x) - load(p12, y, x))
    div2 = (load(p21, y, i) - load(p21, y, i - 1)) + (load(p22, y + 1, x) - load(p22, y, x))
    change1, change2 = theta * div1 - d * ix, theta * div2 - d * iy
    store(u1, y, x, a + change1)
    store(u2, y, x, b + change2)
    return change1 * change1 + change2 * change2


@njit(**FAST, inline="always")
def dual_fast(y, x, below, u1, u2, p11, p12, p21, p22, rate):
    """Compute :func:`dual_exactly` up to rounding: its four divisions are one."""
    i, rate, one = x + LEFT, spread(rate), spread(ONE)
    ax, ay = load(u1, y, x + 1) - load(u1, y, x), load(u1, below, x) - load(u1, y, x)
    bx, by = load(u2, y, x + 1) - load(u2, y, x), load(u2, below, x) - load(u2, y, x)
    a, b = one + rate * root(ax * ax + ay * ay), one + rate * root(bx * bx + by * by)
    inverse = one / (a * b)
    a, b = inverse * b, inverse * a
    store(p11, y, i, (load(p11, y, i) + rate * ax) * a)
    store(p12, y + 1, x, (load(p12, y + 1, x) + rate * ay) * a)
    store(p21, y, i, (load(p21, y, i) + rate * bx) * b)
    store(p22, y + 1, x, (load(p22, y + 1, x) + rate * by) * b)


@njit(**FAST)
def row_sum(values, y, width):
    """Return the sum of one row, in any order."""
    total = ZERO
    for x in range(width):
        total += values[y, x]
    return total


@njit(**JIT)
def sum_in_order(values, height, width):
    """Return the sum in float32, pixel after pixel, as OpenCV's CPU code adds."""
    total = ZERO
    for y in range(height):
        for x in range(width):
            total += values[y, x]
    return total


@njit(**JIT)
def sweep_exactly(
    height, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta, rate
):
    """Run one iteration in one pass over memory, the dual one row behind; return Σ|Δu|²."""
    total = 0.0
    for y in range(height + 1):
        if y < height:
            for x in range(0, width, LINE):
                change = primal_exactly(
                    y, x, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, threshold, theta
                )
                store(changes, y, x, change)
            total += row_sum(changes, y, width)
            # The forward difference of the last column is zero.
            u1[y, width], u2[y, width] = u1[y, width - 1], u2[y, width - 1]
        if y > 0:
            for x in range(0, width, LINE):
                dual_exactly(y - 1, x, min(y, height - 1), u1, u2, p11, p12, p21, p22, rate)
    return total


@njit(**FAST)
def sweep_fast(
    count, ask, height, width,
    u1, u2, p11, p12, p21, p22, gx, gy, inverse, rho, changes, threshold, theta, rate,
):  # fmt: skip
    """Run ``count`` iterations in one pass over memory; return the last's Σ|Δu|² if asked.

    Each iteration is one row behind the one before, so that a row stays in the cache for all.
    """
    total = 0.0
    for step in range(height + count):
        for iteration in range(max(0, step - height), min(count, step + 1)):
            y = step - iteration
            asked = ask and iteration == count - 1
            if y < height:
                for x in range(0, width, LINE):
                    change = primal_fast(
                        y, x, u1, u2, p11, p12, p21, p22, gx, gy, inverse, rho, threshold, theta
                    )
                    if asked:
                        store(changes, 0, x, change)
                if asked:
                    total += row_sum(changes, 0, width)
                u1[y, width], u2[y, width] = u1[y, width - 1], u2[y, width - 1]
            if y > 0:
                for x in range(0, width, LINE):
                    dual_fast(y - 1, x, min(y, height - 1), u1, u2, p11, p12, p21, p22, rate)
    return total


@njit(**JIT)
def iterate_exactly(
    iterations, bound, height, width,
    u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta, rate,
):  # fmt: skip
    """Sweep up to ``iterations`` times, until Σ|Δu|² ≤ ``bound``; return the number, and if so.

    The sum is the one that OpenCV's CPU code adds in float32.
    """
    # Largest relative error of a float32 sum of so many numbers.
    doubt = 2 * height * width * 2.0**-24
    for n in range(iterations):
        total = sweep_exactly(
            height, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes,
            threshold, theta, rate,
        )  # fmt: skip
        if abs(total - bound) <= doubt * bound:
            total = sum_in_order(changes, height, width)
        if total <= bound:
            return n + 1, True
    return iterations, False


@njit(**JIT)
def iterate_fast(
    iterations, bound, height, width,
    u1, u2, p11, p12, p21, p22, gx, gy, inverse, rho, changes, threshold, theta, rate,
):  # fmt: skip
    """Sweep up to ``iterations`` times, until Σ|Δu|² ≤ ``bound``; return the number, and if so.

    As in OpenCV's CUDA code, the sum is tested after odd sweeps, counted from 0, and only if the
    last sum, less ``bound`` for each sweep since, is below ``bound``. Sweeps up to the next test
    go together.
    """
    expected, done = 0.0, 0
    while done < iterations:
        count, ask = 0, False
        while not ask and count < TOGETHER and done + count < iterations:
            ask = (done + count) % 2 == 1 and expected < bound
            expected -= bound
            count += 1
        total = sweep_fast(
            count, ask, height, width, u1, u2, p11, p12, p21, p22, gx, gy, inverse, rho, changes,
            threshold, theta, rate,
        )  # fmt: skip
        done += count
        if ask:
            if total <= bound:
                return done, True
            expected = total
    return iterations, False


@njit(**JIT)
def gradient(image, gx, gy):
    """Compute central differences, halved; beyond its edges the image has their values."""
    height, width = image.shape
    half = np.float32(0.5)
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(1, width - 1):
            gx[y, x] = half * (image[y, x + 1] - image[y, x - 1])
        gx[y, 0] = half * (image[y, min(1, width - 1)] - image[y, 0])
        gx[y, width - 1] = half * (image[y, width - 1] - image[y, max(width - 2, 0)])
        for x in range(width):
            gy[y, x] = half * (image[below, x] - image[above, x])


@njit(**JIT)
def linearise(height, width, image0, u1, u2, gx, gy, square, rho):
    """Compute ``square`` = |∇I1|², ``rho`` = I1 - ∇I1·u - I0; before, ``rho`` is I1 at x + u."""
    for y in range(height):
        for x in range(0, width, LINE):
            ix, iy = load(gx, y, x), load(gy, y, x)
            store(square, y, x, ix * ix + iy * iy)
            r = (load(rho, y, x) - ix * load(u1, y, x)) - iy * load(u2, y, x)
            store(rho, y, x, r - load(image0, y, x))
