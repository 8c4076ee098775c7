"""
Chains of matrix products in a function, and the ways to put brackets into them.

A chain is a maximal tree of contractions (`out + a * b`, summed over at least one loop) whose
inner products are read once, by the next product. Its factors stand in a row: two neighbours share
the loops that are summed over between them, their *bond*, and others share none. Any dimension
may come along besides (a batch, a scale), in any storage order.

Every bracketing of the row gives the same product, up to the rounding of floating-point numbers.
Bracketings are numbered in the order of the split of the whole row, then of its left part, then of
its right part: of `A X W` number 0 is `A (X W)` and number 1 is `(A X) W`.

Source: "FuseFlow", ASPLOS 2026, evaluation of graph convolutions (the form that it fixes by hand).
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyTensorType,
    FloatAttr,
    IntegerAttr,
    StringAttr,
)
from xdsl.dialects.func import FuncOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr
from xdsl.utils.hints import isa

Label = int | None
"""Names a loop of a chain; None stands for coordinate 0 of a dimension of size 1."""

Interval = tuple[int, int]
"""The factors from the first number to the one before the second."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A tensor in a chain; `labels[d]` is the loop of its dimension `d`."""

    value: SSAValue
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Chain:
    """
    A chain of at least three factors, in the order in which they are multiplied.

    `products[k]` is the operation that sums over the bond between factors k and k + 1; `root`, one
    of them, gives the result, whose dimensions have `labels`. `written` is the number of the
    bracketing that is there.
    """

    factors: tuple[Factor, ...]
    products: tuple[LinalgStructuredOperation, ...]
    root: LinalgStructuredOperation
    labels: tuple[Label, ...]
    written: int

    @property
    def bracketings(self) -> int:
        return bracketings(len(self.factors))

    @property
    def shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """The shape of each factor; None is a size known at run time."""
        return tuple(
            tuple(None if size == DYNAMIC_INDEX else size for size in shape_of(factor.value))
            for factor in self.factors
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What the factors are called; `'` marks a matrix that is read transposed."""
        return tuple(self._name(position) for position in range(len(self.factors)))

    def _name(self, position: int) -> str:
        factor = self.factors[position]
        name = name_of(factor.value) or f"_{position}"
        before = {label for other in self.factors[:position] for label in other.labels}
        after = {label for other in self.factors[position + 1 :] for label in other.labels}
        if len(factor.labels) == 2:
            first, second = factor.labels
            if (first in after and first not in before) or (second in before - after):
                return f"{name}'"
        return name

    def text(self, form: int) -> str:
        """Bracketing number `form`, such as `(A X) W`."""
        splits = splits_of(form, len(self.factors))

        def written(first: int, end: int) -> str:
            if end - first == 1:
                return self.names[first]
            split = splits[first, end]
            parts = ((first, split), (split, end))
            return " ".join(
                text if stop - start == 1 else f"({text})"
                for start, stop in parts
                for text in [written(start, stop)]
            )

        return written(0, len(self.factors))


def bracketings(factors: int) -> int:
    """How many bracketings a chain of so many factors has: a Catalan number."""
    return comb(2 * factors - 2, factors - 1) // factors


def splits_of(form: int, factors: int) -> dict[Interval, int]:
    """Where bracketing number `form` cuts each of its intervals of two or more factors."""
    splits: dict[Interval, int] = {}

    def cut(form: int, first: int, end: int) -> None:
        if end - first == 1:
            return
        for split in range(first + 1, end):
            right = bracketings(end - split)
            here = bracketings(split - first) * right
            if form < here:
                splits[first, end] = split
                cut(form // right, first, split)
                cut(form % right, split, end)
                return
            form -= here

    cut(form, 0, factors)
    return splits


def form_of(splits: Mapping[Interval, int], factors: int) -> int:
    """The number of the bracketing with these `splits`."""

    def number(first: int, end: int) -> int:
        if end - first == 1:
            return 0
        cut = splits[first, end]
        before = sum(
            bracketings(split - first) * bracketings(end - split) for split in range(first + 1, cut)
        )
        return before + number(first, cut) * bracketings(end - cut) + number(cut, end)

    return number(0, factors)


def chains(function: FuncOp) -> list[Chain]:
    """The chains of at least three factors in the order of their results."""
    if len(function.body.blocks) != 1:
        return []
    return _chains(function.body.block)


def _chains(block: Block) -> list[Chain]:
    absorbed: set[Operation] = set()
    fresh = itertools.count()
    found: list[Chain] = []
    for op in reversed(list(block.ops)):
        if isinstance(op, LinalgStructuredOperation) and op not in absorbed and is_contraction(op):
            labels = tuple(None if loop is None else next(fresh) for loop in _loops(op)[-1])
            tree = _tree(op, labels, fresh)
            absorbed.update(tree.operations())
            if len(tree.factors) > 2:
                found.append(_chain(tree))
    return found[::-1]


@dataclass(frozen=True, eq=False)
class _Tree:
    """A product whose result has `labels`, and its operands: factors and further products."""

    op: LinalgStructuredOperation
    labels: tuple[Label, ...]
    parts: "tuple[_Tree | Factor, ...]"

    @property
    def factors(self) -> list[Factor]:
        return [factor for part in self.parts for factor in _factors(part)]

    def trees(self) -> "list[_Tree]":
        inner = [tree for part in self.parts if isinstance(part, _Tree) for tree in part.trees()]
        return [*inner, self]

    def operations(self) -> list[LinalgStructuredOperation]:
        return [tree.op for tree in self.trees()]


def _factors(part: _Tree | Factor) -> list[Factor]:
    return [part] if isinstance(part, Factor) else part.factors


def _tree(op: LinalgStructuredOperation, labels: Sequence[Label], fresh: Iterator[int]) -> _Tree:
    """The tree below `op` that takes in as many products as still make a row."""
    *operands, result = _loops(op)
    label_of = {loop: label for loop, label in zip(result, labels, strict=True) if loop is not None}
    for loop in (loop for loops in operands for loop in loops if loop is not None):
        if loop not in label_of:
            label_of[loop] = next(fresh)
    choices: list[list[_Tree | Factor]] = []
    for value, loops in zip(op.inputs, operands, strict=True):
        read = tuple(None if loop is None else label_of[loop] for loop in loops)
        inner = _inner_product(op, value, read)
        below = [] if inner is None else [_tree(inner, read, fresh)]
        choices.append([*below, Factor(value, read)])
    trees = (_Tree(op, tuple(labels), parts) for parts in itertools.product(*choices))
    return next(tree for tree in trees if _row(tree) is not None)


def _inner_product(
    op: LinalgStructuredOperation, value: SSAValue, read: Sequence[Label]
) -> LinalgStructuredOperation | None:
    """The product that makes `value` for `op` alone and can be multiplied in another order."""
    inner = value.op if isinstance(value, OpResult) else None
    if not isinstance(inner, LinalgStructuredOperation) or not is_contraction(inner):
        return None
    is_plain = None not in read and len(set(read)) == len(read) and None not in _loops(inner)[-1]
    is_alone = len(list(value.uses)) == 1 and inner.parent is op.parent
    same_type = inner.body.block.args[0].type == op.body.block.args[0].type
    return inner if is_plain and is_alone and same_type and starts_from_zero(inner) else None


def is_contraction(op: LinalgStructuredOperation) -> bool:
    """Whether `op` is `out + a * b` in one element type, summed over loops of both operands."""
    if len(op.inputs) != 2 or len(op.results) != 1:
        return False
    block = op.body.block
    types = {argument.type for argument in block.args}
    if len(types) != 1 or not _multiplies_and_adds(block):
        return False
    maps = [attribute.data.results for attribute in op.get_indexing_maps()]
    if not all(_is_loop_or_zero(index) for results in maps for index in results):
        return False
    *operands, result = (set(loops) - {None} for loops in _loops(op))
    summed = operands[0].union(*operands) - result
    return bool(summed) and all(summed <= loops for loops in operands)


def _multiplies_and_adds(block: Block) -> bool:
    first, second, out = block.args
    last = block.last_op
    added = last.operands[0].owner if last is not None and len(last.operands) == 1 else None
    if not isinstance(added, arith.AddfOp | arith.AddiOp) or out not in added.operands:
        return False
    term = added.rhs if added.lhs is out else added.lhs
    multiplied = term.owner
    if not isinstance(multiplied, arith.MulfOp | arith.MuliOp):
        return False
    return {multiplied.lhs, multiplied.rhs} == {first, second}


def _is_loop_or_zero(index: object) -> bool:
    return isinstance(index, AffineDimExpr) or index == AffineConstantExpr(0)


def _loops(op: LinalgStructuredOperation) -> list[tuple[int | None, ...]]:
    """The loop of each dimension of each operand and of the result; None is coordinate 0."""
    return [
        tuple(
            index.position if isinstance(index, AffineDimExpr) else None
            for index in attribute.data.results
        )
        for attribute in op.get_indexing_maps()
    ]


def starts_from_zero(op: LinalgStructuredOperation) -> bool:
    """Whether `op` adds to nothing."""
    start = op.outputs[0].owner
    number = start.inputs[0].owner if isinstance(start, FillOp) else None
    match number.value if isinstance(number, arith.ConstantOp) else None:
        case FloatAttr() | IntegerAttr() as constant:
            return constant.value.data == 0
        case _:
            return False


def _row(tree: _Tree) -> tuple[Factor, ...] | None:
    """The factors in the order in which neighbours share what is summed over, if there is one."""
    factors = tree.factors
    users: dict[int, list[Factor]] = {}
    for factor in factors:
        for label in dict.fromkeys(factor.labels):
            if label is not None and label not in tree.labels:
                users.setdefault(label, []).append(factor)
    neighbours: dict[Factor, dict[Factor, None]] = {factor: {} for factor in factors}
    for pair in users.values():
        if len(pair) != 2:
            return None
        neighbours[pair[0]][pair[1]] = neighbours[pair[1]][pair[0]] = None
    degrees = Counter(len(beside) for beside in neighbours.values())
    if degrees != Counter([1, 1] + [2] * (len(factors) - 2)):
        return None
    row = [_first([f for f in factors if len(neighbours[f]) == 1], tree.labels)]
    while following := [f for f in neighbours[row[-1]] if f not in row]:
        row += following
    return tuple(row) if len(row) == len(factors) else None


def _first(ends: Sequence[Factor], labels: Sequence[Label]) -> Factor:
    """The end of a row with the outermost dimension of the result, where both ends have one."""
    shared = set(ends[0].labels).intersection(ends[1].labels)
    own = [[label for label in labels if label in {*end.labels} - shared] for end in ends]
    if not all(own) or labels.index(own[0][0]) < labels.index(own[1][0]):
        return ends[0]
    return ends[1]


def _chain(tree: _Tree) -> Chain:
    row = _row(tree)
    assert row is not None
    place = {factor: position for position, factor in enumerate(row)}
    splits: dict[Interval, int] = {}
    products: dict[int, LinalgStructuredOperation] = {}
    for product in tree.trees():
        parts = sorted(sorted(place[f] for f in _factors(part)) for part in product.parts)
        split = parts[1][0]
        splits[parts[0][0], parts[1][-1] + 1] = split
        products[split] = product.op
    ordered = tuple(products[split] for split in range(1, len(row)))
    return Chain(row, ordered, tree.op, tree.labels, form_of(splits, len(row)))


def shape_of(value: SSAValue) -> tuple[int, ...]:
    assert isa(value.type, AnyTensorType)
    return value.type.get_shape()


def name_of(value: SSAValue) -> str | None:
    """What the caller calls a tensor, or the IR; None if neither does."""
    if isinstance(value, BlockArgument):
        function = value.block.parent_op()
        if isinstance(function, FuncOp) and function.arg_attrs is not None:
            name = function.arg_attrs.data[value.index].data.get("headrace.name")
            if isinstance(name, StringAttr):
                return name.data
    return value.name_hint
