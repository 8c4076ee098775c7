"""
The `sam` operations that combine coordinates and compute values.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 4.2 to 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    AnyTensorType,
    FloatAttr,
    IntegerType,
    TensorType,
    f64,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    SameVariadicOperandSize,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.sam_operation import (
    Properties,
    StreamOperation,
    Types,
    expect_depth,
    expect_inside,
    expect_same_axes,
    expect_stream,
    scalar_attribute,
)
from headrace.dialects.sam_types import Kind, StreamType


class JoinOperation(StreamOperation):
    """
    Walks n fibers together: n coordinate streams, then n streams that belong to them.

    Results: the joined coordinates, and each of the n streams at those coordinates.
    """

    crds = var_operand_def(StreamType)
    streams = var_operand_def(StreamType)
    crd = result_def(StreamType)
    outputs = var_result_def(StreamType)

    irdl_options = (SameVariadicOperandSize(),)

    def __init__(self, crds: Sequence[SSAValue], streams: Sequence[SSAValue]):
        super().__init__(*crds, *streams)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        half = len(types) // 2
        if half == 0 or len(types) % 2:
            raise VerifyException(
                f"'{cls.name}' needs as many streams as coordinate streams, and at least one"
            )
        crds = [expect_stream(cls.name, type, "crds", Kind.CRD) for type in types[:half]]
        streams = [
            expect_stream(cls.name, type, "streams", Kind.REF, Kind.VAL) for type in types[half:]
        ]
        expect_depth(cls.name, crds[0], "coordinates")
        expect_same_axes(cls.name, [*crds, *streams])
        return crds[0], *streams


@irdl_op_definition
class IntersectOp(JoinOperation, HasCanonicalizationPatternsInterface):
    """
    The coordinates that all operands have.

    `%crd, %a, %b = sam.intersect %c0, %c1, %r0, %r1 : ..`
    """

    name = "sam.intersect"

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.sam import join_patterns

        return join_patterns()


@irdl_op_definition
class UnionOp(JoinOperation, HasCanonicalizationPatternsInterface):
    """
    The coordinates that any operand has; a stream that lacks one is absent (`N`) there.

    `%crd, %a, %b = sam.union %c0, %c1, %r0, %r1 : ..`
    """

    name = "sam.union"

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.sam import join_patterns

        return join_patterns()


class AluKind(StrEnum):
    """What an ALU computes of x, y (or the scalar), z."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    MAX = "max"
    MIN = "min"
    POW = "pow"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    EQ = "eq"
    NE = "ne"
    RSUB = "rsub"
    """scalar - x"""
    RDIV = "rdiv"
    """scalar / x"""
    NEG = "neg"
    ABS = "abs"
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    RSQRT = "rsqrt"
    SIN = "sin"
    COS = "cos"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    ERF = "erf"
    MASK = "mask"
    """x where y != 0, else the scalar"""
    FILL = "fill"
    """the scalar where y != 0, else x"""
    WHERE = "where"
    """y where x != 0, else z"""
    MATMUL = "matmul"
    """the matrix product of two tiles"""


COMPARISONS = frozenset(map(AluKind, ("gt", "ge", "lt", "le", "eq", "ne")))
BINARY = COMPARISONS | frozenset(
    map(AluKind, ("add", "sub", "mul", "div", "max", "min", "pow"))
)  # the scalar may stand for y
FLOAT_VALUED = frozenset(
    map(AluKind, ("div", "rdiv", "pow", "exp", "log", "sqrt", "rsqrt"))
) | frozenset(map(AluKind, ("sin", "cos", "tanh", "sigmoid", "erf")))
"""Of integers they give `f64`; the others stay integers unless their scalar is none."""
SCALAR_FIRST = frozenset({AluKind.RSUB, AluKind.RDIV})
SCALAR_CHOICE = frozenset({AluKind.MASK, AluKind.FILL})


def operand_count(kind: AluKind, with_scalar: bool) -> int | None:
    """How many streams the operation takes, or None if the scalar is missing or too much."""
    if kind in BINARY:
        return 1 if with_scalar else 2
    if kind in SCALAR_FIRST | SCALAR_CHOICE:
        count = 1 if kind in SCALAR_FIRST else 2
        return count if with_scalar else None
    if with_scalar:
        return None
    return {AluKind.WHERE: 3, AluKind.MATMUL: 2}.get(kind, 1)


@irdl_attr_definition
class AluKindAttr(EnumAttribute[AluKind], SpacedOpaqueSyntaxAttribute):
    """What an ALU computes."""

    name = "sam.alu_kind"


@irdl_op_definition
class AluOp(StreamOperation, HasCanonicalizationPatternsInterface):
    """
    Computes a value of the values at one place of each operand; absent values count as 0.

    Comparisons give 1 or 0. Tiles are combined element by element, except by `matmul`. Of
    integers, quotients, powers and transcendental functions are `f64`, as is anything that a
    scalar that is no integer takes part in.

    `%y = sam.alu %x op max scalar 0.0 : f64 : !sam.stream<val, f64, [i, j]>`
    """

    name = "sam.alu"

    inputs = var_operand_def(StreamType)
    op = prop_def(AluKindAttr)
    scalar = opt_prop_def(FloatAttr)
    result = result_def(StreamType)

    def __init__(self, op: AluKind | str, inputs: Sequence[SSAValue], scalar: float | None = None):
        super().__init__(*inputs, op=AluKindAttr(AluKind(op)), scalar=scalar_attribute(scalar))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        op = properties["op"]
        assert isinstance(op, AluKindAttr)
        count = operand_count(op.data, "scalar" in properties)
        if count is None:
            needs = "takes no" if "scalar" in properties else "needs a"
            raise VerifyException(f"'{cls.name}' with op {op.data} {needs} scalar")
        if count != len(types):
            raise VerifyException(
                f"'{cls.name}' with op {op.data} takes {count} streams, but got {len(types)}"
            )
        inputs = [expect_stream(cls.name, type, "input", Kind.VAL) for type in types]
        expect_same_axes(cls.name, inputs)
        if op.data is AluKind.MATMUL:
            left, right = (input.element_type for input in inputs)
            return (inputs[0].of(Kind.VAL, _product(left, right)),)
        common = _common(cls.name, [i.element_type for i in inputs])
        if op.data in FLOAT_VALUED or not _is_whole(properties.get("scalar"), op.data):
            common = _as_float(common)
        return (inputs[0].of(Kind.VAL, common),)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.sam import alu_patterns

        return alu_patterns()


def _common(operation: str, types: Sequence[Attribute]) -> Attribute:
    """
    The type of values combined element by element: the widest float, else the widest integer.

    So a mask of type i1 can choose between, or scale, numbers of any type.
    """
    tiles = [cast(AnyTensorType, type) for type in types if isinstance(type, TensorType)]
    if not tiles:
        return _widest(types)
    shapes = {tile.get_shape() for tile in tiles}
    if len(tiles) < len(types) or len(shapes) > 1:
        raise VerifyException(
            f"'{operation}' combines tiles of one shape, but got {', '.join(map(str, types))}"
        )
    return TensorType(_widest([tile.element_type for tile in tiles]), shapes.pop())


def _widest(types: Sequence[Attribute]) -> Attribute:
    """The widest float, else the widest integer."""
    floats = [type for type in types if isinstance(type, AnyFloat)]
    if floats:
        return max(floats, key=_float_width)
    return max(types, key=_integer_width)


def _is_whole(scalar: Attribute | None, op: AluKind) -> bool:
    """Whether integers and `scalar` give integers; comparisons do in any case."""
    if op in COMPARISONS or not isinstance(scalar, FloatAttr):
        return True
    return scalar.value.data.is_integer()


def _as_float(type: Attribute) -> Attribute:
    """`f64` for an integer type, element by element of a tile."""
    if isinstance(type, TensorType):
        tile = cast(AnyTensorType, type)
        return TensorType(_as_float(tile.element_type), tile.get_shape())
    return f64 if isinstance(type, IntegerType) else type


def _float_width(type: AnyFloat) -> int:
    return type.bitwidth


def _integer_width(type: Attribute) -> int:
    return cast(IntegerType[Any, Any], type).width.data


def _product(left: Attribute, right: Attribute) -> Attribute:
    """The type of the matrix product of two tiles."""
    tiles = [cast(AnyTensorType, tile) for tile in (left, right) if isinstance(tile, TensorType)]
    match [tile.get_shape() for tile in tiles]:
        case [(m, k), (n, o)] if k == n:
            return TensorType(_widest([tile.element_type for tile in tiles]), (m, o))
        case _:
            raise VerifyException(
                f"'{AluOp.name}' with op matmul multiplies tiles m x k and k x n, "
                f"but got {left} and {right}"
            )


class ReductionKind(StrEnum):
    """An associative, commutative combination of values."""

    ADD = "add"
    MAX = "max"
    MIN = "min"


@irdl_attr_definition
class ReductionKindAttr(EnumAttribute[ReductionKind], SpacedOpaqueSyntaxAttribute):
    """An associative, commutative combination of values."""

    name = "sam.reduction_kind"


@irdl_op_definition
class ReduceOp(StreamOperation):
    """
    One value for each innermost fiber: 0 (add), -inf (max) or inf (min) if it is empty.

    `%y = sam.reduce %x op add : !sam.stream<val, f64, [i, j]>`
    """

    name = "sam.reduce"

    val = operand_def(StreamType)
    op = prop_def(ReductionKindAttr)
    result = result_def(StreamType)

    def __init__(self, val: SSAValue, op: ReductionKind | str = ReductionKind.ADD):
        super().__init__(val, op=ReductionKindAttr(ReductionKind(op)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        val = expect_stream(cls.name, types[0], "val", Kind.VAL)
        expect_depth(cls.name, val, "values")
        return (val.pop(),)


@irdl_op_definition
class AccumulateOp(StreamOperation):
    """
    Reduces over an outer axis r into sorted fibers: (p, r, a1, .., an) to (p, a1, .., an).

    Operands: coordinates of r, then of a1 to an, each nested in the one before, and values.
    Results: coordinates of a1 to an and values, without r. The order of the accumulator is n.

    `%j, %v = sam.accumulate %k, %kj, %kv op add : ..`
    """

    name = "sam.accumulate"

    crds = var_operand_def(StreamType)
    val = operand_def(StreamType)
    op = prop_def(ReductionKindAttr)
    out_crds = var_result_def(StreamType)
    out_val = result_def(StreamType)

    def __init__(
        self,
        crds: Sequence[SSAValue],
        val: SSAValue,
        op: ReductionKind | str = ReductionKind.ADD,
    ):
        super().__init__(*crds, val, op=ReductionKindAttr(ReductionKind(op)))

    @property
    def order(self) -> int:
        """The number of axes that the result has inside the reduced one's place."""
        return len(self.crds) - 1

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        if len(types) < 3:
            raise VerifyException(
                f"'{cls.name}' needs coordinates of the reduced axis and of at least one axis "
                "inside it; use 'sam.reduce' for an innermost axis"
            )
        crds = [expect_stream(cls.name, type, "crds", Kind.CRD) for type in types[:-1]]
        val = expect_stream(cls.name, types[-1], "val", Kind.VAL)
        expect_depth(cls.name, crds[0], "coordinates")
        for outer, inner in pairwise(crds):
            expect_inside(cls.name, outer, inner)
        expect_same_axes(cls.name, [crds[-1], val])
        reduced = crds[0].depth - 1
        return tuple(_without(stream, reduced) for stream in (*crds[1:], val))


def _without(stream: StreamType, position: int) -> StreamType:
    axes = stream.axis_names
    kept = axes[:position] + axes[position + 1 :]
    return StreamType(stream.kind.data, stream.element_type, kept)
