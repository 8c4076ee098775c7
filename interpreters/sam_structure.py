"""The meaning of the `sam` operations on structure (`dialects/sam_structure.py`)."""

import operator
from collections.abc import Callable
from itertools import accumulate, chain, groupby, islice
from typing import Any

import numpy as np
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
    unzip_at,
    without_empty,
    zip_at,
)
from headrace.interpreters.sam_streams import depth_of, read_streams, write_streams
from headrace.interpreters.sam_tokens import ABSENT, DONE, Stop

PREDICATES: dict[sam.Predicate, Callable[[int, int], bool]] = {
    sam.Predicate.GT: operator.gt,
    sam.Predicate.GE: operator.ge,
    sam.Predicate.LT: operator.lt,
    sam.Predicate.LE: operator.le,
    sam.Predicate.EQ: operator.eq,
    sam.Predicate.NE: operator.ne,
}


@register_impls
class StructureFunctions(InterpreterFunctions):
    """Fibers and tokens are dropped, split, merged."""

    @impl(sam.CoordinateDropOp)
    def coordinate_drop(
        self, interpreter: Interpreter, op: sam.CoordinateDropOp, args: PythonValues
    ) -> PythonValues:
        outer, inner = read_streams(op, args)

        def kept(crds: list[int], fibers: list[Nested]) -> list[int]:
            return [crd for crd, fiber in zip(crds, fibers, strict=True) if fiber]

        depth = depth_of(op.outer.type)
        _expect_fibers(f"'{op.name}'", depth, outer, inner)
        return write_streams(op, zip_at(f"'{op.name}'", depth - 1, kept, outer, inner), inner)

    @impl(sam.CoordinateHoldOp)
    def coordinate_hold(
        self, interpreter: Interpreter, op: sam.CoordinateHoldOp, args: PythonValues
    ) -> PythonValues:
        outer, inner = read_streams(op, args)
        depth = depth_of(op.outer.type)

        def repeated(crd: int, fiber: list[int]) -> list[int]:
            return [crd] * len(fiber)

        held = zip_at(f"'{op.name}'", depth, repeated, outer, inner)
        return write_streams(op, held, inner, increasing=False)

    @impl(sam.ValueDropOp)
    def value_drop(
        self, interpreter: Interpreter, op: sam.ValueDropOp, args: PythonValues
    ) -> PythonValues:
        depth = depth_of(op.val.type)

        def stored(*pair: Any) -> bool:
            return pair[0] is not ABSENT and bool(np.any(pair[0]))

        values, crds = read_streams(op, args)
        pairs = zip_at(f"'{op.name}'", depth, lambda *pair: pair, values, crds)
        kept = at(pairs, depth - 1, lambda fiber: [pair for pair in fiber if stored(*pair)])
        if op.empty.data is sam.Empty.DROP:
            kept = without_empty(kept, depth)
            if not kept:
                return (DONE,), (DONE,)
        return write_streams(op, *unzip_at(kept, depth, 2))

    @impl(sam.StopDropOp)
    def stop_drop(
        self, interpreter: Interpreter, op: sam.StopDropOp, args: PythonValues
    ) -> PythonValues:
        if op.mode.data is sam.Stops.ALL:
            return (tuple(token for token in args[0] if not isinstance(token, Stop)),)
        (stream,) = read_streams(op, args)
        kept = without_empty(stream, depth_of(op.stream.type))
        return write_streams(op, kept) if kept else ((DONE,),)

    @impl(sam.MaskOp)
    def mask(self, interpreter: Interpreter, op: sam.MaskOp, args: PythonValues) -> PythonValues:
        outer, inner, refs = read_streams(op, args)
        drops, depth = PREDICATES[op.predicate.data], depth_of(op.outer.type)

        def kept(crd: int, crds: list[int], refs: list[Any]) -> tuple[int, list[int], list[Any]]:
            pairs = [(c, r) for c, r in zip(crds, refs, strict=True) if not drops(crd, c)]
            return crd, [c for c, _ in pairs], [r for _, r in pairs]

        items = zip_at(f"'{op.name}'", depth, kept, outer, inner, refs)
        rows = at(items, depth - 1, lambda row: [item for item in row if item[1]])
        return write_streams(op, *unzip_at(rows, depth, 3))

    @impl(sam.PointsToFibersOp)
    def points_to_fibers(
        self, interpreter: Interpreter, op: sam.PointsToFibersOp, args: PythonValues
    ) -> PythonValues:
        points = list(zip(args[0], args[1], strict=True))[:-1]
        groups = [(crd, list(group)) for crd, group in groupby(points, lambda point: point[0])]
        outer = [crd for crd, _ in groups]
        return write_streams(op, outer, [[inner for _, inner in group] for _, group in groups])

    @impl(sam.SplitOp)
    def split(self, interpreter: Interpreter, op: sam.SplitOp, args: PythonValues) -> PythonValues:
        (crds,) = read_streams(op, args)
        factor, depth = op.factor.value.data, depth_of(op.crd.type)

        def blocks(fiber: list[int]) -> tuple[list[int], list[list[int]]]:
            groups = [(n, list(group)) for n, group in groupby(fiber, lambda c: c // factor)]
            return [n for n, _ in groups], [[c % factor for c in group] for _, group in groups]

        return write_streams(op, *unzip_at(at(crds, depth - 1, blocks), depth - 1, 2))

    @impl(sam.FlattenOp)
    def flatten(
        self, interpreter: Interpreter, op: sam.FlattenOp, args: PythonValues
    ) -> PythonValues:
        outer, inner = read_streams(op, args)
        factor, depth = op.factor.value.data, depth_of(op.outer.type)
        _expect_fibers(f"'{op.name}'", depth, outer, inner)

        def joined(crds: list[int], fibers: list[list[int]]) -> list[int]:
            pairs = zip(crds, fibers, strict=True)
            return [crd * factor + c for crd, fiber in pairs for c in fiber]

        return write_streams(op, zip_at(f"'{op.name}'", depth - 1, joined, outer, inner))

    @impl(sam.BitvectorBuildOp)
    def bitvector_build(
        self, interpreter: Interpreter, op: sam.BitvectorBuildOp, args: PythonValues
    ) -> PythonValues:
        (crds,) = read_streams(op, args)

        def word(fiber: list[int]) -> list[int]:
            return [sum(1 << crd for crd in fiber)] if fiber else []

        return write_streams(op, at(crds, depth_of(op.crd.type) - 1, word))

    @impl(sam.BitvectorChunkOp)
    def bitvector_chunk(
        self, interpreter: Interpreter, op: sam.BitvectorChunkOp, args: PythonValues
    ) -> PythonValues:
        (words,) = read_streams(op, args)
        width, size, depth = op.width.value.data, op.size.value.data, depth_of(op.bv.type)

        def chunks(fiber: list[int]) -> tuple[list[int], list[int]]:
            mask = (1 << width) - 1
            parts = [word >> low & mask for word in fiber for low in range(0, size, width)]
            seen = accumulate((part.bit_count() for part in parts), initial=0)
            return parts, list(islice(seen, len(parts)))

        return write_streams(op, *unzip_at(at(words, depth - 1, chunks), depth - 1, 2))

    @impl(sam.BitvectorIntersectOp)
    def bitvector_intersect(
        self, interpreter: Interpreter, op: sam.BitvectorIntersectOp, args: PythonValues
    ) -> PythonValues:
        depth = depth_of(op.bv0.type)

        def common(word0: int, ref0: int, word1: int, ref1: int) -> tuple[Nested, ...]:
            both = word0 & word1
            return (
                both,
                [ref0 + (word0 & ((1 << bit) - 1)).bit_count() for bit in _set_bits(both)],
                [ref1 + (word1 & ((1 << bit) - 1)).bit_count() for bit in _set_bits(both)],
            )

        items = zip_at(f"'{op.name}'", depth, common, *read_streams(op, args))
        words, *refs = unzip_at(items, depth, 3)
        flat = (at(ref, depth - 1, _concatenated) for ref in refs)
        return write_streams(op, words, *flat)

    @impl(sam.BitvectorDropOp)
    def bitvector_drop(
        self, interpreter: Interpreter, op: sam.BitvectorDropOp, args: PythonValues
    ) -> PythonValues:
        outer, inner = read_streams(op, args)
        depth = depth_of(op.outer.type)

        def kept(words: list[int], fibers: list[list[int]]) -> tuple[list[int], list[list[int]]]:
            if sum(word.bit_count() for word in words) != len(fibers):
                raise InterpretationError(
                    f"'{op.name}': {len(fibers)} inner fibers for the bits of {words}"
                )
            pending = iter(fibers)
            result: list[list[int]] = []
            cleared: list[int] = []
            for word in words:
                for bit in _set_bits(word):
                    fiber = next(pending)
                    if any(fiber):
                        result.append(fiber)
                    else:
                        word &= ~(1 << bit)
                cleared.append(word)
            return cleared, result

        rows = zip_at(f"'{op.name}'", depth - 1, kept, outer, inner)
        return write_streams(op, *unzip_at(rows, depth - 1, 2))

    @impl(sam.ConcatOp)
    def concat(
        self, interpreter: Interpreter, op: sam.ConcatOp, args: PythonValues
    ) -> PythonValues:
        operands = read_streams(op, args)
        streams, extents = operands[: len(op.streams)], operands[len(op.streams) :]
        offsets = list(accumulate(extents, initial=0))

        def appended(*fibers: list[Any]) -> list[Any]:
            if not extents:
                return list(chain(*fibers))
            pairs = zip(fibers, offsets, strict=False)
            return [crd + offset for fiber, offset in pairs for crd in fiber]

        depth = depth_of(op.result.type)
        return write_streams(op, zip_at(f"'{op.name}'", depth - 1, appended, *streams))


def _concatenated(lists: list[list[int]]) -> list[int]:
    return list(chain(*lists))


def _set_bits(word: int) -> list[int]:
    return [bit for bit in range(word.bit_length()) if word >> bit & 1]


def _expect_fibers(where: str, depth: int, outer: Nested, inner: Nested) -> None:
    """The inner stream holds one fiber for each token of the outer one."""
    zip_at(where, depth, lambda *pair: pair, outer, inner)
