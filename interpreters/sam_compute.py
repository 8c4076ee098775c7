"""The meaning of the `sam` operations that join and compute (`dialects/sam_compute.py`)."""

from collections.abc import Callable, Sequence
from typing import Any

from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.interpreters.sam_nested import (
    Nested,
    at,
    expect_increasing,
    leaves,
    unzip_at,
    zip_at,
)
from headrace.interpreters.sam_streams import depth_of, read_streams, write_streams
from headrace.interpreters.sam_tokens import ABSENT
from headrace.interpreters.sam_values import COMBINE, Value, compute, start, zero


@register_impls
class ComputeFunctions(InterpreterFunctions):
    """From streams to streams."""

    @impl(sam.IntersectOp)
    def intersect(
        self, interpreter: Interpreter, op: sam.IntersectOp, args: PythonValues
    ) -> PythonValues:
        return _join(op, args, lambda sets: set[int].intersection(*sets))

    @impl(sam.UnionOp)
    def union(self, interpreter: Interpreter, op: sam.UnionOp, args: PythonValues) -> PythonValues:
        return _join(op, args, lambda sets: set[int].union(*sets))

    @impl(sam.AluOp)
    def alu(self, interpreter: Interpreter, op: sam.AluOp, args: PythonValues) -> PythonValues:
        inputs = read_streams(op, args)
        scalar = None if op.scalar is None else op.scalar.value.data
        zeros = [zero(operand.type) for operand in op.inputs]
        like = zero(op.result.type)

        def value(*tokens: Any) -> Value:
            present = [z if t is ABSENT else t for t, z in zip(tokens, zeros, strict=True)]
            return compute(op.op.data, present, scalar, like)

        depth = depth_of(op.result.type)
        return write_streams(op, zip_at(f"'{op.name}'", depth, value, *inputs))

    @impl(sam.ReduceOp)
    def reduce(
        self, interpreter: Interpreter, op: sam.ReduceOp, args: PythonValues
    ) -> PythonValues:
        (values,) = read_streams(op, args)
        nothing, absent = start(op.op.data, zero(op.val.type)), zero(op.val.type)
        combine = COMBINE[op.op.data]

        def fold(fiber: list[Any]) -> Value:
            total = nothing
            for value in fiber:
                total = combine(total, absent if value is ABSENT else value)
            return total

        return write_streams(op, at(values, depth_of(op.val.type) - 1, fold))

    @impl(sam.AccumulateOp)
    def accumulate(
        self, interpreter: Interpreter, op: sam.AccumulateOp, args: PythonValues
    ) -> PythonValues:
        where, combine, order = f"'{op.name}'", COMBINE[op.op.data], op.order
        prefix = depth_of(op.crds[0].type) - 1

        def add(tree: dict[int, Any], crds: Sequence[int], nests: Sequence[Nested]) -> None:
            """Add the values below each coordinate; a coordinate without values adds nothing."""
            for number, crd in enumerate(crds):
                inner = [nest[number] for nest in nests]
                if len(inner) == 1:
                    tree[crd] = combine(tree[crd], inner[0]) if crd in tree else inner[0]
                elif next(leaves(inner[-1], len(inner) - 1), None) is not None:
                    add(tree.setdefault(crd, {}), inner[0], inner[1:])

        def fiber(outer: list[int], *nests: Nested) -> tuple[Nested, ...]:
            _expect_aligned(where, [outer, *nests])
            tree: dict[int, Any] = {}
            for number in range(len(outer)):
                crds, *inner = (nest[number] for nest in nests)
                add(tree, crds, inner)
            return _sorted_tree(tree, order)

        fibers = zip_at(where, prefix, fiber, *read_streams(op, args))
        return write_streams(op, *unzip_at(fibers, prefix, order + 1))


def _join(
    op: sam.JoinOperation, args: PythonValues, combine: Callable[[Sequence[set[int]]], set[int]]
) -> PythonValues:
    """Every stream at the combined coordinates of each fiber, absent where it has none."""
    where, depth, count = f"'{op.name}'", depth_of(op.crd.type), len(op.crds)

    def fiber(*fibers: list[Any]) -> tuple[list[Any], ...]:
        crds, streams = fibers[:count], fibers[count:]
        expect_increasing(where, crds)
        tables: list[dict[int, Any]] = []
        for crd, stream in zip(crds, streams, strict=True):
            _expect_aligned(where, [crd, stream])
            tables.append(dict(zip(crd, stream, strict=True)))
        joined = sorted(combine([set(table) for table in tables]))
        return joined, *([table.get(crd, ABSENT) for crd in joined] for table in tables)

    fibers = zip_at(where, depth - 1, fiber, *read_streams(op, args))
    return write_streams(op, *unzip_at(fibers, depth - 1, count + 1))


def _sorted_tree(tree: dict[int, Any], order: int) -> tuple[Nested, ...]:
    """Coordinates of every level, then values, of a tree that is `order` levels deep."""
    crds = sorted(tree)
    if order == 1:
        return crds, [tree[crd] for crd in crds]
    below = [_sorted_tree(tree[crd], order - 1) for crd in crds]
    return crds, *([part[number] for part in below] for number in range(order))


def _expect_aligned(where: str, nests: Sequence[Nested]) -> None:
    """
    Coordinates of each level hold one fiber of the next for each coordinate, and the last two
    lists are equal in structure.
    """
    for nest in nests[1:]:
        if len(nest) != len(nests[0]):
            raise InterpretationError(
                f"{where}: the streams do not line up; a fiber of {len(nests[0])} coordinates "
                f"has {len(nest)} items inside"
            )
    if len(nests) > 2:
        for number in range(len(nests[0])):
            _expect_aligned(where, [nest[number] for nest in nests[1:]])
