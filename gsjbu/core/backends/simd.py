"""Explicit vector arithmetic inside numba: a 16-lane float32 type with loads, stores and operators.

Left to itself the compiler vectorises a loop only if it can prove, or cheaply check, that its arrays do not
overlap; ours touch too many. Here each operation says what it is. 16 lanes are one AVX-512 register, two of
AVX2, four of NEON: LLVM splits what the machine does not have.

    x = load(buffer, i)          16 floats of a contiguous 1-d float32 array, from index i
    y = x * x - 2.0 * splat(a)   operators mix vectors and float32 scalars; a·b + c becomes one fused operation
    store(buffer, i, y); s = total(y)
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16
_SINGLE, _WORD = ir.FloatType(), ir.IntType(32)
_VECTOR, _WORDS = ir.VectorType(_SINGLE, LANES), ir.VectorType(_WORD, LANES)
_FUSE = ("contract",)

# 2^f on [-1/2, 1/2], degree 5 through the Chebyshev nodes; relative error 1.0e-7.
EXP2 = (1.0000000754548972, 0.6931471880262281, 0.24022107485308397,
        0.05550357114219054, 0.009676031918353737, 0.001339086336471391)  # fmt: skip


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="float32x16")


vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [_SINGLE(value)] * LANES)


def _splat(builder, scalar):
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, _WORD(0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_WORDS, [0] * LANES))


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@intrinsic
def splat(typingctx, scalar):
    """The scalar in every lane."""

    def codegen(context, builder, signature, args):
        return _splat(builder, args[0])

    return vector(types.float32), codegen


@intrinsic
def steps_from(typingctx, first):
    """first, first + 1, …, first + 15."""

    def codegen(context, builder, signature, args):
        steps = ir.Constant(_VECTOR, [_SINGLE(float(k)) for k in range(LANES)])
        return builder.fadd(_splat(builder, args[0]), steps)

    return vector(types.float32), codegen


@intrinsic
def load(typingctx, array, index):
    """16 floats from ``index`` of a contiguous 1-d float32 array; nothing checks that they are there."""

    def codegen(context, builder, signature, args):
        return builder.load(_address(context, builder, signature.args[0], *args), align=4)

    return vector(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Put 16 floats at ``index`` of a contiguous 1-d float32 array."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _address(context, builder, signature.args[0], args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), codegen


@intrinsic
def stream(typingctx, array, index, value):
    """As ``store``, past the cache; the address must be a multiple of 64 bytes. For results nobody reads soon."""

    def codegen(context, builder, signature, args):
        instruction = builder.store(args[2], _address(context, builder, signature.args[0], args[0], args[1]), align=64)
        instruction.set_metadata("nontemporal", builder.module.add_metadata([_WORD(1)]))
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), codegen


@intrinsic
def store_some(typingctx, array, index, value, count):
    """Put the first ``count`` of 16 floats at ``index``, and nothing behind them."""

    def codegen(context, builder, signature, args):
        array, index, value, count = args
        lanes = ir.Constant(_WORDS, list(range(LANES)))
        many = builder.trunc(count, _WORD)
        whole = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), many, _WORD(0))
        whole = builder.shuffle_vector(whole, ir.Constant(_WORDS, ir.Undefined), ir.Constant(_WORDS, [0] * LANES))
        some = builder.icmp_signed("<", lanes, whole)
        address = _address(context, builder, signature.args[0], array, index)
        kinds = (_VECTOR, address.type, _WORD, ir.VectorType(ir.IntType(1), LANES))
        masked = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), f"llvm.masked.store.v{LANES}f32.p0"
        )
        builder.call(masked, (value, address, _WORD(4), some))
        return context.get_dummy_value()

    return types.none(array, types.intp, vector, types.intp), codegen


@intrinsic
def pick(typingctx, array, start, indices, first):
    """array[start + indices[first + k]] in lane k."""

    def codegen(context, builder, signature, args):
        array, start, indices, first = args
        data = context.make_array(signature.args[0])(context, builder, array).data
        where = context.make_array(signature.args[2])(context, builder, indices).data
        v = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            index = builder.load(builder.gep(where, [builder.add(first, first.type(lane))]))
            v = builder.insert_element(v, builder.load(builder.gep(data, [builder.add(start, index)])), _WORD(lane))
        return v

    return vector(array, types.intp, indices, types.intp), codegen


@intrinsic
def zip_low(typingctx, x, y):
    """The first halves, lane by lane in turn: x0, y0, x1, y1, …"""

    def codegen(context, builder, signature, args):
        mask = [k // 2 + LANES * (k % 2) for k in range(LANES)]
        return builder.shuffle_vector(*args, ir.Constant(_WORDS, mask))

    return vector(vector, vector), codegen


@intrinsic
def zip_high(typingctx, x, y):
    """The second halves, lane by lane in turn."""

    def codegen(context, builder, signature, args):
        mask = [LANES // 2 + k // 2 + LANES * (k % 2) for k in range(LANES)]
        return builder.shuffle_vector(*args, ir.Constant(_WORDS, mask))

    return vector(vector, vector), codegen


@intrinsic
def total(typingctx, x):
    """The sum of the lanes, halves onto halves: always in the same order."""

    def codegen(context, builder, signature, args):
        v, width = args[0], LANES
        while width > 1:
            width //= 2
            mask = [width + k if k < width else 0 for k in range(LANES)]
            v = builder.fadd(v, builder.shuffle_vector(v, v, ir.Constant(_WORDS, mask)))
        return builder.extract_element(v, _WORD(0))

    return types.float32(vector), codegen


@intrinsic
def add_totals(typingctx, array, index, a, b, c, d):
    """Add the totals of four vectors to array[index : index + 4]; halves onto halves, all four together."""

    def fold(builder, x, y, width):
        # Lanes come in groups of ``width``: the halves of x's groups are added, then those of y's.
        groups = range(0, LANES, width)
        low = [g + k for g in groups for k in range(width // 2)] + [
            LANES + g + k for g in groups for k in range(width // 2)
        ]
        high = [k + width // 2 for k in low]
        return builder.fadd(
            builder.shuffle_vector(x, y, ir.Constant(_WORDS, low)),
            builder.shuffle_vector(x, y, ir.Constant(_WORDS, high)),
        )

    def codegen(context, builder, signature, args):
        array, index, va, vb, vc, vd = args
        v = fold(builder, fold(builder, va, vb, 16), fold(builder, vc, vd, 16), 8)  # four lanes each
        for width in (4, 2):
            v = fold(builder, v, v, width)  # the second half repeats the first
        data = context.make_array(signature.args[0])(context, builder, array).data
        for lane in range(4):
            address = builder.gep(data, [builder.add(index, index.type(lane))])
            builder.store(builder.fadd(builder.load(address), builder.extract_element(v, _WORD(lane))), address)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector, vector, vector, vector), codegen


def _select(builder, comparison, a, b):
    return builder.select(builder.fcmp_ordered(comparison, a, b), a, b)


@intrinsic
def larger(typingctx, x, y):
    """The larger of each lane."""

    def codegen(context, builder, signature, args):
        return _select(builder, ">", *args)

    return vector(vector, vector), codegen


@intrinsic
def lowest_lane(typingctx, x):
    """The smallest of the lanes."""

    def codegen(context, builder, signature, args):
        v, width = args[0], LANES
        while width > 1:
            width //= 2
            mask = [width + k if k < width else k for k in range(LANES)]
            v = _select(builder, "<", v, builder.shuffle_vector(v, v, ir.Constant(_WORDS, mask)))
        return builder.extract_element(v, _WORD(0))

    return types.float32(vector), codegen


@intrinsic
def any_at_most(typingctx, x, y):
    """Whether x ≤ y in any lane."""

    def codegen(context, builder, signature, args):
        lanes = builder.bitcast(builder.fcmp_ordered("<=", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", lanes, ir.IntType(LANES)(0))

    return types.boolean(vector, vector), codegen


@intrinsic
def smaller(typingctx, x, y):
    """The smaller of each lane."""

    def codegen(context, builder, signature, args):
        return _select(builder, "<", *args)

    return vector(vector, vector), codegen


@intrinsic
def where_less(typingctx, a, b, x, y):
    """x in the lanes where a < b, y in the others."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return vector(vector, vector, vector, vector), codegen


@intrinsic
def root(typingctx, x):
    """√x of each lane."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f32")
        return builder.call(function, args)

    return vector(vector), codegen


@intrinsic
def magnitude(typingctx, x):
    """|x| of each lane."""

    def codegen(context, builder, signature, args):
        bits = builder.and_(builder.bitcast(args[0], _WORDS), ir.Constant(_WORDS, [0x7FFFFFFF] * LANES))
        return builder.bitcast(bits, _VECTOR)

    return vector(vector), codegen


@intrinsic
def signed(typingctx, x, size):
    """``size`` with the sign of x in each lane, and 0 where x is 0."""

    def codegen(context, builder, signature, args):
        zero = _constant(0.0)
        size = _splat(builder, args[1])
        below = builder.select(builder.fcmp_ordered("<", args[0], zero), builder.fneg(size), zero)
        return builder.select(builder.fcmp_ordered(">", args[0], zero), size, below)

    return vector(vector, types.float32), codegen


@intrinsic
def scaled(typingctx, x, exponent):
    """x·2^exponent for whole exponents with which it is neither too large nor a denormal."""

    def codegen(context, builder, signature, args):
        bits = builder.shl(builder.fptosi(args[1], _WORDS), ir.Constant(_WORDS, [23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(args[0], _WORDS), bits), _VECTOR)

    return vector(vector, vector), codegen


@intrinsic
def exp2_negative(typingctx, x):
    """2^x for x ≤ 0, in each lane; exactly 0 below 2^-64, so that no later product is a denormal (they are slow)."""

    def codegen(context, builder, signature, args):
        lowest = _constant(-64.0)
        t = _select(builder, ">", args[0], lowest)
        whole = builder.fptosi(builder.fsub(t, _constant(0.5)), _WORDS)  # towards zero: the nearest, as t ≤ 0
        f = builder.fsub(t, builder.sitofp(whole, _VECTOR))
        power = _constant(EXP2[-1])
        for c in EXP2[-2::-1]:
            power = builder.fadd(builder.fmul(power, f, flags=_FUSE), _constant(c), flags=_FUSE)
        # Adding to the exponent's bits multiplies by 2^whole.
        exponent = builder.shl(whole, ir.Constant(_WORDS, [23] * LANES))
        scaled = builder.bitcast(builder.add(builder.bitcast(power, _WORDS), exponent), _VECTOR)
        return builder.select(builder.fcmp_ordered(">", args[0], lowest), scaled, _constant(0.0))

    return vector(vector), codegen


_OPERATIONS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


def _install(op, name: str) -> None:
    class Typing(AbstractTemplate):
        def generic(self, args, kws):
            if kws or len(args) != 2 or vector not in args:
                return None
            if all(a == vector or isinstance(a, types.Float) for a in args):
                return signature(vector, *(a if a == vector else types.float32 for a in args))
            return None

    infer_global(op)(Typing)

    def lower(context, builder, sig, args):
        a, b = (v if t == vector else _splat(builder, v) for v, t in zip(args, sig.args, strict=True))
        return getattr(builder, name)(a, b, flags=_FUSE)

    for left, right in ((vector, vector), (vector, types.float32), (types.float32, vector)):
        lower_builtin(op, left, right)(lower)


for _op, _name in _OPERATIONS.items():
    _install(_op, _name)
