"""
What a small netlist does to its streams, on nested lists: shapes, lists and valid rows.

A third, independent account of the operators, without any time: lists are Python lists, so empty
ones need no stops. Netlists that are legal for it are legal for a simulator.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from headrace.simulators.stream.netlist import Port


class Leaf(NamedTuple):
    """A tile of `rows` rows, of which `value` are valid; or an integer `value`; or a selector."""

    rows: int
    value: Any


@dataclass(frozen=True)
class Strand:
    """
    A stream that nobody reads yet.

    `lists` nest `rank` + 1 deep and are `None` where a merge has decided the order. `rows` is the
    static number of rows of its tiles, `None` if it varies. Strands with equal `key` have the same
    lists, but for what their leaves hold.
    """

    port: Port
    kind: str
    """tile, integer or selector."""
    rank: int
    lists: Any
    rows: int | None
    columns: int
    key: Any

    @property
    def leaves(self) -> list[Leaf]:
        return list(leaves(self.lists, self.rank))

    def units(self, rank: int) -> list[Any]:
        """The lists of level `rank`, or leaves, in order."""
        return list(leaves(self.lists, self.rank - rank))


def leaves(lists: Any, rank: int) -> Iterator[Any]:
    """What lies `rank` + 1 lists deep."""
    if rank == 0:
        yield from lists
    else:
        for part in lists:
            yield from leaves(part, rank - 1)


def at_depth(lists: Any, depth: int, change: Callable[[Any], Any]) -> Any:
    """Replace what lies `depth` lists deep."""
    if depth == 0:
        return change(lists)
    return [at_depth(part, depth - 1, change) for part in lists]


def each_leaf(strand: Strand, change: Callable[[Any], Any]) -> Any:
    return at_depth(strand.lists, strand.rank + 1, change)


def regular(sizes: Sequence[int], make: Callable[[int], Any]) -> Any:
    """A box of new leaves, which are numbered."""
    numbers = iter(range(10**6))

    def build(left: Sequence[int]) -> Any:
        if not left:
            return make(next(numbers))
        return [build(left[1:]) for _ in range(left[0])]

    return build(sizes)


def flattened(lists: Any, rank: int, low: int, high: int) -> Any:
    """Merge the lists of levels low + 1 to high + 1 (the outermost one counts as rank + 1)."""
    return at_depth(lists, rank - high, lambda part: list(leaves(part, high - low)))


def chunks(part: list[Any], size: int, pad: Any) -> list[list[Any]]:
    """Parts of equal size; `pad` fills the last one."""
    found = [part[first : first + size] for first in range(0, len(part), size)]
    if found and pad is not None:
        found[-1] = found[-1] + [pad] * (size - len(found[-1]))
    return found


def encoded(lists: Any, rank: int) -> list[tuple[Any, int]]:
    """
    The elements of a stream: a leaf with its stop, or `None` with a stop.

    The writing with the fewest elements; streams with other writings decode to the same lists.
    """

    def emit(part: Any, level: int) -> list[tuple[Any, int]]:
        if level == 0:
            return [(part, 0)]
        elements = [element for inner in part for element in emit(inner, level - 1)]
        if not part or (level > 1 and not part[-1]):
            return [*elements, (None, level)]
        last, _ = elements[-1]
        return [*elements[:-1], (last, level)]

    return [element for part in lists for element in emit(part, rank)]


def decoded(elements: Sequence[tuple[Any, int]], rank: int) -> Any:
    """The lists of a stream, in whatever way it is written."""
    open_lists: list[list[Any]] = [[] for _ in range(rank + 1)]
    """By level less one: what is collected for the list of level k + 1."""
    last = rank + 1
    for leaf, stop in elements:
        first = 1
        if leaf is not None:
            open_lists[0].append(leaf)
        elif last >= stop:
            first = stop
        else:
            first = last + 1
        for level in range(first, stop + 1):
            open_lists[level].append(open_lists[level - 1])
            open_lists[level - 1] = []
        last = stop
    assert not any(open_lists[:-1]), "a list does not end"
    return open_lists[-1]
