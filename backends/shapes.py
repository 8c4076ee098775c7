"""
The sizes that the arguments of a function must share.

A `linalg` op that maps two dimensions to one loop says that they are equal. Where a size is
unknown until the program runs, that is all there is to check the arguments against.
"""

from typing import cast

from xdsl.dialects import func
from xdsl.dialects.builtin import AnyTensorType, TensorType
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineDimExpr

Dimension = tuple[SSAValue, int]
Shape = tuple[int | str, ...]


class _Classes:
    """Dimensions that must be equal (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[Dimension, Dimension] = {}

    def find(self, dimension: Dimension) -> Dimension:
        while (parent := self._parents.get(dimension, dimension)) != dimension:
            dimension = parent
        return dimension

    def join(self, one: Dimension, other: Dimension) -> None:
        self._parents[self.find(one)] = self.find(other)

    def members(self) -> set[Dimension]:
        return self._parents.keys() | set(self._parents.values())


def argument_shapes(function: func.FuncOp) -> tuple[Shape, ...]:
    """
    Return the shape of every argument: a number where known, else a name.

    Equal names stand for equal sizes; call it on the entry IR, before ops are fused.
    """
    classes = _Classes()
    for op in function.walk():
        if isinstance(op, LinalgStructuredOperation):
            _join(op, classes)
    known = {
        classes.find((value, dimension)): size
        for value, dimension in classes.members()
        if (size := _shape(value)[dimension]) >= 0
    }
    names: dict[Dimension, str] = {}
    shapes: list[Shape] = []
    for argument in function.body.block.args:
        shape: list[int | str] = []
        for dimension, size in enumerate(_shape(argument)):
            root = classes.find((argument, dimension))
            if size >= 0 or root in known:
                shape.append(size if size >= 0 else known[root])
            else:
                shape.append(names.setdefault(root, f"s{len(names)}"))
        shapes.append(tuple(shape))
    return tuple(shapes)


def _join(op: LinalgStructuredOperation, classes: _Classes) -> None:
    first: dict[int, Dimension] = {}
    for operand, attribute in zip(op.operands, op.get_indexing_maps(), strict=True):
        if not isinstance(operand.type, TensorType):
            continue
        for position, expression in enumerate(attribute.data.results):
            if isinstance(expression, AffineDimExpr):
                dimension = (operand, position)
                classes.join(dimension, first.setdefault(expression.position, dimension))
    for result, init in zip(op.results, op.outputs, strict=True):
        for position in range(len(_shape(result))):
            classes.join((result, position), (init, position))


def _shape(value: SSAValue) -> tuple[int, ...]:
    if not isinstance(value.type, TensorType):
        return ()
    return cast(AnyTensorType, value.type).get_shape()
