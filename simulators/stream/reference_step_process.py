"""
Processes and channels of streaming tensor programs, in plain Python.

An element carries its stop level: the stop S_k that follows a value travels with it. A stop that
has no value to travel with (a list that is empty, or a list that ends with one) is an element of
its own, `NOTHING` with a level. A closed channel ends the stream.

Send latency and response latency are one cycle. Source: "Streaming Tensor Programs", ASPLOS 2026,
section 4, and "The Dataflow Abstract Machine Simulator Framework", ISCA 2024.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar

from headrace.simulators.stream.errors import SimulationError


class Nothing(Enum):
    """The value of an element that is only a stop."""

    NOTHING = "nothing"


NOTHING = Nothing.NOTHING


class Element(NamedTuple):
    """A value with the level of the stop behind it, 0 for none; or only a stop."""

    value: Any
    stop: int = 0

    @property
    def is_bare(self) -> bool:
        """Whether the element is only a stop."""
        return self.value is NOTHING


@dataclass(eq=False)
class Channel:
    """A queue of (time, element) that holds `capacity` elements."""

    name: str
    capacity: int
    writer: "Process | None" = None
    reader: "Process | None" = None
    queue: deque[tuple[int, Element]] = field(default_factory=deque[tuple[int, Element]])
    usable: deque[int] = field(default_factory=deque[int])
    """When each slot that was freed and not filled again can be filled."""
    sent: int = 0
    closed: int | None = None
    """The clock of the writer when it finished."""


class Wait(Enum):
    """Why a process cannot go on."""

    DATA = "data"
    ROOM = "room"
    MEMORY = "memory"
    TURN = "turn"


T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""A part of a process; `yield` means that it cannot go on, as is written on the process."""


@dataclass(eq=False)
class Process:
    """One local clock, and what moves it. `ready` is the ready list of the simulation."""

    name: str
    ready: deque["Process"]
    time: int = 0
    sent: int = 0
    blocked: tuple[Wait, Channel | None] | None = None
    finished: bool = False

    def wait(self, why: Wait, channel: Channel | None = None) -> Steps[None]:
        """Suspend until another process or the scheduler wakes this one."""
        self.blocked = (why, channel)
        yield
        self.blocked = None

    def wake(self) -> None:
        self.blocked = None
        self.ready.append(self)

    def peek(self, channel: Channel) -> Steps[Element | None]:
        """Wait for the head and return it; `None` once the channel is closed and empty."""
        while not channel.queue:
            if channel.closed is not None:
                self.time = max(self.time, channel.closed)
                return None
            yield from self.wait(Wait.DATA, channel)
        time, element = channel.queue[0]
        self.time = max(self.time, time)
        return element

    def pop(self, channel: Channel) -> None:
        """Remove the head; its slot is usable one cycle later."""
        time, _ = channel.queue.popleft()
        channel.usable.append(max(time, self.time) + 1)
        writer = channel.writer
        if writer is not None and writer.blocked == (Wait.ROOM, channel):
            writer.wake()

    def take(self, channel: Channel) -> Steps[Element | None]:
        """`peek`, then `pop`."""
        element = yield from self.peek(channel)
        if element is not None:
            self.pop(channel)
        return element

    def room(self, channel: Channel) -> Steps[None]:
        """Wait for the slot of the next element."""
        if channel.sent >= channel.capacity:
            if not channel.usable:
                yield from self.wait(Wait.ROOM, channel)
            self.time = max(self.time, channel.usable[0])

    def send(self, channel: Channel, value: Any, stop: int, at: int = 0) -> Steps[None]:
        """Send an element that is there at `at`, or one cycle from now if that is later."""
        if channel.reader is None:
            return
        yield from self.room(channel)
        if channel.sent >= channel.capacity:
            channel.usable.popleft()
        channel.queue.append((max(self.time + 1, at), Element(value, stop)))
        channel.sent += 1
        self.sent += 1
        self.wake_reader(channel)

    def send_stop(self, channel: Channel, stop: int) -> Steps[None]:
        """Send a stop without a value."""
        yield from self.send(channel, NOTHING, stop)

    def close(self, channel: Channel) -> None:
        """End the stream."""
        channel.closed = self.time
        self.wake_reader(channel)

    def wake_reader(self, channel: Channel) -> None:
        reader = channel.reader
        if reader is not None and reader.blocked == (Wait.DATA, channel):
            reader.wake()

    def absorb(self, channel: Channel, reached: int, level: int) -> Steps[None]:
        """
        Take the stops that `channel` still has to send until `level` is reached.

        The end of lists may come with their last value or as stops of their own. Where two streams
        must agree, the one whose stop is lower has them still to come.
        """
        while reached < level:
            x = yield from self.take(channel)
            if x is None or not x.is_bare:
                raise self.disagreement((channel,), (reached, level))
            reached = x.stop
        if reached != level:
            raise self.disagreement((channel,), (reached, level))

    def disagreement(self, channels: Sequence[Channel], stops: Sequence[int]) -> SimulationError:
        names = " and ".join(channel.name for channel in channels)
        return SimulationError(
            f"{self.name}: the stops of {names} do not line up (levels {stops}); "
            "operands must have the same shape"
        )
