"""Iterations of TV-L1 as row loops that numba compiles to vector instructions of one core.

Symbols are those of Sánchez Pérez, Meinhardt-Llopis and Facciolo, "TV-L1 Optical Flow Estimation",
IPOL 2013. Every operation is rounded to float32 in the order of OpenCV's C++ code, and none are
fused. Warping rounds positions to 1/32 pixel, so a difference in the last digit grows from warp to
warp to hundredths of a pixel. Only equal digits give equal flow.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import njit

# LLVM vectorises a loop over many arrays only after it has checked that they do not overlap. By
# default it stops at 8 comparisons; a row of TV-L1 needs about 40.
llvm.set_option("", "-runtime-memory-check-threshold=256")

JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
# Inlined into the loop over rows, these checks run once. This halves the time of narrow frames.
INLINE = JIT | {"inline": "always"}
LINE = 16  # float32 values per cache line
LEFT = LINE  # zero columns before column 0 of the dual's x components
TINY = np.float32(np.finfo(np.float32).eps)
ZERO, ONE = np.float32(0), np.float32(1)


def plane(height: int, width: int) -> np.ndarray:
    """Make a zero array for ``width`` columns and ``height`` rows of the kernels.

    Rows are aligned to cache lines, with :data:`LEFT` columns before and one after; there is one
    row more. Columns start at 0, but at ``LEFT`` for the dual's x components.
    """
    stride = -(-(LEFT + width + 1) // LINE) * LINE
    flat = np.zeros((height + 1) * stride + LINE, np.float32)
    start = -(flat.ctypes.data // flat.itemsize) % LINE
    return flat[start : start + (height + 1) * stride].reshape(height + 1, stride)


@njit(**JIT)
def step(a, b, gx, gy, square, rho, div1, div2, threshold, theta):
    """Return (u1, u2) of a pixel: v + θ·div p with v = u + clip(-rho(u)/|∇I1|², ±λθ)·∇I1."""
    r = rho + (gx * a + gy * b)
    limit = threshold * square
    d = -r / square
    d = d if square > TINY else ZERO
    d = threshold if r < -limit else d
    d = -threshold if r > limit else d
    return (a + d * gx) + theta * div1, (b + d * gy) + theta * div2


@njit(**INLINE)
def primal(y, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta):
    """Update row y of u, and of ``changes`` = |Δu|²."""
    a0, b0 = u1[y, 0], u2[y, 0]
    for x in range(width):
        a, b, i = u1[y, x], u2[y, x], x + LEFT
        div1 = (p11[y, i] - p11[y, i - 1]) + (p12[y + 1, x] - p12[y, x])
        div2 = (p21[y, i] - p21[y, i - 1]) + (p22[y + 1, x] - p22[y, x])
        u1[y, x], u2[y, x] = step(
            a, b, gx[y, x], gy[y, x], square[y, x], rho[y, x], div1, div2, threshold, theta
        )
        changes[y, x] = (u1[y, x] - a) * (u1[y, x] - a) + (u2[y, x] - b) * (u2[y, x] - b)
    # OpenCV adds in another order in the first column.
    div1 = (p11[y, LEFT] + p12[y + 1, 0]) - p12[y, 0]
    div2 = (p21[y, LEFT] + p22[y + 1, 0]) - p22[y, 0]
    u1[y, 0], u2[y, 0] = step(
        a0, b0, gx[y, 0], gy[y, 0], square[y, 0], rho[y, 0], div1, div2, threshold, theta
    )
    changes[y, 0] = (u1[y, 0] - a0) * (u1[y, 0] - a0) + (u2[y, 0] - b0) * (u2[y, 0] - b0)
    # The forward difference of the last column is zero.
    u1[y, width], u2[y, width] = u1[y, width - 1], u2[y, width - 1]


@njit(**INLINE)
def dual(y, below, width, u1, u2, p11, p12, p21, p22, rate):
    """Update row y: p ← (p + (τ/θ)∇u) / (1 + (τ/θ)|∇u|); y differences are to row ``below``."""
    for x in range(width):
        ax, ay = u1[y, x + 1] - u1[y, x], u1[below, x] - u1[y, x]
        bx, by = u2[y, x + 1] - u2[y, x], u2[below, x] - u2[y, x]
        a, b = ONE + rate * norm(ax, ay), ONE + rate * norm(bx, by)
        i = x + LEFT
        p11[y, i] = (p11[y, i] + rate * ax) / a
        p12[y + 1, x] = (p12[y + 1, x] + rate * ay) / a
        p21[y, i] = (p21[y, i] + rate * bx) / b
        p22[y + 1, x] = (p22[y + 1, x] + rate * by) / b


@njit(**JIT)
def norm(x, y):
    """Return √(x² + y²), rounded once, like ``hypot``."""
    return np.float32(np.sqrt(np.float64(x) * np.float64(x) + np.float64(y) * np.float64(y)))


@njit(**JIT)
def sweep(
    height, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta, rate
):
    """Run one iteration in one pass over memory, the dual one row behind; return Σ|Δu|²."""
    total = 0.0
    for y in range(height):
        primal(y, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta)
        total += row_sum(changes, y, width)
        if y > 0:
            dual(y - 1, y, width, u1, u2, p11, p12, p21, p22, rate)
    dual(height - 1, height - 1, width, u1, u2, p11, p12, p21, p22, rate)
    return total


@njit(fastmath={"reassoc"}, **JIT)
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
def iterate(
    iterations, every, bound, height, width,
    u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes, threshold, theta, rate,
):  # fmt: skip
    """Sweep up to ``iterations`` times, until Σ|Δu|² ≤ ``bound``; return the number, and if so.

    With ``every``, the sum is tested after every sweep, as OpenCV's CPU code adds it in float32.
    Without, it is tested as in OpenCV's CUDA code: after odd sweeps, counted from 0, and only if
    the last sum, less ``bound`` for each sweep since, is below ``bound``.
    """
    last = 0.0
    # Largest relative error of a float32 sum of so many numbers.
    doubt = 2 * height * width * 2.0**-24
    for n in range(iterations):
        total = sweep(
            height, width, u1, u2, p11, p12, p21, p22, gx, gy, square, rho, changes,
            threshold, theta, rate,
        )  # fmt: skip
        if every:
            if abs(total - bound) <= doubt * bound:
                total = sum_in_order(changes, height, width)
            if total <= bound:
                return n + 1, True
        elif n % 2 == 1 and last < bound:
            if total <= bound:
                return n + 1, True
            last = total
        else:
            last -= bound
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
def linearise(image0, u1, u2, gx, gy, square, rho):
    """Compute ``square`` = |∇I1|², ``rho`` = I1 - ∇I1·u - I0; before, ``rho`` is I1 at x + u."""
    height, width = image0.shape
    for y in range(height):
        for x in range(width):
            ix, iy = gx[y, x], gy[y, x]
            square[y, x] = ix * ix + iy * iy
            rho[y, x] = ((rho[y, x] - ix * u1[y, x]) - iy * u2[y, x]) - image0[y, x]
