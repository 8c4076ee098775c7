"""
What the fusion table is made of: operands as they are stored, nests of loops, and their rows.

Source: "FuseFlow", ASPLOS 2026, sections 4 and 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorType
from xdsl.ir import BlockArgument, SSAValue
from xdsl.utils.hints import isa

from headrace.passes.sam import presence
from headrace.passes.sam.expression import Axis, Expression, Input
from headrace.passes.sam.region_expression import Extent
from headrace.storage.levels import Level

Presence = presence.Presence[SSAValue]


@dataclass(frozen=True)
class Source:
    """
    The stored tensor behind an input: one level kind and one axis per level.

    `tile` is the shape in which its blocks are read, if that is not their own.
    """

    tensor: SSAValue
    levels: tuple[Level, ...]
    axes: tuple[Axis, ...]
    tile: tuple[int, int] | None = None

    def extent(self, dimension: int) -> Extent:
        assert isinstance(self.tensor, BlockArgument)
        assert isa(self.tensor.type, AnyTensorType)
        size = self.tensor.type.get_shape()[dimension]
        return Extent(None if size == DYNAMIC_INDEX else size, self.tensor.index, dimension)


@dataclass(eq=False)
class Nest:
    """
    The loops of one reduction, or of a result (`axis` None).

    `scope` lists the axes outermost first. `owners[a]` is the nest that iterates axis `a`
    where this is not the nest itself. `pool` is a consumer with the same loops up to `axis`, of
    which the reference compiler makes one loop.
    """

    body: Expression
    axis: Axis | None
    scope: tuple[Axis, ...]
    owners: Mapping[Axis, "Nest"]
    pool: "Nest | None" = None

    def owner(self, axis: Axis) -> "Nest":
        return self.owners.get(axis, self)

    @property
    def inner(self) -> tuple[Axis, ...]:
        """The axes inside the reduction axis: those of its accumulator."""
        if self.axis is None:
            return ()
        return self.scope[self.scope.index(self.axis) + 1 :]


@dataclass(eq=False)
class Opened:
    """
    One column in one row: its coordinates, and what a joiner carries beside them.

    `untouched` says that the fibers of an accumulator come out as they went in.
    """

    coordinates: SSAValue
    carried: Callable[[], SSAValue]
    untouched: bool = True


@dataclass(eq=False)
class Iteration:
    """
    The joined coordinates of one row.

    `carried` has what the joiner carries for each scanned column by its coordinate stream;
    `optional` names the columns that may be absent at a coordinate.
    """

    coordinates: SSAValue
    carried: dict[SSAValue, Callable[[], SSAValue]] = field(default_factory=dict)
    optional: frozenset[SSAValue] = frozenset()
    is_full: bool = False


@dataclass(eq=False)
class Row:
    """The columns that own one axis, while its formula is read off the expression."""

    sparse: dict[SSAValue, Opened] = field(default_factory=dict)
    dense: list[tuple[Input, Nest]] = field(default_factory=list)
    read: dict[tuple[Expression, Nest], Presence] = field(default_factory=dict)
