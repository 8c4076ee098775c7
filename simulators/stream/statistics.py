"""What a run reports: outputs, clocks, traffic, and why it stopped if it did."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NodeStatistics:
    """Cycles of one node: busy + stalled_on_input + stalled_on_output = cycles."""

    name: str
    kind: str
    cycles: int
    """Its final clock."""
    busy: int
    stalled_on_input: int
    stalled_on_output: int
    tokens: int
    """Tokens sent."""
    operations: int | None = None
    """
    Arithmetic operations, if they were asked for: one for each value computed, and for each value
    added to another.
    """
    requests: int = 0
    """Requests to the off-chip memory, of a node of a streaming tensor program."""


@dataclass(frozen=True)
class ChannelStatistics:
    source: str
    """Node and port that send."""
    target: str
    """Node and port that read."""
    capacity: int | None
    """`None` is unbounded."""
    tokens: int
    peak: int | None = None
    """The most tokens held at a time, if asked for."""


@dataclass(frozen=True)
class Traffic:
    """Bytes between the graph and one tensor in memory."""

    read: int = 0
    written: int = 0


@dataclass(frozen=True)
class Blocked:
    """A node that cannot move, and why."""

    node: str
    kind: str
    """`data`: waits for a token; `room`: waits for a free slot."""
    port: str
    other: str
    """The node at the other end of the channel."""
    held: int
    """Tokens that the channel holds: 0 if empty, its capacity if full."""

    def __str__(self) -> str:
        if self.kind == "data":
            return f"'{self.node}' waits for a token on {self.port} from '{self.other}'"
        return f"'{self.node}' waits for room on {self.port} to '{self.other}' ({self.held} held)"


@dataclass(frozen=True)
class Deadlock:
    """Why no node can move."""

    blocked: tuple[Blocked, ...]
    """Every node that has not finished."""
    cycle: tuple[Blocked, ...]
    """Nodes each of which waits for the next, the last for the first; empty if there is none."""
    smallest_depth: int | None
    """
    The least depth of all channels without deadlock; `None` if no depth helps.

    Where merges choose by time it is a depth without deadlock, perhaps not the least.
    """
    alternative: str | None = None
    """What other than this depth helps, said by who knows the program; `None` if nothing does."""

    def __str__(self) -> str:
        waits = "; ".join(str(one) for one in (self.cycle or self.blocked))
        if self.smallest_depth is None:
            remedy = (
                "no depth helps: a cycle needs an initial token, operands do not line up, or a "
                "channel has too small a depth of its own"
            )
        else:
            remedy = f"channels of depth {self.smallest_depth} are enough"
            remedy += f", or {self.alternative}" if self.alternative else ""
        return f"deadlock: {remedy}: {waits}"


@dataclass(frozen=True)
class Interval:
    """A time in which a node was busy, but for short gaps."""

    node: str
    start: int
    end: int


@dataclass(frozen=True)
class SimulationResult:
    """What a run gives; a run that deadlocks has no outputs."""

    cycles: int
    """The largest final clock of any node."""
    outputs: dict[str, Array]
    nodes: tuple[NodeStatistics, ...]
    channels: tuple[ChannelStatistics, ...]
    memory: dict[str, Traffic]
    """Traffic by tensor."""
    deadlock: Deadlock | None
    intervals: tuple[Interval, ...] = ()
    """Busy times, if a trace was asked for."""

    @property
    def tokens(self) -> int:
        """Tokens sent over all channels."""
        return sum(channel.tokens for channel in self.channels)

    @property
    def flops(self) -> int | None:
        """
        Arithmetic operations of all nodes, if they were asked for: a product that is added to a
        sum counts two.
        """
        counts = [node.operations for node in self.nodes if node.operations is not None]
        return sum(counts) if len(counts) == len(self.nodes) else None
