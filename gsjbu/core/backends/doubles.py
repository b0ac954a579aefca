"""Eight float64 at once, over float32 arrays: the mathematics of an LR pixel, for a row of them.

At strides of 1 and 2 there are as many Gaussians as pixels, or a quarter; a library's exp, log1p, tanh, sin and
cos for each would cost ten times what its pixels do. The series here are Taylor's, cut off below 1e-8, a sixth of
float32's rounding.
"""

from __future__ import annotations

import math

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic, models, register_model

from gsjbu.core.backends.simd import install_operators
from gsjbu.core.compiler import njit

WIDE = 8
_DOUBLE, _WORD, _LONG = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_DOUBLES, _SINGLES = ir.VectorType(_DOUBLE, WIDE), ir.VectorType(ir.FloatType(), WIDE)
_LONGS, _WORDS = ir.VectorType(_LONG, WIDE), ir.VectorType(_WORD, WIDE)

_EXP = tuple(1 / math.factorial(k) for k in range(8))
_ATANH = tuple(1 / (2 * k + 1) for k in range(8))
_SIN = tuple((-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(7))
_COS = tuple((-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k) for k in range(7))
LOG2 = math.log(2)


class _Doubles(types.Type):
    def __init__(self) -> None:
        super().__init__(name="float64x8")


doubles = _Doubles()


@register_model(_Doubles)
class _DoublesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type) -> None:
        super().__init__(manager, numba_type, _DOUBLES)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_DOUBLES, [_DOUBLE(value)] * WIDE)


def _spread(builder, scalar):
    nothing = ir.Constant(_DOUBLES, ir.Undefined)
    first = builder.insert_element(nothing, scalar, _WORD(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * WIDE))


install_operators(doubles, types.float64, _spread)


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _SINGLES.as_pointer())


@intrinsic
def fill(typingctx, scalar):
    """The scalar in every lane."""

    def codegen(context, builder, signature, args):
        return _spread(builder, args[0])

    return doubles(types.float64), codegen


@intrinsic
def widen(typingctx, array, index):
    """8 floats from ``index`` of a contiguous 1-d float32 array, as float64; nothing checks that they are there."""

    def codegen(context, builder, signature, args):
        singles = builder.load(_address(context, builder, signature.args[0], *args), align=4)
        return builder.fpext(singles, _DOUBLES)

    return doubles(array, types.intp), codegen


@intrinsic
def narrow(typingctx, array, index, x):
    """Put x, rounded to float32, at ``index`` of a contiguous 1-d float32 array."""

    def codegen(context, builder, signature, args):
        singles = builder.fptrunc(args[2], _SINGLES)
        builder.store(singles, _address(context, builder, signature.args[0], args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, doubles), codegen


@intrinsic
def where_less(typingctx, a, b, x, y):
    """x in the lanes where a < b, y in the others."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return doubles(doubles, doubles, doubles, doubles), codegen


@intrinsic
def root(typingctx, x):
    """√x of each lane."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(_DOUBLES, [_DOUBLES])
        return builder.call(get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{WIDE}f64"), args)

    return doubles(doubles), codegen


@intrinsic
def _split(typingctx, x):
    """x as n·log 2 + rest: (rest, 2^n), n the nearest integer, |x| at most 700."""

    def codegen(context, builder, signature, args):
        # Added to 1.5·2^52, the lowest bits are the nearest integer.
        magic = _constant(1.5 * 2.0**52)
        shifted = builder.fadd(builder.fmul(args[0], _constant(1 / LOG2)), magic)
        whole = builder.fsub(shifted, magic)
        rest = builder.fsub(args[0], builder.fmul(whole, _constant(LOG2)))
        bits = builder.shl(builder.bitcast(shifted, _LONGS), ir.Constant(_LONGS, [52] * WIDE))
        power = builder.bitcast(builder.add(bits, builder.bitcast(_constant(1.0), _LONGS)), _DOUBLES)
        return context.make_tuple(builder, signature.return_type, (rest, power))

    return types.UniTuple(doubles, 2)(doubles), codegen


@njit(nogil=True, cache=True)
def lower_of(x, y):
    """The smaller of each lane."""
    return where_less(x, y, x, y)


@njit(nogil=True, cache=True)
def higher_of(x, y):
    """The larger of each lane."""
    return where_less(x, y, y, x)


@njit(nogil=True, cache=True)
def size_of(x):
    """|x| of each lane."""
    return higher_of(x, fill(0.0) - x)


@njit(nogil=True, cache=True)
def _series(coefficients, x):
    y = fill(coefficients[len(coefficients) - 1])
    for k in range(len(coefficients) - 2, -1, -1):
        y = y * x + coefficients[k]
    return y


@njit(nogil=True, cache=True)
def exp(x):
    """e^x for x up to 700."""
    rest, power = _split(higher_of(x, fill(-700.0)))
    return _series(_EXP, rest) * power


@njit(nogil=True, cache=True)
def softplus_and_slope(x):
    """log(1 + e^x), accurate where it is small, and its slope 1 / (1 + e^−x)."""
    e, zero, one = exp(fill(0.0) - size_of(x)), fill(0.0), fill(1.0)
    # log(1 + e) = 2·artanh(e / (2 + e)); both quotients from one division, which costs as much as a series.
    inverse = one / ((e + 1.0) * (e + 2.0))
    s = e * inverse * (e + 1.0)
    soft = higher_of(x, zero) + _series(_ATANH, s * s) * s * 2.0
    return soft, where_less(x, zero, e, one) * inverse * (e + 2.0)


@njit(nogil=True, cache=True)
def tanh(x):
    e = exp(size_of(x) * -2.0)
    t = (fill(1.0) - e) / (e + 1.0)
    return where_less(x, fill(0.0), fill(0.0) - t, t)


@njit(nogil=True, cache=True)
def cos_sin_pi(t):
    """cos πt and sin πt for t in −1…1."""
    far = size_of(t)
    near = where_less(far, fill(0.5), far, fill(1.0) - far)  # sin π(1 − t) = sin πt, cos π(1 − t) = −cos πt
    square = near * near
    cos, sin = _series(_COS, square), _series(_SIN, square) * near
    cos = where_less(far, fill(0.5), cos, fill(0.0) - cos)
    return cos, where_less(t, fill(0.0), fill(0.0) - sin, sin)
