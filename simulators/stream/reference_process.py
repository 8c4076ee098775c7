"""
Processes with local clocks and the channels between them, in plain Python.

A process is a generator with an integer clock that starts at 0, only grows and runs ahead
freely. A channel is a first-in first-out queue of (stamp, token) with one writer and one reader.
Whoever cannot go on yields what it waits for; nobody else's clock matters to it. The outcome is
that of a deterministic process network: it does not depend on the order in which processes run.

Source: "The Dataflow Abstract Machine Simulator Framework", ISCA 2024, sections 3 and 4.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias, TypeVar

Payload: TypeAlias = Any
"""A coordinate, reference or bit vector (int), a value (float), or a tile (numpy array)."""


class Stop(NamedTuple):
    """The end of `level + 1` fibers at once, of which the `hollow` innermost do not exist."""

    level: int
    hollow: int = 0

    def up(self) -> "Stop":
        """The stop of a fiber opened one level deeper where there is nothing to open."""
        return Stop(self.level + 1, self.hollow + 1)

    def down(self) -> "Stop":
        """What is left of the stop once its innermost level is reduced away."""
        return Stop(self.level - 1, max(self.hollow - 1, 0))

    def raised(self) -> "Stop":
        """This stop merged with the end of a fiber that does exist one level deeper."""
        return Stop(self.level + 1, 0)

    def __str__(self) -> str:
        return f"S{self.level}~{self.hollow}" if self.hollow else f"S{self.level}"


class Mark(Enum):
    """Tokens without content."""

    DONE = "D"
    ABSENT = "N"
    REPEAT = "R"
    CLOSE = "S"

    def __str__(self) -> str:
        return self.value


DONE, ABSENT, REPEAT, CLOSE = Mark.DONE, Mark.ABSENT, Mark.REPEAT, Mark.CLOSE
END_OF_FIBER = Stop(0)

Token: TypeAlias = Any
"""A `Stop`, a `Mark`, or a payload."""


def is_value(token: Token) -> bool:
    """Whether the token is neither control nor absent."""
    return not isinstance(token, Stop | Mark)


@dataclass(eq=False)
class Channel:
    """A queue of (stamp, token); `capacity` None is unbounded."""

    name: str
    capacity: int | None = None
    writer: "Process | None" = None
    reader: "Process | None" = None
    queue: deque[tuple[int, Token]] = field(default_factory=deque[tuple[int, Token]])
    watched: bool = False
    """Whether stamps and times are kept although nobody waits for room."""
    stamps: list[int] = field(default_factory=list[int])
    """Of each element, if watched."""
    taken: list[int] = field(default_factory=list[int])
    """When each element was taken, if bounded or watched."""
    sent: int = 0

    def peak(self) -> int:
        """The most elements held at a time, from their stamps until they are taken."""
        moves = [(time, 0, 1) for time in self.stamps] + [(time, 1, -1) for time in self.taken]
        return max(accumulate(change for _, _, change in sorted(moves)), default=0)


class Wait(Enum):
    """Why a process cannot go on."""

    DATA = "data"
    ROOM = "room"
    MEMORY = "memory"


T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""A part of a process that may suspend; `yield` means "blocked, as written on the process"."""


@dataclass(eq=False)
class Process:
    """
    One local clock, and the calls that move it.

    Response latency and send latency are one cycle. `ready` is the ready list of the simulation.
    """

    name: str
    ready: deque["Process"]
    time: int = 0
    stalled_on_input: int = 0
    """Cycles in which the clock waited for the stamp of a token or for the memory."""
    stalled_on_output: int = 0
    """Cycles in which the clock waited for a place in a channel."""
    sent: int = 0
    blocked: tuple[Wait, Channel | None] | None = None
    finished: bool = False

    def _wait(self, why: Wait, channel: Channel | None) -> Steps[None]:
        self.blocked = (why, channel)
        yield
        self.blocked = None

    def _wake(self, other: "Process | None", why: Wait, channel: Channel) -> None:
        if other is not None and other.blocked == (why, channel):
            other.blocked = None
            self.ready.append(other)

    def arrive(self, time: int) -> None:
        """Move the clock to the time at which an input or an answer is there."""
        stall = max(0, time - self.time)
        self.time += stall
        self.stalled_on_input += stall

    def peek(self, channel: Channel) -> Steps[Token]:
        """Wait for data, and for its stamp; return the head."""
        if not channel.queue:
            yield from self._wait(Wait.DATA, channel)
        stamp, token = channel.queue[0]
        self.arrive(stamp)
        return token

    def take(self, channel: Channel) -> Steps[Token]:
        """`peek`, then remove the head."""
        if not channel.queue:
            yield from self._wait(Wait.DATA, channel)
        stamp, token = channel.queue.popleft()
        self.arrive(stamp)
        if channel.capacity is not None or channel.watched:
            channel.taken.append(self.time)
            self._wake(channel.writer, Wait.ROOM, channel)
        return token

    def room(self, channel: Channel | None) -> Steps[None]:
        """Wait until the next element has a place, and for the time at which it came free."""
        if channel is None or channel.capacity is None:
            return
        freed = channel.sent - channel.capacity
        if freed >= 0:
            if freed >= len(channel.taken):
                yield from self._wait(Wait.ROOM, channel)
            stall = max(0, channel.taken[freed] + 1 - self.time)
            self.time += stall
            self.stalled_on_output += stall

    def send(self, channel: Channel | None, token: Token, at: int = 0) -> Steps[None]:
        """Send with stamp `at`, or one cycle from now if that is later. No reader: no cost."""
        if channel is None:
            return
        at = max(at, self.time + 1)
        yield from self.room(channel)
        at = max(at, self.time + 1)
        channel.queue.append((at, token))
        if channel.watched:
            channel.stamps.append(at)
        channel.sent += 1
        self.sent += 1
        self._wake(channel.reader, Wait.DATA, channel)

    def wait_for_memory(self) -> Steps[None]:
        """Suspend until the memory has answered and put this process on the ready list."""
        yield from self._wait(Wait.MEMORY, None)
