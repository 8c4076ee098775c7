"""
Elements of the streams of streaming tensor programs, as 64-bit words.

Only sizes and routing travel, not values. From the lowest bit: the level of the stop that comes
with the element (4 bits), whether it resides in a memory unit, whether it is a bare stop (the end
of an empty list, without a value), and the payload. A tile is rows, columns and valid rows, 19
bits each; an integer is its value, a selector an index into the table of selectors, a buffer or
tuple the place of its record: the number of its parts, then the parts.

The width of an operand says what it is: bytes of a number of a tile if positive, -bytes of another
item if negative; 0 for a buffer or tuple, which costs nothing to hand on.

Source: "Streaming Tensor Programs" (ASPLOS 2026); the form in which the stop travels with the value
is that of its simulator.
"""

from headrace.simulators.stream.language import DONE, In, Ints, Out, below, fail, send, take
from headrace.simulators.stream.primitive import helper

LEVELS = 15
RESIDENT = 16
BARE = 32
PAYLOAD = 6
VALID, COLUMNS, ROWS = 6, 25, 44
FIELD = (1 << 19) - 1
INTEGERS = 1 << 57
"""An element carries the integers below this."""
NO_LIST_OPEN = 16
"""Above all levels: the level before the first element."""


@helper
def with_level(token: int, level: int) -> int:
    """The element with another stop."""
    return (token & ~LEVELS) | level


@helper
def tile(rows: int, columns: int, valid: int, marks: int) -> int:
    """A tile; `marks` are its lower bits."""
    return (rows << ROWS) | (columns << COLUMNS) | (valid << VALID) | marks


@helper
def check_size(rows: int, columns: int) -> None:
    """Refuse a tile that an element cannot carry."""
    if not below(rows, FIELD + 1) or not below(columns, FIELD + 1):
        fail("a tile has more than 524287 rows or columns")


@helper
def bytes_of(token: int, width: int) -> int:
    size = 0
    if (token & BARE) == 0:
        size = -width
        if width > 0:
            size = (token >> ROWS) * ((token >> COLUMNS) & FIELD) * width
    return size


@helper
def load_cycles(token: int, width: int, bandwidth: int) -> int:
    """Cycles to read an element: none unless it resides in a memory unit."""
    cycles = 0
    if (token & RESIDENT) != 0:
        size = bytes_of(token, width)
        cycles = (size + bandwidth - 1) // bandwidth
    return cycles


@helper
def store_cycles(token: int, write_back: int, width: int, bandwidth: int) -> int:
    """Cycles to write an element back to a memory unit, if the node does that."""
    cycles = 0
    if write_back != 0:
        size = bytes_of(token, width)
        cycles = (size + bandwidth - 1) // bandwidth
    return cycles


@helper
def closes(token: int, last: int, rank: int) -> int:
    """
    Whether a list of `rank` levels ends with an element, or is empty; `last` is the level before.

    A bare stop after a lower level closes what is open, after another one it is an empty list.
    """
    level = token & LEVELS
    ends = 0
    if level >= rank:
        if (token & BARE) == 0 or last < rank or level == rank:
            ends = 1
    return ends


@helper
def absorb(x: In, reached: int, level: int) -> None:
    """Take the bare stops up to a level that another operand has reached."""
    while reached < level:
        rest = take(x)
        if rest == DONE or (rest & BARE) == 0:
            fail("the stops of the operands differ; they need the same shape", x)
        reached = rest & LEVELS
    if reached != level:
        fail("the stops of the operands differ; they need the same shape", x)


@helper
def ended_lists(position: int, first: int, shape: Ints) -> int:
    """How many dimensions of shape[first:] end with the element at a position, innermost first."""
    level = 0
    rest = position + 1
    k = len(shape)
    while k > first and rest % shape[k - 1] == 0:
        rest = rest // shape[k - 1]
        level += 1
        k -= 1
    return level


@helper
def product(shape: Ints) -> int:
    """How many elements an array of a shape has."""
    count = 1
    k = 0
    while k < len(shape):
        count = count * shape[k]
        k += 1
    return count


@helper
def send_empty(y: Out, shape: Ints, first: int, closing: int) -> None:
    """
    The empty lists that stand for elements of shape[first:] if a size of `shape` is 0, else none.

    The last one closes `closing` levels more.
    """
    depth = 0
    count = 1
    while depth < len(shape) and shape[depth] != 0:
        count = count * shape[depth]
        depth += 1
    if first <= depth and depth < len(shape):
        empty = len(shape) - depth
        position = 0
        while position < count:
            send(y, BARE + empty)
            position += 1
            rest = position
            k = depth - 1
            while k >= first and rest % shape[k] == 0:
                rest = rest // shape[k]
                k -= 1
            stop = empty + depth - 1 - k
            if position == count:
                stop += closing
            if stop > empty:
                send(y, BARE + stop)


@helper
def check_selector(selector: int, control: In, starts: Ints, members: Ints, width: int) -> None:
    """Refuse a selector that is not in the table, or selects what is not there."""
    index = selector >> PAYLOAD
    if not below(index, len(starts) - 1):
        fail("there is no selector {token}", control, index)
    if not below(starts[index], len(members) + 1) or not below(starts[index + 1], len(members) + 1):
        fail("the table of selectors ends before selector {token}", control, index)
    k = starts[index]
    while k < starts[index + 1]:
        if not below(members[k], width):
            fail("a selector selects {token}, which the node does not have", control, members[k])
        k += 1
