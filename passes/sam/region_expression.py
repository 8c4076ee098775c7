"""
A `sam.region` of linalg operations read as an expression DAG.

Every use of a value is asked for with the axes of its dimensions, from the results
upwards. Producer and consumer share axes because the consumer hands its own down; the
reduction axes of an operation are private to it and its axes. Asking twice with the same
axes gives the same expression.

Source: "FuseFlow", ASPLOS 2026, section 4 (index unification).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyTensorType,
    TensorType,
    f32,
    i1,
)
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.attrs import IteratorType, IteratorTypeAttr
from xdsl.dialects.linalg.ops import BroadcastOp, IndexOp, ReduceOp
from xdsl.ir import Attribute, BlockArgument, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineMap

from headrace.dialects import sam
from headrace.passes.sam.expression import (
    Axis,
    Constant,
    Expression,
    Expressions,
    Gather,
    Input,
    Reduce,
    Scalar,
    walk,
)
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.scalar_body import (
    ALU_OF,
    apply,
    constant_of,
    read_scalar_op,
)


@dataclass(frozen=True)
class Extent:
    """The number of coordinates of an axis: `size`, or that of an operand's dimension."""

    size: int | None
    operand: int = 0
    dimension: int = 0


@dataclass(frozen=True)
class RegionExpression:
    """
    What a region computes.

    `results[k]` has dimension `d` on `result_axes[k][d]`; `order` lists the axes in the
    order of first use by an input, which numbers them for the user: `i0`, `i1`, .. `dropped` has
    the operation that each `Compress` comes from. `repeated` has the reductions that are computed
    more than once, because they are used with different axes, and how often.
    """

    expressions: Expressions
    results: tuple[Expression, ...]
    result_axes: tuple[tuple[Axis, ...], ...]
    extents: dict[Axis, Extent]
    order: tuple[Axis, ...]
    dropped: dict[Expression, Operation]
    repeated: dict[Operation, int]

    def name(self, axis: Axis) -> str:
        return f"i{self.order.index(axis)}"


DROP_ZEROS = "headrace.drop_zeros"
"""Marks an operation whose zeros are dropped before other operations of the region read them."""

_PARALLEL = IteratorTypeAttr(IteratorType.PARALLEL)


def read_region(region: sam.RegionOp) -> RegionExpression:
    """
    The expressions of a region's results.

    Raises `PassFailedException` naming the operation that cannot be read.
    """
    return _Reader(region).read()


@dataclass(frozen=True)
class ConstantResult:
    """A result that is `value` at every coordinate; `extents[d]` is the size of dimension d."""

    value: float
    extents: tuple[Extent, ...]


def constant_results(region: sam.RegionOp) -> dict[int, ConstantResult]:
    """The results of a region, by their numbers, that are constants."""
    reader = _Reader(region)
    return {
        position: ConstantResult(read.value, tuple(reader.extents[axis] for axis in axes))
        for position, (read, axes) in enumerate(reader.results())
        if isinstance(read, Constant)
    }


class _Reader:
    def __init__(self, region: sam.RegionOp) -> None:
        self.region = region
        self.expressions = Expressions()
        self.extents: dict[Axis, Extent] = {}
        self.fresh = 0
        self.memo: dict[tuple[SSAValue, tuple[Axis | None, ...]], Scalar] = {}
        self.dropped: dict[Expression, Operation] = {}
        self.uses: dict[SSAValue, list[tuple[Axis | None, ...]]] = {}

    def read(self) -> RegionExpression:
        results: list[Expression] = []
        result_axes: list[tuple[Axis, ...]] = []
        for read, axes in self.results():
            if isinstance(read, Constant):
                raise fail(self.region, f"a result is the constant {read.value}; leave it outside")
            results.append(read)
            result_axes.append(axes)
        order: list[Axis] = []
        for expression in walk(results):
            if isinstance(expression, Input):
                order += expression.axes
        for axes in result_axes:
            order += axes
        for expression in walk(results):
            if isinstance(expression, Reduce):
                order += sorted(expression.over)
        for axis in order:
            if self.extents[axis].size == DYNAMIC_INDEX:
                raise fail(self.region, "an axis of unknown extent is indexed by no operand")
        return RegionExpression(
            self.expressions,
            tuple(results),
            tuple(result_axes),
            self.extents,
            tuple(dict.fromkeys(order)),
            self.dropped,
            self.repeated(),
        )

    def repeated(self) -> dict[Operation, int]:
        """How often each reduction is computed that is computed more than once."""
        made: dict[Operation, set[int]] = {}
        for (value, _), expression in self.memo.items():
            if isinstance(value, OpResult) and _is_reduction(value):
                made.setdefault(value.op, set()).add(id(expression))
        return {op: len(expressions) for op, expressions in made.items() if len(expressions) > 1}

    def results(self) -> Iterator[tuple[Scalar, tuple[Axis, ...]]]:
        """What each result is, and the axes of its dimensions."""
        terminator = self.region.body.block.last_op
        assert terminator is not None
        by_shape: dict[tuple[int, ...], tuple[Axis, ...]] = {}
        for value in terminator.operands:
            # Results of one static shape are asked for with the same axes, so that they can
            # share the iteration of what they have in common.
            shape = _shape(value)
            axes = tuple(self.axis(size) for size in shape)
            if DYNAMIC_INDEX not in shape:
                axes = by_shape.setdefault(shape, axes)
            yield self.use(value, axes), axes

    def axis(self, size: int) -> Axis:
        self.fresh += 1
        self.extents[self.fresh] = Extent(size)
        return self.fresh

    def use(self, value: SSAValue, axes: tuple[Axis | None, ...]) -> Scalar:
        """The expression of `value` with dimension d on `axes[d]` (None: coordinate 0)."""
        key = (value, axes)
        if key not in self.memo:
            self.uses.setdefault(value, []).append(axes)
            self.memo[key] = self._without_zeros(value, self._use(value, axes))
        return self.memo[key]

    def _without_zeros(self, value: SSAValue, read: Scalar) -> Scalar:
        op = value.op if isinstance(value, OpResult) else None
        if op is None or DROP_ZEROS not in op.attributes or isinstance(read, Constant):
            return read
        compressed = self.expressions.compress(read)
        self.dropped[compressed] = op
        return compressed

    def reduced_axis(self, value: SSAValue, axes: Sequence[Axis | None], size: int) -> Axis:
        """
        The axis for the one dimension of `value` that is None in `axes` and is reduced.

        Where `value`, or what it is computed from element by element, is also used with the
        other axes, the reduction takes the axis of that use. So a softmax or a layer norm
        reads its operand once.
        """
        found = self._axis_in_use(value, axes) if list(axes).count(None) == 1 else None
        return self.axis(size) if found is None else found

    def _axis_in_use(self, value: SSAValue, axes: Sequence[Axis | None]) -> Axis | None:
        hole = list(axes).index(None)
        identity = AffineMap.identity(len(axes))
        waiting, seen = [value], {value}
        while waiting:
            value = waiting.pop()
            for known in self.uses.get(value, ()):
                rest = (*known[:hole], None, *known[hole + 1 :])
                if rest == tuple(axes) and known[hole] not in axes:
                    return known[hole]
            op = value.op if isinstance(value, OpResult) else None
            if isinstance(op, LinalgStructuredOperation) and not _is_reduction(value):
                maps = [attribute.data for attribute in op.get_indexing_maps()]
                if maps[-1] == identity:
                    same = [o for o, m in zip(op.inputs, maps, strict=False) if m == identity]
                    waiting += [operand for operand in reversed(same) if operand not in seen]
                    seen.update(same)
        return None

    def _use(self, value: SSAValue, axes: tuple[Axis | None, ...]) -> Scalar:
        self._learn_extents(value, axes)
        if isinstance(value, BlockArgument):
            return self._input(value, axes)
        assert isinstance(value, OpResult)
        match value.op:
            case arith.ConstantOp() as op:
                number = constant_of(op.value)
                if number is None:
                    raise fail(op, "only constants that repeat one number enter a region")
                return Constant(number)
            case tensor.EmptyOp() as op:
                raise fail(op, "its undefined contents are read")
            case ReduceOp() as op:
                return self._reduce_op(op, axes)
            case BroadcastOp() as op:
                added = set(op.dimensions.get_values())
                kept = tuple(a for d, a in enumerate(axes) if d not in added)
                return self.use(op.input, kept)
            case LinalgStructuredOperation() as op:
                return self._structured(op, value.index, axes)
            case op:
                raise fail(op, "only linalg operations can be fused")

    def _learn_extents(self, value: SSAValue, axes: tuple[Axis | None, ...]) -> None:
        for dimension, (axis, size) in enumerate(zip(axes, _shape(value), strict=True)):
            if axis is None:
                continue
            known = self.extents[axis]
            if known.size != DYNAMIC_INDEX:
                continue
            if size != DYNAMIC_INDEX:
                self.extents[axis] = Extent(size)
            elif isinstance(value, BlockArgument):
                self.extents[axis] = Extent(None, value.index, dimension)

    def _input(self, value: BlockArgument, axes: tuple[Axis | None, ...]) -> Expression:
        filled = tuple(self.axis(1) if axis is None else axis for axis in axes)
        if len(set(filled)) != len(filled):
            raise fail(
                self.region,
                f"operand {value.index} is indexed twice by one axis; take its diagonal first",
            )
        new = [axis for axis, given in zip(filled, axes, strict=True) if given is None]
        return self.expressions.reduce("add", new, self.expressions.input(value.index, filled))

    def _bind(
        self,
        op: Operation,
        result: SSAValue,
        result_map: AffineMap,
        axes: tuple[Axis | None, ...],
    ) -> tuple[dict[int, Axis], list[Axis]]:
        """The axis of each loop that the result names, and the unit axes made for it."""
        loops: dict[int, Axis] = {}
        units: list[Axis] = []
        for expr, axis, size in zip(result_map.results, axes, _shape(result), strict=True):
            if isinstance(expr, AffineConstantExpr):
                if expr.value != 0 or size != 1:
                    raise fail(
                        op,
                        f"the result map {result_map} writes only coordinate {expr.value} of a "
                        f"dimension {_size(size)}; give that dimension the static size 1",
                    )
                continue
            if not isinstance(expr, AffineDimExpr) or expr.position in loops:
                raise fail(op, f"the result map {result_map} is not a projected permutation")
            if axis is None:
                units.append(self.axis(1))
            loops[expr.position] = units[-1] if axis is None else axis
        return loops, units

    def _structured(
        self, op: LinalgStructuredOperation, index: int, axes: tuple[Axis | None, ...]
    ) -> Scalar:
        maps = [attribute.data for attribute in op.get_indexing_maps()]
        inputs = len(op.inputs)
        loops, units = self._bind(op, op.results[index], maps[inputs + index], axes)
        private: list[Axis] = []
        for loop in range(maps[0].num_dims):
            if loop not in loops:
                size = self._loop_size(op, maps, loop)
                if inputs == 1 and maps[0].is_projected_permutation():
                    indices = [self._index(op, e, loops, open=True) for e in maps[0].results]
                    private.append(self.reduced_axis(op.inputs[0], indices, size))
                else:
                    private.append(self.axis(size))
                loops[loop] = private[-1]

        def operand(k: int) -> Scalar:
            value = op.operands[k]
            if not isinstance(value.type, TensorType):
                return self._scalar_operand(op, value)
            indices = [self._index(op, e, loops) for e in maps[k].results]
            for axis, size in zip(indices, _shape(value), strict=True):
                if axis is None and size != 1:
                    raise fail(
                        op,
                        f"it reads only coordinate 0 of a dimension {_size(size)} of its operand "
                        f"{k}; take a slice outside",
                    )
            return self.use(value, tuple(indices))

        for k, value in enumerate(op.inputs):
            # Reductions come last, so that they find the axes of what they share.
            if isinstance(value.type, TensorType) and not _is_reduction(value):
                operand(k)
        block = op.body.block
        body = _Body(
            op,
            self.expressions,
            block.args,
            operand,
            lambda extract, read: self._gather(op, extract, loops, read),
        )
        last = block.last_op
        assert last is not None
        yielded = last.operands[index]
        accumulator = block.args[inputs + index]
        if not private:
            return self._reduced("add", units, body.read(yielded))
        kind, value = body.reduction(op, yielded, accumulator, block.args[inputs:])
        reduced = self._reduced(kind, private, body.read(value))
        initial = operand(inputs + index)
        if not _is_identity(kind, initial, op.outputs[index].type):
            reduced = apply(self.expressions, kind, (reduced, initial))
        return self._reduced("add", units, reduced)

    def _gather(
        self,
        op: Operation,
        extract: tensor.ExtractOp,
        loops: dict[int, Axis],
        read: Callable[[SSAValue], Scalar],
    ) -> Expression:
        """
        An operand of the region read at loops of `op` and, in one dimension, at the values of a
        vector. These are visited in full: an index that is not stored is 0, and names an element.
        """
        source = extract.tensor
        if not isinstance(source, BlockArgument):
            raise fail(op, "it gathers from what its own region computes; cut the region before it")
        axes: list[Axis | None] = []
        gather: Gather | None = None
        for dimension, value in enumerate(extract.indices):
            if isinstance(value, OpResult) and isinstance(value.op, IndexOp):
                axes.append(loops[value.op.dim.value.data])
                continue
            index = read(value)
            if gather is not None or not self._is_stored_vector(index):
                raise fail(
                    op,
                    "it gathers by something else than one vector that is stored; compute and "
                    "flatten its index outside",
                )
            assert not isinstance(index, Constant)
            gather = Gather(dimension, self.expressions.full(index))
            axes.append(None)
        self._learn_extents(source, tuple(axes))
        if gather is not None:
            axes[gather.dimension] = gather.index.axes[0]
        named = [axis for axis in axes if axis is not None]
        if len(set(named)) != len(named):
            raise fail(op, "it indexes two dimensions by one loop; take the diagonal first")
        return self.expressions.input(source.index, named, gather)

    def _is_stored_vector(self, index: Scalar) -> bool:
        """Whether an index is a vector, perhaps with further dimensions of size 1."""
        if isinstance(index, Reduce) and all(self.extents[a].size == 1 for a in index.over):
            index = index.operand
            return isinstance(index, Input) and len(index.axes) >= 1
        return isinstance(index, Input) and len(index.axes) == 1

    def _reduced(self, kind: str, over: Sequence[Axis], value: Scalar) -> Scalar:
        if not over:
            return value
        if isinstance(value, Constant):
            if kind != "add":
                return value
            sizes = [self.extents[axis].size for axis in over]
            if None in sizes or DYNAMIC_INDEX in sizes:
                raise fail(self.region, "a constant is summed over an axis of unknown extent")
            return Constant(value.value * math.prod(size or 0 for size in sizes))
        return self.expressions.reduce(kind, over, value)

    def _reduce_op(self, op: ReduceOp, axes: tuple[Axis | None, ...]) -> Scalar:
        shape = _shape(op.input)
        reduced = {int(dimension) for dimension in op.dimensions.get_values()}
        given = iter(axes)
        private: list[Axis] = []
        full: list[Axis | None] = []
        for dimension in range(len(shape)):
            full.append(None if dimension in reduced else next(given))
        for dimension in sorted(reduced):
            private.append(self.reduced_axis(op.input, full, shape[dimension]))
            full[dimension] = private[-1]
        block = op.region.block
        source = self.use(op.input, tuple(full))
        body = _Body(op, self.expressions, block.args, lambda _: source)
        last = block.last_op
        assert last is not None
        kind, value = body.reduction(op, last.operands[0], block.args[1], block.args[1:])
        result = self._reduced(kind, private, body.read(value))
        initial = self.use(op.init, axes)
        if not _is_identity(kind, initial, op.init.type):
            result = apply(self.expressions, kind, (result, initial))
        return result

    def _index(
        self, op: Operation, expr: object, loops: dict[int, Axis], *, open: bool = False
    ) -> Axis | None:
        match expr:
            case AffineDimExpr():
                return loops.get(expr.position) if open else loops[expr.position]
            case AffineConstantExpr() if expr.value == 0:
                return None
            case _:
                raise fail(op, f"index '{expr}' is neither a loop nor the constant 0")

    def _loop_size(self, op: Operation, maps: Sequence[AffineMap], loop: int) -> int:
        for value, indexing in zip(op.operands, maps, strict=True):
            for expr, size in zip(indexing.results, _shape(value), strict=True):
                if isinstance(expr, AffineDimExpr) and expr.position == loop:
                    return size
        raise fail(op, f"loop {loop} indexes no operand, so its extent is unknown")

    def _scalar_operand(self, op: Operation, value: SSAValue) -> Constant:
        if isinstance(value, OpResult) and isinstance(value.op, arith.ConstantOp):
            number = constant_of(value.op.value)
            if number is not None:
                return Constant(number)
        raise fail(op, "a scalar operand must be an arith.constant")


Gathering = Callable[[tensor.ExtractOp, Callable[[SSAValue], Scalar]], Scalar]
"""Reads an element of a tensor, given what reads the values that index it."""


class _Body:
    """Reads the scalar values of one body; `operand(k)` is the value of argument k."""

    def __init__(
        self,
        op: Operation,
        expressions: Expressions,
        arguments: Sequence[BlockArgument],
        operand: Callable[[int], Scalar],
        gather: Gathering | None = None,
    ) -> None:
        self.op = op
        self.expressions = expressions
        self.arguments = arguments
        self.operand = operand
        self.gather = gather
        self.memo: dict[SSAValue, Scalar] = {}

    def read(self, value: SSAValue) -> Scalar:
        if value not in self.memo:
            if isinstance(value, BlockArgument):
                if value not in self.arguments:
                    raise fail(self.op, "its body uses an argument from outside; make it an input")
                self.memo[value] = self.operand(value.index)
            else:
                assert isinstance(value, OpResult)
                op = value.op
                if isinstance(op, tensor.ExtractOp) and self.gather is not None:
                    self.memo[value] = self.gather(op, self.read)
                else:
                    self.memo[value] = read_scalar_op(
                        self.expressions, op, lambda k: self.read(op.operands[k])
                    )
        return self.memo[value]

    def reduction(
        self,
        op: Operation,
        yielded: SSAValue,
        accumulator: BlockArgument,
        accumulators: Sequence[BlockArgument],
    ) -> tuple[str, SSAValue]:
        """
        The kind of a reduction and the value that it reduces.

        That value is the same in every step: it depends on none of the operation's `accumulators`.
        """
        combine = yielded.op if isinstance(yielded, OpResult) else None
        kind = ALU_OF.get(type(combine)) if combine is not None else None
        if combine is None or kind not in ("add", "max", "min") or yielded.type == i1:
            raise fail(
                op, "a reduction must add to, or take the maximum or minimum with, its output"
            )
        left, right = combine.operands
        if accumulator not in (left, right):
            raise fail(op, f"its output is not combined by the last step, '{combine.name}'")
        value = left if right is accumulator else right
        if not _values_below(value).isdisjoint(accumulators):
            raise fail(op, "its output is read in more than the last step of the reduction")
        return kind, value


def _values_below(value: SSAValue) -> set[SSAValue]:
    """What a value of a body is computed from, with itself."""
    waiting, seen = [value], {value}
    while waiting:
        value = waiting.pop()
        if isinstance(value, OpResult):
            new = set(value.op.operands) - seen
            seen |= new
            waiting += new
    return seen


def _is_identity(kind: str, initial: Scalar, type: Attribute) -> bool:
    """
    Whether reducing from `initial` changes nothing.

    Exporters start maxima of `f32` from the lowest finite number (-3.4e38) and mean minus
    infinity; so an empty axis gives minus infinity. Every other number is taken for what it is.
    """
    if not isinstance(initial, Constant):
        return False
    huge = 3.0e38 if cast(AnyTensorType, type).element_type == f32 else math.inf
    value = initial.value
    return {"add": value == 0, "max": value <= -huge, "min": value >= huge}[kind]


def _is_reduction(value: SSAValue) -> bool:
    op = value.op if isinstance(value, OpResult) else None
    if isinstance(op, LinalgStructuredOperation):
        return set(op.get_iterator_types()) != {_PARALLEL}
    return isinstance(op, ReduceOp)


def _shape(value: SSAValue) -> tuple[int, ...]:
    kind: Attribute = value.type
    return kind.get_shape() if isinstance(kind, TensorType) else ()


def _size(size: int) -> str:
    return "of unknown size" if size == DYNAMIC_INDEX else f"of size {size}"
