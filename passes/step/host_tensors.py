"""
Small tensors that the program computes before a graph: selectors, addresses, lengths in tiles.

They are ordinary operations of the entry IR; what is large is only sliced or reshaped, so that
nothing is copied.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    AffineMapAttr,
    AnyFloat,
    AnyTensorType,
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    TensorType,
    i64,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import FillOp, GenericOp, IndexOp, YieldOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from headrace.passes.step.tensor_terms import shape_of

Insert = Callable[[Operation], SSAValue]
Body = Callable[[Insert, Sequence[SSAValue]], SSAValue]


class Host:
    """Inserts operations before an operation of the program."""

    def __init__(self, before: Operation):
        self._builder = Builder(InsertPoint.before(before))

    def sliced(self, value: SSAValue, at: Mapping[int, int]) -> SSAValue:
        """A tensor at one coordinate of some dimensions, which disappear."""
        shape = shape_of(value)
        offsets = [at.get(d, 0) for d in range(len(shape))]
        sizes = [1 if d in at else size for d, size in enumerate(shape)]
        kept = [size for d, size in enumerate(shape) if d not in at]
        type = TensorType(_element(value), kept)
        op = tensor.ExtractSliceOp(value, offsets, sizes, [1] * len(sizes), type)
        return self._insert(op)

    def as_column(self, value: SSAValue) -> SSAValue:
        """A tensor with one more dimension, the last, of size 1."""
        shape = shape_of(value)
        last = len(shape) - 1
        reassociation = _groups([*([d] for d in range(last)), [last, last + 1]])
        type = TensorType(_element(value), [*shape, 1])
        return self._insert(tensor.ExpandShapeOp(value, (), reassociation, (*shape, 1), type))

    def shaped(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """The elements in the same order in another shape."""
        old = shape_of(value)
        if old == tuple(shape):
            return value
        if len(old) != 1:
            type = TensorType(_element(value), [math.prod(old)])
            flat = tensor.CollapseShapeOp(
                operands=[value],
                result_types=[type],
                properties={"reassociation": _groups([range(len(old))])},
            )
            value = self._insert(flat)
        if len(shape) == 1:
            return value
        type = TensorType(_element(value), shape)
        groups = _groups([range(len(shape))])
        return self._insert(tensor.ExpandShapeOp(value, (), groups, tuple(shape), type))

    def empty(self, shape: Sequence[int], like: SSAValue) -> SSAValue:
        """A tensor of the elements of another, to be written."""
        return self._insert(tensor.EmptyOp((), TensorType(_element(like), shape)))

    def spread(self, value: SSAValue, dimensions: Sequence[int], shape: Sequence[int]) -> SSAValue:
        """A tensor that has some dimensions of `shape`, repeated along the others."""
        axes = "abcdefgh"[: len(shape)]
        own = "".join(axes[d] for d in dimensions)
        return self._generic([value], [own], axes, shape, _element(value), lambda _, v: v[0])

    def hits(self, indices: SSAValue, classes: int) -> SSAValue:
        """How often `indices`, rows x chosen, names each class: rows x classes."""
        rows, chosen = shape_of(indices)
        return self._generic([indices], ["bj"], "be", (rows, classes), i64, _hit("be"), (chosen,))

    def one_hot(self, indices: SSAValue, classes: int) -> SSAValue:
        """1 where `indices`, rows x chosen, names a class: rows x chosen x classes."""
        shape = (*shape_of(indices), classes)
        return self._generic([indices], ["bj"], "bje", shape, i64, _hit("bje"))

    def numbers(self, count: int) -> SSAValue:
        """0, 1, .. count - 1"""

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            return insert(arith.IndexCastOp(insert(IndexOp(0)), i64))

        return self._generic([], [], "b", (count,), i64, body)

    def tile_counts(self, lengths: SSAValue, rows: int, most: int) -> SSAValue:
        """
        In how many tiles of `rows`, at most `most`, the rows 0 .. length of a request lie.

        There is one tile at least: a negative length leaves it negative `last_rows`, which a run
        refuses.
        """

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            tile = insert(arith.IndexCastOp(insert(IndexOp(1)), i64))
            start = insert(arith.MuliOp(tile, insert(_integer(rows))))
            length = insert(arith.MaxSIOp(values[0], insert(_integer(0))))
            reached = insert(arith.CmpiOp(start, length, "sle"))
            return insert(arith.ExtUIOp(reached, i64))

        return self._generic([lengths], ["b"], "b", shape_of(lengths), i64, body, (most,))

    def last_rows(self, lengths: SSAValue, tiles: SSAValue, rows: int) -> SSAValue:
        """The rows that the last of so many tiles of `rows` has of a length."""

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            length, count = values
            others = insert(arith.SubiOp(count, insert(_integer(1))))
            return insert(
                arith.SubiOp(length, insert(arith.MuliOp(others, insert(_integer(rows)))))
            )

        return self._generic([lengths, tiles], ["b", "b"], "b", shape_of(lengths), i64, body)

    def shifted(self, value: SSAValue, by: int) -> SSAValue:
        """Integers and a number."""

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            return insert(arith.AddiOp(values[0], insert(_integer(by))))

        return self._generic([value], ["b"], "b", shape_of(value), i64, body)

    def unseen(self, used: SSAValue, rows: int, like: TensorType[Attribute]) -> SSAValue:
        """`rows` less those used, one number in a row of its own, of the elements of `like`."""

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            left = insert(arith.SubiOp(insert(_integer(rows)), values[0]))
            return insert(arith.SIToFPOp(left, element))

        element = cast(AnyFloat, like.element_type)
        shape = (*shape_of(used), 1)
        return self._generic([used], ["b"], "bd", shape, element, body)

    def scaled(self, value: SSAValue, factor: float) -> SSAValue:
        """A tensor of floats times a number."""
        axes = "abcdefgh"[: len(shape_of(value))]
        element = _element(value)

        def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
            number = insert(arith.ConstantOp(FloatAttr(factor, cast(AnyFloat, element))))
            return insert(arith.MulfOp(values[0], number))

        return self._generic([value], [axes], axes, shape_of(value), element, body)

    # --- operations ------------------------------------------------------------------------

    def _insert(self, op: Operation) -> SSAValue:
        return self._builder.insert(op).results[0]

    def _generic(
        self,
        inputs: Sequence[SSAValue],
        labels: Sequence[str],
        out: str,
        shape: Sequence[int],
        element: Attribute,
        body: Body,
        reduced: tuple[int, ...] = (),
    ) -> SSAValue:
        """One `linalg.generic`; loops behind those of `out` are summed, `reduced` says how far."""
        used = dict.fromkeys([*out, *(one for part in labels for one in part)])
        if len(used) < len(out) + len(reduced):
            used["*"] = None
        loops = {one: place for place, one in enumerate(used)}
        start = self._insert(tensor.EmptyOp((), TensorType(element, shape)))
        operands, maps = list(inputs), [_map(part, loops) for part in labels]
        if reduced:
            zero = self._insert(_integer(0))
            start = self._insert(FillOp([zero], [start]))
        if "*" in loops:
            # The extent of a loop that no operand walks comes from one that only has a size.
            operands.append(self._insert(tensor.EmptyOp((), TensorType(i64, reduced))))
            maps.append(_map("*", loops))
        types = [_element(value) for value in operands]
        block = Block(arg_types=[*types, element])
        inner = Builder(InsertPoint.at_end(block))

        def insert(op: Operation) -> SSAValue:
            return inner.insert(op).results[0]

        value = body(insert, block.args[: len(inputs)])
        if reduced:
            value = insert(arith.AddiOp(block.args[-1], value))
        inner.insert(YieldOp(value))
        iterators = [IteratorTypeAttr.parallel()] * len(out)
        iterators += [IteratorTypeAttr.reduction()] * (len(loops) - len(out))
        op = GenericOp(
            operands, [start], Region(block), [*maps, _map(out, loops)], iterators, [start.type]
        )
        return self._insert(op)


def _hit(out: str) -> Body:
    def body(insert: Insert, values: Sequence[SSAValue]) -> SSAValue:
        place = insert(IndexOp(out.index("e")))
        type = values[0].type
        name = place if isinstance(type, IndexType) else insert(arith.IndexCastOp(place, type))
        return insert(arith.ExtUIOp(insert(arith.CmpiOp(values[0], name, "eq")), i64))

    return body


def _groups(groups: Sequence[Sequence[int]]) -> ArrayAttr[ArrayAttr[IntegerAttr]]:
    return ArrayAttr(ArrayAttr(IntegerAttr(d, i64) for d in group) for group in groups)


def _integer(value: int) -> arith.ConstantOp:
    return arith.ConstantOp(IntegerAttr(value, i64))


def _element(value: SSAValue) -> Any:
    return cast(AnyTensorType, value.type).element_type


def _map(labels: str, loops: Mapping[str, int]) -> AffineMapAttr:
    expressions = tuple(AffineExpr.dimension(loops[one]) for one in labels)
    return AffineMapAttr(AffineMap(len(loops), 0, expressions))
