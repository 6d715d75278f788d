"""Resizing and warping as in OpenCV's CUDA version of TV-L1, compiled by numba.

Unlike on the CPU, pixels are points (no half-pixel shift when resizing), edges are continued beyond
the image, and warping is a cubic convolution with parameter -0.5 at exact positions.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from dsnet.flow.kernels import JIT, ONE

FAST = JIT | {"fastmath": {"contract", "reassoc", "nsz"}}
PAD = 4  # texels around a texture: a window outside the image sees only these
CHANNELS = 4  # image, x gradient, y gradient, and one unused, so that a texel is 16 bytes


def empty_texture(height: int, width: int) -> np.ndarray:
    """Make an uninitialised texture for :func:`texture`."""
    return np.empty((height + 2 * PAD, width + 2 * PAD, CHANNELS), np.float32)


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
        for column in range(out.shape[1]):
            x = min(max(column - PAD, 0), width - 1)
            before, after = max(x - 1, 0), min(x + 1, width - 1)
            out[row, column, 0] = image[y, x]
            out[row, column, 1] = half * (image[y, after] - image[y, before])
            out[row, column, 2] = half * (image[below, x] - image[above, x])
            out[row, column, 3] = 0


@intrinsic
def blend(typing, texels, row, column, wy, wx):
    """Sum a 4 by 4 window of a texture, weighted by the products of wy and wx, in three channels.

    A row of the window is 16 consecutive numbers, one vector load. LLVM does not vectorise such
    short loops, which take three times as long.
    """
    vector = ir.VectorType(ir.FloatType(), 16)

    def take(builder, source, lanes):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return builder.shuffle_vector(source, source, mask)

    def spread(builder, values):
        """Make a vector of ``values``, each repeated equally often."""
        few = ir.Constant(ir.VectorType(ir.FloatType(), len(values)), ir.Undefined)
        for i, value in enumerate(values):
            few = builder.insert_element(few, value, ir.IntType(32)(i))
        return take(builder, few, [i * len(values) // 16 for i in range(16)])

    def codegen(context, builder, signature, arguments):
        texels, row, column, wy, wx = arguments
        array = context.make_array(signature.args[0])(context, builder, texels)
        row_stride, column_stride, _ = (builder.extract_value(array.strides, i) for i in range(3))
        address = builder.add(
            builder.ptrtoint(array.data, row_stride.type),
            builder.add(builder.mul(row, row_stride), builder.mul(column, column_stride)),
        )
        total = ir.Constant(vector, [0.0] * 16)
        for i in range(4):
            window = builder.load(builder.inttoptr(address, vector.as_pointer()))
            window.align = 4
            weight = spread(builder, [builder.extract_value(wy, i)])
            product = builder.fmul(window, weight, flags=("contract",))
            total = builder.fadd(total, product, flags=("contract", "nsz"))
            address = builder.add(address, row_stride)
        weights = spread(builder, [builder.extract_value(wx, i) for i in range(4)])
        total = builder.fmul(total, weights)
        for half in (8, 4):
            low, high = list(range(half)), list(range(half, 2 * half))
            total = builder.fadd(take(builder, total, low), take(builder, total, high))
        channels = [builder.extract_element(total, ir.IntType(32)(c)) for c in range(3)]
        return context.make_tuple(builder, signature.return_type, channels)

    four = types.UniTuple(types.float32, 4)
    return types.UniTuple(types.float32, 3)(texels, types.intp, types.intp, four, four), codegen


@njit(**FAST)
def cubic(t):
    """Return Keys's cubic weights, A = -0.5, of four pixels; t: distance from the second."""
    s = ONE - t
    half, three_halves, five_halves = np.float32(0.5), np.float32(1.5), np.float32(2.5)
    return (
        -half * t * s * s,
        (three_halves * t - five_halves) * t * t + ONE,
        (three_halves * s - five_halves) * s * s + ONE,
        -half * s * t * t,
    )


@njit(**FAST)
def warp(texels, u1, u2, scratch, image, gx, gy):
    """Compute image and gradient at x + u; ``scratch``: (4, width) float32."""
    height, width = image.shape
    low, high_x, high_y = np.float32(-PAD), np.float32(width + PAD), np.float32(height + PAD)
    for y in range(height):
        for x in range(width):
            at_x, at_y = np.float32(x) + u1[y, x], np.float32(y) + u2[y, x]
            at_x = at_x if at_x > low else low
            at_x = at_x if at_x < high_x else high_x
            at_y = at_y if at_y > low else low
            at_y = at_y if at_y < high_y else high_y
            scratch[0, x], scratch[1, x] = np.floor(at_x), np.floor(at_y)
            scratch[2, x], scratch[3, x] = at_x - scratch[0, x], at_y - scratch[1, x]
        for x in range(width):
            column = min(max(int(scratch[0, x]) - 1 + PAD, 0), width + PAD)
            row = min(max(int(scratch[1, x]) - 1 + PAD, 0), height + PAD)
            wx, wy = cubic(scratch[2, x]), cubic(scratch[3, x])
            image[y, x], gx[y, x], gy[y, x] = blend(texels, row, column, wy, wx)  # type: ignore[call-arg]
