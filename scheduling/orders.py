"""
The orders of a region's axes that are worth a look.

Any permutation is legal if operands may be copied in another order; a copy costs its entries
once more, except that of a weight, which is stored as it is needed. From the default order a
descent moves one axis at a time, because the cost of neighbours is alike and the number of
permutations is not bounded by anything useful.

Source: "FuseFlow", ASPLOS 2026, sections 4.2 and 7.3 (dataflow order).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from headrace.dialects import sam
from headrace.dialects.sparse_tensor import format_of
from headrace.passes.sam.constant_results import hoist_constant_results
from headrace.passes.sam.order import StoredUse, literal
from headrace.passes.sam.region_expression import RegionExpression, read_region
from headrace.passes.sam.region_order import order_of, stored_results, stored_uses
from headrace.passes.sam.sam_fuse import is_fusible

FEW_AXES = 5
"""An axis may move to any place among so many."""

Priority = tuple[int, ...]
"""The axes i0, i1, .. by their numbers, outermost first."""


@dataclass(frozen=True)
class Axes:
    """The axes of a region and what the order of them costs in copies."""

    read: RegionExpression
    uses: tuple[StoredUse, ...]
    default: Priority
    """The order that `sam-lower` takes by itself."""
    repeated: Mapping[int, int]
    """The operations, by their places in the run, that are computed more than once: how often."""

    def copied(self, priority: Priority) -> float:
        """Entries to copy under an order that is taken literally."""
        axes = [self.read.order[number] for number in priority]
        once = {
            (stored.use.operand if stored.use else n, stored.levels): stored.cost
            for n, stored in enumerate(literal(axes, self.uses).permuted)
        }
        return sum(once.values())


def axes_of(module: ModuleOp) -> Axes | None:
    """The axes of the only region of a module; None if it computes constants only."""
    module = module.clone()
    (found,) = (op for op in module.walk() if isinstance(op, sam.RegionOp))
    region = hoist_constant_results(found)
    if region is None:
        return None
    read = read_region(region)
    formats = [format_of(value.type) for value in region.inputs]
    uses = (*stored_uses(region, read.results, formats), *stored_results(region, read))
    order = order_of(region, read, read.results, formats)
    fusible = [op for op in region.body.block.ops if is_fusible(op)]
    repeated = {fusible.index(op): count for op, count in read.repeated.items()}
    return Axes(read, uses, tuple(read.order.index(axis) for axis in order.axes), repeated)


def descend(start: Priority, cost: Callable[[Priority], float], budget: int) -> None:
    """Ask for the cost of up to `budget` orders, each time around the best so far."""
    best, least = start, cost(start)
    seen = {start}
    while True:
        found = best
        for neighbour in _moves(best):
            if neighbour in seen:
                continue
            if len(seen) > budget:
                return
            seen.add(neighbour)
            if (this := cost(neighbour)) < least:
                found, least = neighbour, this
        if found == best:
            return
        best = found


def _moves(order: Priority) -> Iterator[Priority]:
    """Every order with one axis elsewhere; of many axes, to the next place only."""
    furthest = len(order) if len(order) <= FEW_AXES else 1
    for place, axis in enumerate(order):
        rest = order[:place] + order[place + 1 :]
        for target in range(place + 1, min(place + furthest, len(order) - 1) + 1):
            yield (*rest[:target], axis, *rest[target:])
        for target in range(max(place - furthest, 0), place - 1):
            # One place down is the same as the neighbour one place up.
            yield (*rest[:target], axis, *rest[target:])
