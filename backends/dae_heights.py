"""
How far ahead each load of an access program runs: requests wait for no value that comes later.

A load runs ahead of those that need its value, in its own unit too: the indices of rows ahead of
what each row has once, such as its scale, and this ahead of the elements of the row. Each stream
has a buffer of its own for that.
"""

from collections.abc import Mapping

from xdsl.ir import Operation, SSAValue

from headrace.dialects import slc
from headrace.dialects.dlc_traversal import Traversal, Unit


def heights(traversal: Traversal) -> Mapping[Operation, int]:
    """
    The number of loads, each behind the one before, from a load or store to the innermost ones.

    Those of an inner unit count as behind those of the unit around it, whether they need them or
    not. 0 for the last ones of innermost units, and for stores.
    """
    found: dict[Operation, int] = {}
    highest: dict[Unit, int] = {}
    for unit in reversed(list(traversal.walk())):
        lowest = max((highest[inner] + 1 for inner in unit.inner), default=0)
        highest[unit] = lowest + _chain(unit.streams, lowest, found)
    top = max((highest[unit] + 1 for unit in traversal.outermost), default=0)
    _chain(traversal.invariant, top, found)
    return found


def _chain(streams: list[Operation], lowest: int, found: dict[Operation, int]) -> int:
    """Add the heights of streams of one unit; how many of them come one behind the other."""
    behind: dict[SSAValue, int] = {}
    for op in reversed(streams):
        own = max((behind.get(result, 0) for result in op.results), default=0)
        if isinstance(op, slc.LoadOp | slc.StoreOp):
            found[op] = lowest + own
        below = own + isinstance(op, slc.LoadOp)
        for operand in op.operands:
            behind[operand] = max(behind.get(operand, 0), below)
    loads = [found[op] - lowest for op in streams if op in found]
    return max(loads, default=0)
