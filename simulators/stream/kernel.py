"""What is compiled (a variant of a primitive) and what comes out (a kernel)."""

import functools
from dataclasses import dataclass

from headrace.simulators.stream.primitive import Argument, Constant, Primitive

MOVES = "moves of "
"""With the name of a port: the stamps of tokens sent, or the times at which they are taken."""

ARENA = "arena"
"""The parameter through which primitives see all tiles: one array of one run."""

FREE_TILES = "free_tiles"
"""The parameter that lists free tiles: their number, then the addresses in the arena."""

BUSY = "busy"
"""Starts and ends of busy intervals, by turns."""


@dataclass(frozen=True)
class Variant:
    """A primitive with its constants: what is compiled once and shared by many nodes."""

    primitive: Primitive
    n: int
    statics: tuple[tuple[str, Constant], ...] = ()
    unbounded: bool = False
    """No channel of the program has a capacity: the times at which slots are free do not matter."""
    moves: bool = False
    """Record when each token is sent and taken."""
    trace: bool = False
    """Record when the node is busy."""
    operations: bool = False
    """Count arithmetic operations."""

    @functools.cached_property
    def inputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=True)

    @functools.cached_property
    def outputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=False)

    @functools.cached_property
    def fixed_inputs(self) -> tuple[str, ...]:
        """The inputs that the code names; the others are addressed at run time."""
        return self.primitive.ports(self.n, inputs=True, tables=False)

    @functools.cached_property
    def fixed_outputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=False, tables=False)

    @functools.cached_property
    def parameters(self) -> tuple[Argument, ...]:
        """The parameters of the primitive, its tables of ports, then the arrays of records."""
        names = [MOVES + port for port in (*self.inputs, *self.outputs)] if self.moves else []
        names += [BUSY] if self.trace else []
        records = (Argument(name, "IntOutput", None) for name in names)
        return (*self.primitive.parameters, *self.primitive.tables, *records)


@dataclass(frozen=True)
class Point:
    """A place where a node may be suspended: its kind and the port or array it waits for."""

    kind: str
    """`data`, `room`, `growth` or `memory`."""
    subject: str
    line: int


@dataclass(frozen=True)
class Kernel:
    """The code of a variant and the layout of its node record."""

    variant: Variant
    symbol: str
    text: str
    """LLVM IR."""
    words: int
    """Size of the node record."""
    parameters: dict[str, int]
    """The first word of each parameter."""
    points: tuple[Point, ...]
    """Suspension point k is `points[k - 1]`."""
    messages: tuple[tuple[str, str | None], ...]
    """Failures: the message, and the port it is about."""
