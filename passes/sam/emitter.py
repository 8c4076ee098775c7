"""
Builds stream operations, each at most once.

Equal operations on equal operands are one operation: generators, scans and joiners that
several cells of a fusion table ask for are shared without a later pass.
"""

from collections.abc import Callable, Hashable

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.dialects.tensor import DimOp
from xdsl.ir import Block, Operation, SSAValue

from headrace.dialects import sam
from headrace.passes.sam.region_expression import Extent


class Emitter:
    """Appends operations to `block`, whose arguments are the tensors of the graph."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._made: dict[tuple[Hashable, ...], Operation] = {}

    def once(self, build: Callable[..., Operation], *arguments: Hashable) -> Operation:
        """`build(*arguments)`, or the operation that the same call made before."""
        return self._once((build, *map(_key, arguments)), lambda: build(*arguments))

    def _once(self, key: tuple[Hashable, ...], build: Callable[[], Operation]) -> Operation:
        if key not in self._made:
            self._made[key] = build()
            self.block.add_op(self._made[key])
        return self._made[key]

    def value(self, build: Callable[..., Operation], *arguments: Hashable) -> SSAValue:
        return self.once(build, *arguments).results[0]

    def pair(
        self, build: Callable[..., Operation], *arguments: Hashable
    ) -> tuple[SSAValue, SSAValue]:
        first, second = self.once(build, *arguments).results
        return first, second

    def root(self, reader: Hashable = None) -> SSAValue:
        """The root reference; one generator for all readers, or one for each `reader`."""
        return self._once((sam.RootOp, reader), sam.RootOp).results[0]

    def extent(self, extent: Extent) -> SSAValue:
        if extent.size is not None:
            return self.value(_constant, extent.size)
        return self.value(sam.ExtentOp, self.block.args[extent.operand], extent.dimension)

    def size(self, extent: Extent) -> SSAValue:
        """The size of a dimension in elements, also where the operand is in blocks."""
        if extent.size is not None:
            return self.extent(extent)
        dimension = self.value(_constant, extent.dimension)
        return self.value(DimOp, self.block.args[extent.operand], dimension)

    def erase_unused(self) -> None:
        """Remove what no result needs: cells are emitted before it is known who reads them."""
        for op in reversed(list(self.block.ops)):
            if op.results and not any(result.uses for result in op.results):
                op.detach()
                op.erase()


def _constant(number: int) -> Operation:
    return arith.ConstantOp(IntegerAttr(number, IndexType()))


def _key(argument: Hashable) -> Hashable:
    """What makes an argument the same: 0.0 is not -0.0, nor False; NaN is NaN."""
    if isinstance(argument, int | float):
        return type(argument), repr(argument)
    return argument
