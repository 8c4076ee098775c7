"""
Canonicalization of `sam`: joins of one operand, operands that occur twice, arithmetic that
changes nothing.
"""

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import (
    PatternRewriter,
    RewritePattern,
    op_type_rewrite_pattern,
)

from headrace.dialects import sam
from headrace.dialects.sam_absence import may_be_absent

NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0, "pow": 1.0}
"""The scalar that leaves x as it is."""


class RemoveUnaryJoin(RewritePattern):
    """A join of one operand is that operand."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: sam.IntersectOp | sam.UnionOp, rewriter: PatternRewriter
    ) -> None:
        if len(op.crds) == 1:
            rewriter.replace(op, (), (*op.crds, *op.streams))


class MergeEqualOperands(RewritePattern):
    """An operand of a join that occurs twice is joined once."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: sam.IntersectOp | sam.UnionOp, rewriter: PatternRewriter
    ) -> None:
        pairs = list(zip(op.crds, op.streams, strict=True))
        unique = list(dict.fromkeys(pairs))
        if len(unique) == len(pairs):
            return
        join = type(op)([crd for crd, _ in unique], [stream for _, stream in unique])
        outputs: Sequence[SSAValue] = [join.outputs[unique.index(pair)] for pair in pairs]
        rewriter.replace(op, join, (join.crd, *outputs))


class RemoveNeutralScalar(RewritePattern):
    """
    x + 0, x - 0, x * 1, x / 1 and x ** 1 are x.

    Not where x may be absent: the ALU turns an absent value into 0. Nor where the quotient of
    integers is a float.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: sam.AluOp, rewriter: PatternRewriter) -> None:
        if op.scalar is None or NEUTRAL.get(op.op.data) != op.scalar.value.data:
            return
        x = op.inputs[0]
        if not may_be_absent(x) and x.type == op.result.type:
            rewriter.replace(op, (), (x,))


def join_patterns() -> tuple[RewritePattern, ...]:
    """Patterns of `sam.intersect` and `sam.union`."""
    return (RemoveUnaryJoin(), MergeEqualOperands())


def alu_patterns() -> tuple[RewritePattern, ...]:
    """Patterns of `sam.alu`."""
    return (RemoveNeutralScalar(),)
