"""
Functions that are composed of several primitive tensor operations.

Each primitive becomes one `linalg.generic`, so that a scheduler sees every kernel; all of them
carry one `headrace.composite` name. Softmax is dense: every element takes part, and a row of
minus infinities is undefined (NaN). Masked softmax is `mask_out`, then `softmax` with
`empty=True`: a row of which nothing is left is 0, as in PyTorch's attention. The same goes for a
softmax of what a sparse mask leaves; PyTorch gives NaN for its empty rows, which would have to be
visited only to be filled with NaN.
"""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, FloatAttr, bf16, i1
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import BlockArgument, SSAValue

from headrace.dialects.sparse_tensor import format_of
from headrace.frontends import scalars
from headrace.frontends.builder import EntryBuilder, View
from headrace.frontends.scalars import Scalars
from headrace.storage.bfloat16 import LARGEST_BFLOAT16
from headrace.storage.levels import Format


def unary(emit: EntryBuilder, name: str, x: View, format: Format | None = None) -> View:
    """One of `scalars.UNARY` on every element."""
    return emit.elementwise([x], scalars.unary(name), format=format)


def binary(
    emit: EntryBuilder, name: str, x: View | float, y: View | float, format: Format | None = None
) -> View:
    """One of `scalars.BINARY` on every element; a number stands for a tensor full of it."""
    if isinstance(x, View) and isinstance(y, View):
        return emit.elementwise([x, y], scalars.binary(name), format=format)

    def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        (value,) = values
        lhs = value if isinstance(x, View) else s.constant(x, value.type)
        rhs = value if isinstance(y, View) else s.constant(y, value.type)
        return s.binary(name, lhs, rhs)

    tensors = [operand for operand in (x, y) if isinstance(operand, View)]
    return emit.elementwise(tensors, body, format=format)


def relu(emit: EntryBuilder, x: View, format: Format | None = None) -> View:
    """`max(x, 0)`."""
    return binary(emit, "max", x, 0.0, format)


def sigmoid(emit: EntryBuilder, x: View) -> View:
    """`1 / (1 + exp(-x))`."""
    with emit.composite("sigmoid"):
        power = unary(emit, "exp", unary(emit, "neg", x))
        return binary(emit, "div", 1.0, binary(emit, "add", power, 1.0))


def silu(emit: EntryBuilder, x: View) -> View:
    """`x * sigmoid(x)`."""
    with emit.composite("silu"):
        return binary(emit, "mul", x, sigmoid(emit, x))


def gelu(emit: EntryBuilder, x: View) -> View:
    """`x * (1 + erf(x / sqrt(2))) / 2`."""
    with emit.composite("gelu"):
        inner = unary(emit, "erf", binary(emit, "mul", x, math.sqrt(0.5)))
        return _half_of_product(emit, x, inner)


def gelu_tanh(emit: EntryBuilder, x: View) -> View:
    """`x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`."""
    with emit.composite("gelu"):
        cube = binary(emit, "mul", binary(emit, "mul", x, x), x)
        inner = binary(emit, "add", x, binary(emit, "mul", cube, 0.044715))
        scaled = binary(emit, "mul", inner, math.sqrt(2 / math.pi))
        return _half_of_product(emit, x, unary(emit, "tanh", scaled))


def _half_of_product(emit: EntryBuilder, x: View, inner: View) -> View:
    shifted = binary(emit, "add", inner, 1.0)
    return binary(emit, "mul", binary(emit, "mul", x, shifted), 0.5)


def softmax(emit: EntryBuilder, x: View, dimension: int, *, empty: bool = False) -> View:
    """
    `exp(x - max x) / sum exp(x - max x)` along `dimension`.

    With `empty`, a row that is minus infinity everywhere gives 0: its maximum is replaced by the
    lowest finite number, and its sum by 1, which no other sum falls below.
    """
    with emit.composite("softmax"):
        largest = emit.reduce(x, [dimension], "max").insert(dimension)
        if empty:
            largest = binary(emit, "max", largest, _lowest(x))
        power = unary(emit, "exp", binary(emit, "sub", x, largest))
        total = emit.reduce(power, [dimension], "add").insert(dimension)
        if empty:
            total = binary(emit, "max", total, 1.0)
        return binary(emit, "div", power, total)


def _lowest(x: View) -> float:
    """The lowest finite number of the element type."""
    if x.element == bf16:
        return -LARGEST_BFLOAT16
    sizes = {16: np.float16, 32: np.float32, 64: np.float64}
    return float(np.finfo(sizes[cast(AnyFloat, x.element).bitwidth]).min)


def log_softmax(emit: EntryBuilder, x: View, dimension: int) -> View:
    """`x - max x - log sum exp(x - max x)` along `dimension`."""
    with emit.composite("log_softmax"):
        largest = emit.reduce(x, [dimension], "max").insert(dimension)
        shifted = binary(emit, "sub", x, largest)
        total = emit.reduce(unary(emit, "exp", shifted), [dimension], "add").insert(dimension)
        return binary(emit, "sub", shifted, unary(emit, "log", total))


def mask_out(emit: EntryBuilder, x: View, mask: View) -> View:
    """`x` where `mask` is not zero, else minus infinity."""

    def body(s: Scalars, values: Sequence[SSAValue]) -> SSAValue:
        value, allowed = values
        return s.select(s.nonzero(allowed), value, s.constant(-math.inf, value.type))

    return emit.elementwise([x, mask], body)


def is_masked_sparsely(x: View) -> bool:
    """
    Whether `x` is minus infinity wherever a sparse tensor stores nothing.

    Seen through at most comparisons of the mask: `x.masked_fill(mask == 0, -inf)`.
    """
    op = x.base.owner
    if not isinstance(op, GenericOp):
        return False
    choice = op.body.block.last_op
    select = choice.operands[0].owner if choice is not None else None
    if not isinstance(select, arith.SelectOp) or not isinstance(select.cond, BlockArgument):
        return False
    return any(map(_is_minus_infinity, (select.lhs, select.rhs))) and _is_sparse(
        op.inputs[select.cond.index]
    )


def _is_minus_infinity(value: SSAValue) -> bool:
    op = value.owner
    return (
        isinstance(op, arith.ConstantOp)
        and isinstance(op.value, FloatAttr)
        and op.value.value.data == -math.inf
    )


def _is_sparse(value: SSAValue) -> bool:
    if not format_of(value.type).is_dense:
        return True
    op = value.owner
    return isinstance(op, GenericOp) and len(op.inputs) == 1 and _is_sparse(op.inputs[0])


def mean(emit: EntryBuilder, x: View, dimensions: Sequence[int]) -> View:
    """The sum over `dimensions`, which disappear, divided by the number of elements."""
    total = emit.reduce(x, dimensions, "add")
    extents = [x.shape[d] for d in dimensions]
    static = [extent for extent in extents if isinstance(extent, int)]
    result = binary(emit, "div", total, float(math.prod(static)))
    for extent in extents:
        if isinstance(extent, str):
            result = binary(emit, "div", result, emit.number(extent, result.element))
    return result


def layer_norm(
    emit: EntryBuilder,
    x: View,
    dimensions: Sequence[int],
    weight: View | None,
    bias: View | None,
    epsilon: float,
) -> View:
    """
    `(x - mean) / sqrt(variance + epsilon) * weight + bias`, with mean and variance over
    `dimensions`.
    """
    with emit.composite("layer_norm"):
        centered = binary(emit, "sub", x, keep(mean(emit, x, dimensions), dimensions))
        variance = mean(emit, binary(emit, "mul", centered, centered), dimensions)
        scale = unary(emit, "rsqrt", binary(emit, "add", variance, epsilon))
        result = binary(emit, "mul", centered, keep(scale, dimensions))
        if weight is not None:
            result = binary(emit, "mul", result, weight)
        return result if bias is None else binary(emit, "add", result, bias)


def keep(view: View, dimensions: Sequence[int]) -> View:
    """Insert dimensions of size 1 where a reduction removed `dimensions`."""
    for dimension in sorted(dimensions):
        view = view.insert(dimension)
    return view


def attention(
    emit: EntryBuilder,
    query: View,
    key: View,
    value: View,
    mask: View | None,
    scale: float,
) -> View:
    """
    Scaled dot-product attention, `softmax(scale * query key^T) value`.

    `query` is `.. x L x E`, `key` `.. x S x E`, `value` `.. x S x V`, all with the same leading
    dimensions. A boolean `mask`, broadcast to `.. x L x S`, says which positions take part; a
    mask of numbers is added to the scores. A row without any allowed position gives 0.
    """
    with emit.composite("attention"):
        batch = [f"b{d}" for d in range(query.rank - 2)]
        scores = emit.contract(
            (query, [*batch, "l", "e"]), (key, [*batch, "s", "e"]), [*batch, "l", "s"]
        )
        scores = binary(emit, "mul", scores, scale)
        if mask is not None:
            masked = mask.element == i1
            scores = mask_out(emit, scores, mask) if masked else binary(emit, "add", scores, mask)
        weights = softmax(emit, scores, scores.rank - 1, empty=mask is not None)
        return emit.contract(
            (weights, [*batch, "l", "s"]), (value, [*batch, "s", "v"]), [*batch, "l", "v"]
        )
