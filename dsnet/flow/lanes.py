"""A numba type of several float32 numbers that are computed at once, for loops over pixels.

LLVM vectorises a loop over many arrays only after it has proved that they do not overlap, and does
the rest of a row number by number. With this type the loop says what is to be done: sixteen pixels
at a time, over the padding of the row as well. LLVM splits a vector where the CPU's are shorter.

numba's cache notices an edit of a function's own file only. After an edit of this one, delete
``dsnet/flow/__pycache__``.

The operators +, -, * and / work on two :class:`LanesType` of one length. Without fast-math flags
of the calling function every operation is rounded by itself, as NumPy does.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, overload, register_model

LINE = 16  # float32 values per cache line
LEFT = LINE  # zero columns before column 0 of the dual's x components
FLOAT, DOUBLE, INDEX = ir.FloatType(), ir.DoubleType(), ir.IntType(32)


def plane(height: int, width: int) -> np.ndarray:
    """Make a zero array for ``width`` columns and ``height`` rows.

    Rows are aligned to cache lines, with :data:`LEFT` columns before and one after; there is one
    row more. Columns start at 0, but at ``LEFT`` for the dual's x components. Lanes may reach over
    the end of every row.
    """
    stride = -(-(LEFT + width + 1) // LINE) * LINE
    flat = np.zeros((height + 1) * stride + LINE, np.float32)
    start = -(flat.ctypes.data // flat.itemsize) % LINE
    return flat[start : start + (height + 1) * stride].reshape(height + 1, stride)


class LanesType(types.Type):
    """``count`` float32 numbers in one register or several."""

    def __init__(self, count: int):
        self.count = count
        super().__init__(f"lanes{count}")


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """A vector of LLVM."""

    def __init__(self, manager: Any, lanes: LanesType):
        super().__init__(manager, lanes, ir.VectorType(FLOAT, lanes.count))


LANES, FOUR = LanesType(LINE), LanesType(4)
intrinsic: Any = extending.intrinsic  # numba adds the first argument, `typing`


def _address(
    context: Any, builder: Any, signature: Any, arguments: Sequence[Any], count: int, channels: int
) -> Any:
    """Return the address of ``count`` numbers in a 2D float32 array.

    The arguments begin with the array, y and x. The numbers begin at column x * channels of row y.
    """
    array, y, x = arguments[:3]
    made = context.make_array(signature.args[0])(context, builder, array)
    stride = builder.extract_value(made.strides, 0)
    column = builder.mul(x, ir.Constant(stride.type, 4 * channels))
    start = builder.bitcast(made.data, cgutils.voidptr_t)
    start = builder.gep(start, [builder.add(builder.mul(y, stride), column)])
    return builder.bitcast(start, ir.VectorType(FLOAT, count).as_pointer())


def _shuffle(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    """Return the numbers of a vector at the indices ``lanes``."""
    mask = ir.Constant(ir.VectorType(INDEX, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, vector, mask)


def _loader(lanes: LanesType) -> Any:
    @intrinsic
    def load(typing, plane, y, x):
        def codegen(context, builder, signature, arguments):
            at = _address(context, builder, signature, arguments, lanes.count, 1)
            return builder.load(at, align=4)

        return lanes(plane, types.intp, types.intp), codegen

    return load


load, load_four = _loader(LANES), _loader(FOUR)


@intrinsic
def store(typing, plane, y, x, values):
    """Write lanes from column x of row y."""

    def codegen(context, builder, signature, arguments):
        at = _address(context, builder, signature, arguments, values.count, 1)
        builder.store(arguments[3], at, align=4)
        return context.get_dummy_value()

    return types.void(plane, types.intp, types.intp, values), codegen


@intrinsic
def spread(typing, value):
    """Repeat a float32 in all lanes."""

    def codegen(context, builder, signature, arguments):
        undefined = ir.Constant(ir.VectorType(FLOAT, 1), ir.Undefined)
        one = builder.insert_element(undefined, arguments[0], INDEX(0))
        return _shuffle(builder, one, [0] * LINE)

    return LANES(types.float32), codegen


@intrinsic
def repeat(typing, four):
    """Repeat each of four lanes four times: aaaabbbbccccdddd."""

    def codegen(context, builder, signature, arguments):
        return _shuffle(builder, arguments[0], [i // 4 for i in range(LINE)])

    return LANES(FOUR), codegen


@intrinsic
def fold(typing, lanes):
    """Add the four quarters of the lanes to four lanes."""

    def codegen(context, builder, signature, arguments):
        (total,) = arguments
        for half in (8, 4):
            low, high = range(half), range(half, 2 * half)
            total = builder.fadd(_shuffle(builder, total, low), _shuffle(builder, total, high))
        return total

    return FOUR(LANES), codegen


@intrinsic
def load_channel(typing, plane, y, x, channel):
    """Load one of four interleaved channels of sixteen pixels; ``channel`` is a literal."""

    def codegen(context, builder, signature, arguments):
        at = _address(context, builder, signature, arguments, 4 * LINE, 4)
        lanes = range(channel.literal_value, 4 * LINE, 4)
        return _shuffle(builder, builder.load(at, align=4), lanes)

    if not isinstance(channel, types.IntegerLiteral):
        return None
    return LANES(plane, types.intp, types.intp, channel), codegen


@intrinsic
def store_channels(typing, plane, y, x, a, b, c, d):
    """Write four interleaved channels of sixteen pixels."""

    def codegen(context, builder, signature, arguments):
        halves = [_join(builder, arguments[i], arguments[i + 1]) for i in (3, 5)]
        lanes = [channel * LINE + pixel for pixel in range(LINE) for channel in range(4)]
        values = _shuffle(builder, _join(builder, *halves), lanes)
        at = _address(context, builder, signature, arguments, 4 * LINE, 4)
        builder.store(values, at, align=4)
        return context.get_dummy_value()

    return types.void(plane, types.intp, types.intp, *(LANES,) * 4), codegen


def _join(builder: Any, a: Any, b: Any) -> Any:
    mask = ir.Constant(ir.VectorType(INDEX, 2 * a.type.count), list(range(2 * a.type.count)))
    return builder.shuffle_vector(a, b, mask)


@intrinsic
def first(typing, one, others):
    """Return ``others`` with the first lane of ``one``."""

    def codegen(context, builder, signature, arguments):
        mask = [0, *range(LINE + 1, 2 * LINE)]
        mask = ir.Constant(ir.VectorType(INDEX, LINE), mask)
        return builder.shuffle_vector(*arguments, mask)

    return LANES(LANES, LANES), codegen


def _chooser(relation: str) -> Any:
    @intrinsic
    def choose(typing, a, b, yes, no):
        def codegen(context, builder, signature, arguments):
            a, b, yes, no = arguments
            return builder.select(builder.fcmp_ordered(relation, a, b), yes, no)

        return LANES(LANES, LANES, LANES, LANES), codegen

    return choose


# choose(a, b, yes, no) by lane: ``yes`` where a < b, or a > b.
choose_less, choose_greater = _chooser("<"), _chooser(">")


def _function(name: str) -> Any:
    """Make an element-wise function of LLVM."""

    @intrinsic
    def compute(typing, x):
        def codegen(context, builder, signature, arguments):
            return _call(builder, name, arguments[0])

        return LANES(LANES), codegen

    return compute


root, floor = _function("sqrt"), _function("floor")


@intrinsic
def norm(typing, x, y):
    """Compute √(x² + y²) in float64, rounded once, like ``hypot``."""

    def codegen(context, builder, signature, arguments):
        doubles = ir.VectorType(DOUBLE, LINE)
        squares = [builder.fmul(v, v) for v in (builder.fpext(a, doubles) for a in arguments)]
        result = _call(builder, "sqrt", builder.fadd(*squares))
        return builder.fptrunc(result, ir.VectorType(FLOAT, LINE))

    return LANES(LANES, LANES), codegen


def _call(builder: Any, name: str, x: Any) -> Any:
    """Call a function of LLVM on a vector."""
    suffix = "f32" if x.type.element is FLOAT else "f64"
    kind = ir.FunctionType(x.type, [x.type])
    name = f"llvm.{name}.v{x.type.count}{suffix}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [x])


def _add_operator(function: Any, instruction: str) -> None:
    """Let an operator of two :class:`LanesType` be an instruction of LLVM."""

    @intrinsic
    def compute(typing, a, b):
        def codegen(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return a(a, b), codegen

    @overload(function)
    def of_lanes(a, b):
        if isinstance(a, LanesType) and a is b:
            return lambda a, b: compute(a, b)
        return None


_add_operator(operator.add, "fadd")
_add_operator(operator.sub, "fsub")
_add_operator(operator.mul, "fmul")
_add_operator(operator.truediv, "fdiv")
