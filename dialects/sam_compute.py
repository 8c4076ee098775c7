"""
The `sam` operations that combine coordinates and compute values.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 4.2 to 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from xdsl.dialects.builtin import (
    FloatAttr,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import SpacedOpaqueSyntaxAttribute, SSAValue
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

from headrace.dialects.sam_alu import AluKind, operand_count, result_type
from headrace.dialects.sam_operation import (
    expect_depth,
    expect_inside,
    expect_same_axes,
    expect_stream,
)
from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.stream_operation import Properties, StreamOperation, Types, scalar_attribute


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


@irdl_attr_definition
class AluKindAttr(EnumAttribute[AluKind], SpacedOpaqueSyntaxAttribute):
    """What an ALU computes."""

    name = "sam.alu_kind"


@irdl_op_definition
class AluOp(StreamOperation, HasCanonicalizationPatternsInterface):
    """
    Computes a value of the values at one place of each operand; absent values count as 0.

    Comparisons give 1 or 0. Tiles are combined element by element, tiles of one row or column
    repeated; `matmul`, `transpose` and the sums and extremes of rows and columns are of tiles only.
    Of integers, quotients, powers and transcendental functions are `f64`, as is anything that a
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
        elements = [input.element_type for input in inputs]
        result = result_type(cls.name, op.data, elements, properties.get("scalar"))
        return (inputs[0].of(Kind.VAL, result),)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.sam import alu_patterns

        return alu_patterns()


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
