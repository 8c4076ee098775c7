"""
What a tensor of the entry IR is, as one expression over named axes: what recognisers match.

An element of a tensor is written over labels, one for each dimension: `y[b, d]` of a linear layer
is `reduce add over k of mulf(x[b, k], w[d, k])`. Every operation between is inlined; equal
expressions are one object. Reading stops at arguments, at `cuts` (tensors that are there already),
and at operations that are no expressions of their operands, which are leaves.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import cast

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import AnyTensorType, FloatAttr, IntegerAttr, i1
from xdsl.dialects.linalg.ops import FillOp, GenericOp, IndexOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr

from headrace.dialects.sparse_tensor import ConvertOp
from headrace.passes.step.term import Axis, Fold, Label, Term, labels_of
from headrace.passes.step.term_rules import simplified

_ELIDED = (arith.IndexCastOp, arith.ExtSIOp, arith.ExtFOp, arith.TruncFOp, ConvertOp)
"""
Operations that do not change the number, but for truth values: they extend to -1.

What is stored is rounded to its type, what is computed on the way is not: floats of all widths
are computed in double precision.
"""


@dataclass
class Terms:
    """Reads expressions; equal ones are the same object."""

    cuts: set[SSAValue] = field(default_factory=set[SSAValue])
    """Tensors that are leaves."""
    origins: dict[Term, dict[tuple[Axis, ...], SSAValue]] = field(
        default_factory=dict[Term, dict[tuple[Axis, ...], SSAValue]]
    )
    """The tensors whose element the expression is, by where they were read."""
    _known: dict[tuple[SSAValue, tuple[Axis, ...]], Term] = field(
        default_factory=dict[tuple[SSAValue, tuple[Axis, ...]], Term]
    )
    _reduced: dict[tuple[Operation, int], Label] = field(
        default_factory=dict[tuple[Operation, int], Label]
    )
    """One label for each loop that an operation reduces, wherever its result is read."""
    _made: dict[tuple[Hashable, ...], Term] = field(
        default_factory=dict[tuple[Hashable, ...], Term]
    )

    def make(self, kind: str, *args: Term, data: tuple[Hashable, ...] = ()) -> Term:
        """The expression, in a simpler form where there is one."""
        if not data and (better := simplified(kind, args)) is not None:
            rule, operands = better
            if not rule:
                return operands[0]
            return self.make(rule, *operands)
        key = (kind, data, *map(id, args))
        if (found := self._made.get(key)) is None:
            labels = frozenset(label for arg in args for label in arg.labels)
            match kind:
                case "leaf":
                    labels = frozenset(labels_of(cast("tuple[Axis, ...]", data[1])))
                case "coordinate" | "rotate":
                    labels |= {cast(Label, data[0])}
                case "reduce":
                    labels -= frozenset(cast("tuple[Label, ...]", data[1]))
                case _:
                    pass
            found = self._made[key] = Term(kind, args, data, labels)
        return found

    def const(self, value: float) -> Term:
        return self.make("const", data=(value,))

    def read(self, value: SSAValue, axes: tuple[Axis, ...]) -> Term:
        """The element of a tensor at axes."""
        key = (value, axes)
        if key not in self._known:
            found = self._read(value, axes)
            if not _has_folds(axes) and any(
                one.kind == "leaf" and _has_folds(one.axes) for one in found.walk()
            ):
                found = self._leaf(value, axes)
            self._known[key] = found
            self.origins.setdefault(found, {})[axes] = value
        return self._known[key]

    def tensor_at(self, term: Term, axes: tuple[Axis, ...]) -> SSAValue | None:
        """A tensor whose element at these axes the expression is."""
        return self.origins.get(term, {}).get(axes)

    def root(self, value: SSAValue) -> tuple[Term, tuple[Label, ...]]:
        """The element of a tensor, and a new label for each of its dimensions."""
        axes = tuple(Label(size) for size in shape_of(value))
        return self.read(value, axes), axes

    def substitute(self, term: Term, change: Callable[[Term], Term | None]) -> Term:
        """The expression with parts replaced where `change` gives another."""
        done: dict[Term, Term] = {}

        def visit(one: Term) -> Term:
            if one not in done:
                other = change(one)
                if other is None:
                    args = tuple(visit(arg) for arg in one.args)
                    same = all(x is y for x, y in zip(args, one.args, strict=True))
                    other = one if same else self.make(one.kind, *args, data=one.data)
                done[one] = other
            return done[one]

        return visit(term)

    def rename(self, term: Term, old: Label, new: Label) -> Term:
        """The expression with another name for an axis."""

        def axis(one: Axis) -> Axis:
            if isinstance(one, Fold):
                return Fold(tuple(new if label is old else label for label in one.labels))
            return new if one is old else one

        def change(one: Term) -> Term | None:
            if old not in one.labels:
                return one
            if one.kind == "leaf":
                return self.make("leaf", data=(one.tensor, tuple(map(axis, one.axes))))
            if one.kind == "coordinate":
                return self.make("coordinate", data=(new,))
            if one.kind == "rotate" and one.data[0] is old:
                return self.make("rotate", self.rename(one.args[0], old, new), data=(new,))
            return None

        return term if old is new else self.substitute(term, change)

    def _read(self, value: SSAValue, axes: tuple[Axis, ...]) -> Term:
        op = value.owner
        if value in self.cuts or isinstance(op, Block):
            return self._leaf(value, axes)
        match op:
            case GenericOp() if len(op.outputs) == 1 and _is_projection(op):
                return self._generic(op, axes) or self._leaf(value, axes)
            case FillOp():
                number = constant_of(op.inputs[0])
                return self._leaf(value, axes) if number is None else self.const(number)
            case ConvertOp():
                return self.read(op.operands[0], axes)
            case tensor.ExtractSliceOp():
                return self._slice(op, axes) or self._leaf(value, axes)
            case tensor.CollapseShapeOp() | tensor.ExpandShapeOp():
                return self._reshaped(op, axes) or self._leaf(value, axes)
            case tensor.ConcatOp():
                return self._rotated(op, axes) or self._leaf(value, axes)
            case _:
                return self._leaf(value, axes)

    def _leaf(self, value: SSAValue, axes: tuple[Axis, ...]) -> Term:
        dimension = coordinate_of(value)
        if dimension is not None and isinstance(label := axes[dimension], Label):
            return self.make("coordinate", data=(label,))
        return self.make("leaf", data=(value, axes))

    def _generic(self, op: GenericOp, axes: tuple[Axis, ...]) -> Term | None:
        maps = [one.data for one in op.indexing_maps]
        loops: dict[int, Axis] = {}
        for expression, axis in zip(maps[-1].results, axes, strict=True):
            if isinstance(expression, AffineDimExpr):
                loops[expression.position] = axis
        block, yielded = op.body.block, cast(Operation, op.body.block.last_op).operands[0]
        reduced: list[Label] = []
        if len(loops) < maps[0].num_dims:
            extents = _extents(op)
            for loop in range(maps[0].num_dims):
                if loop not in loops:
                    reduced.append(self._reduced.setdefault((op, loop), Label(extents[loop])))
                    loops[loop] = reduced[-1]
        values: dict[SSAValue, Term] = {}

        def evaluate(scalar: SSAValue) -> Term:
            if scalar in values:
                return values[scalar]
            if isinstance(scalar, BlockArgument):
                if scalar.block is not block:
                    raise ValueError("a scalar from outside")
                results = maps[scalar.index].results
                read = tuple(
                    loops[one.position]
                    if isinstance(one, AffineDimExpr)
                    else cast(AffineConstantExpr, one).value
                    for one in results
                )
                term = self.read(op.operands[scalar.index], read)
            else:
                term = self._scalar(cast(OpResult, scalar).op, loops, evaluate)
            values[scalar] = term
            return term

        if not reduced:
            return evaluate(yielded)
        found = _reduction(op, yielded)
        if found is None:
            return None
        kind, scalar = found
        return self.make("reduce", evaluate(scalar), data=(kind, tuple(reduced)))

    def _scalar(
        self, op: Operation, loops: Mapping[int, Axis], evaluate: Callable[[SSAValue], Term]
    ) -> Term:
        match op:
            case arith.ConstantOp():
                return self.const(cast(float, constant_of(op.result)))
            case IndexOp():
                axis = loops[op.dim.value.data]
                if isinstance(axis, int):
                    return self.const(axis)
                return self.make("coordinate", data=(axis,))
            case tensor.ExtractOp():
                indices = tuple(map(evaluate, op.indices))
                if all(one.kind == "coordinate" for one in indices):
                    return self.read(op.tensor, tuple(cast(Axis, i.data[0]) for i in indices))
                return self.make("gather", *indices, data=(op.tensor,))
            case arith.CmpiOp() | arith.CmpfOp():
                return self.make(_comparison(op), *map(evaluate, op.operands))
            case arith.ExtUIOp() | arith.UIToFPOp() if op.operands[0].type == i1:
                return self.make("indicator", evaluate(op.operands[0]))
            case _ if isinstance(op, _ELIDED) and op.operands[0].type != i1:
                return evaluate(op.operands[0])
            case arith.TruncIOp() if _fits(number := evaluate(op.input), op):
                return number
            case _:
                return self.make(op.name.partition(".")[2], *map(evaluate, op.operands))

    def _slice(self, op: tensor.ExtractSliceOp, axes: tuple[Axis, ...]) -> Term | None:
        """A slice of one coordinate, or of a whole dimension, is read in its source."""
        offsets, sizes = op.static_offsets.get_values(), op.static_sizes.get_values()
        source, rest = shape_of(op.source), list(axes)
        dropped = len(sizes) - len(axes)
        read: list[Axis] = []
        for offset, size, whole in zip(offsets, sizes, source, strict=True):
            if size == 1 and dropped and len(rest) < len(sizes) - len(read):
                read.append(offset)
            elif size == whole and rest:
                read.append(rest.pop(0))
            elif size == 1 and rest:
                rest.pop(0)
                read.append(offset)
            else:
                return None
        return None if rest else self.read(op.source, tuple(read))

    def _reshaped(
        self, op: tensor.CollapseShapeOp | tensor.ExpandShapeOp, axes: tuple[Axis, ...]
    ) -> Term | None:
        """Axes joined by a reshape are folded, and unfolded where they were joined before."""
        groups = [[d.value.data for d in group] for group in op.reassociation]
        read: list[Axis] = []
        if isinstance(op, tensor.ExpandShapeOp):
            shape = shape_of(op.result)
            for group in groups:
                parts = [axes[d] for d in group if shape[d] != 1]
                if len(parts) > 1 and not all(isinstance(part, Label) for part in parts):
                    return None
                folded = Fold(tuple(cast("list[Label]", parts)))
                read.append(0 if not parts else parts[0] if len(parts) == 1 else folded)
            return self.read(op.src, tuple(read))
        shape = shape_of(op.src)
        for axis, group in zip(axes, groups, strict=True):
            large = [d for d in group if shape[d] != 1]
            if len(large) < 2:
                parts = [axis] if large else []
            elif isinstance(axis, Fold) and [one.extent for one in axis.labels] == [
                shape[d] for d in large
            ]:
                parts = list(axis.labels)
            else:
                return None
            rest = iter(parts)
            read.extend(next(rest) if d in large else 0 for d in group)
        return self.read(op.src, tuple(read))

    def _rotated(self, op: tensor.ConcatOp, axes: tuple[Axis, ...]) -> Term | None:
        """`cat([-second, first])` of the halves of a tensor along its last dimension."""
        last = len(axes) - 1
        if op.dim.value.data != last or len(op.inputs) != 2 or not isinstance(axes[last], Label):
            return None
        negated, first = op.inputs[0].owner, op.inputs[1].owner
        if not isinstance(negated, GenericOp) or len(negated.inputs) != 1:
            return None
        if [inner.name for inner in negated.body.block.ops] != ["arith.negf", "linalg.yield"]:
            return None
        second = negated.inputs[0].owner
        if not isinstance(first, tensor.ExtractSliceOp) or not isinstance(
            second, tensor.ExtractSliceOp
        ):
            return None
        half = shape_of(op.result)[last] // 2
        sizes = (*shape_of(op.result)[:last], half)
        for part, start in ((first, 0), (second, half)):
            offsets = (*[0] * last, start)
            if (
                part.source is not first.source
                or part.static_offsets.get_values() != offsets
                or part.static_sizes.get_values() != sizes
            ):
                return None
        whole = self.read(first.source, axes)
        return self.make("rotate", whole, data=(axes[last],))


def _has_folds(axes: tuple[Axis, ...]) -> bool:
    return any(isinstance(one, Fold) for one in axes)


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The sizes of a tensor."""
    return cast(AnyTensorType, value.type).get_shape()


def coordinate_of(value: SSAValue) -> int | None:
    """The dimension along which a constant argument holds its coordinates, if it does."""
    if not isinstance(value, BlockArgument) or not isinstance(
        main := value.block.parent_op(), func.FuncOp
    ):
        return None
    attributes = main.arg_attrs
    hint = attributes.data[value.index].data.get("headrace.coordinate") if attributes else None
    return hint.value.data if isinstance(hint, IntegerAttr) else None


def constant_of(value: SSAValue) -> float | None:
    """The number of an `arith.constant`."""
    op = value.owner
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, FloatAttr | IntegerAttr):
        return op.value.value.data
    return None


def _comparison(op: arith.CmpiOp | arith.CmpfOp) -> str:
    """`compare_lt` for signed integers, `compare_olt` for floats."""
    predicate = op.predicate.value.data
    if isinstance(op, arith.CmpfOp):
        return f"compare_{arith.CMPF_COMPARISON_OPERATIONS[predicate]}"
    return f"compare_{arith.CMPI_COMPARISON_OPERATIONS[predicate].removeprefix('s')}"


def _is_projection(op: GenericOp) -> bool:
    """Whether operands are read at loops and constants, and results are written at loops."""
    kinds = (AffineDimExpr, AffineConstantExpr)
    maps = [one.data for one in op.indexing_maps]
    return all(isinstance(e, kinds) for one in maps for e in one.results)


def _extents(op: GenericOp) -> dict[int, int]:
    extents: dict[int, int] = {}
    for operand, one in zip(op.operands, op.indexing_maps, strict=True):
        for expression, size in zip(one.data.results, shape_of(operand), strict=True):
            if isinstance(expression, AffineDimExpr):
                extents.setdefault(expression.position, size)
    return extents


def _fits(number: Term, narrowing: arith.TruncIOp) -> bool:
    """Whether the narrower type has every value of the number, as it has the places of an axis."""
    bound = 2 ** (narrowing.result.type.bitwidth - 1)
    if number.kind == "coordinate":
        return isinstance(axis := number.data[0], Label) and axis.extent <= bound
    return number.number is not None and -bound <= number.number < bound


_IDENTITY = {"arith.addf": 0.0, "arith.addi": 0.0, "arith.maximumf": float("-inf")}


def _reduction(op: GenericOp, yielded: SSAValue) -> tuple[str, SSAValue] | None:
    """`add` or `max` and what is reduced, from the neutral element, with `out + term`."""
    combine, out = yielded.owner, op.body.block.args[-1]
    if not isinstance(combine, Operation) or combine.name not in _IDENTITY:
        return None
    terms = [operand for operand in combine.operands if operand is not out]
    fill = op.outputs[0].owner
    if len(terms) != 1 or not isinstance(fill, FillOp):
        return None
    if constant_of(fill.inputs[0]) != _IDENTITY[combine.name]:
        return None
    return ("max" if combine.name == "arith.maximumf" else "add"), terms[0]
