"""
The clocks by events, unit by unit, in plain Python: the oracle of the recurrence.

Units are processes that sleep until something happens and then look at the state of the machine:
free places of the access unit, free room in the queues, what has arrived. None knows a formula for
its time. Times are exact fractions. It is slow: use it for hundreds of items.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction

from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.recurrence import run_ahead
from headrace.simulators.dae.trace import L2, MEMORY, Int8s, Trace

Condition = Callable[[], bool]
Process = Generator[Condition | Fraction, None, None]
"""Yields what it waits for: a condition, or a number of cycles."""


class Events:
    """Processes in simulated time."""

    def __init__(self) -> None:
        self.now = Fraction(0)
        self.sleeping: list[tuple[Fraction, int, Process]] = []
        self.waiting: list[tuple[Condition, Process]] = []
        self.started = 0

    def start(self, process: Process) -> None:
        self.started += 1
        heapq.heappush(self.sleeping, (self.now, self.started, process))

    def run(self) -> None:
        """Until no process can go on."""
        while self.sleeping:
            self.now, _, process = heapq.heappop(self.sleeping)
            self._resume(process)
            self._wake()

    def _resume(self, process: Process) -> None:
        for wish in process:
            if isinstance(wish, Fraction):
                self.started += 1
                heapq.heappush(self.sleeping, (self.now + wish, self.started, process))
                return
            if not wish():
                self.waiting.append((wish, process))
                return

    def _wake(self) -> None:
        """Resume those whose conditions hold, until none does."""
        while True:
            ready = [process for condition, process in self.waiting if condition()]
            if not ready:
                return
            self.waiting = [(c, process) for c, process in self.waiting if process not in ready]
            for process in ready:
                self._resume(process)


class Core:
    """The units of one core, and the state that they share."""

    def __init__(self, trace: Trace, levels: Int8s, machine: DaeMachine) -> None:
        self.trace, self.levels, self.machine = trace, levels, machine
        self.events = Events()
        self.stream = [trace.streams[int(stream)] for stream in trace.stream]
        self.height = [stream.height for stream in self.stream]
        self.writes = [stream.writes for stream in self.stream]
        self.item = [int(item) for item in trace.item]
        self.places = [True] * machine.outstanding
        """Whether each place for a line in flight is free; lines take them in turn."""
        self.arrived = [False] * len(trace.line)
        """Whether each request has been answered."""
        self.from_memory: deque[tuple[int, int, bool]] = deque()
        """Lines that memory has found and not yet sent: request, place, whether it is the last."""
        self.held: deque[int] = deque()
        """Items that have room in the queues, oldest first."""
        self.admitted = 0
        self.pushed = 0
        """Items that the output has written, of all."""
        self.end = Fraction(0)

    def run(self) -> Fraction:
        for unit in (self.admission(), self.access_unit(), self.memory(), self.output()):
            self.events.start(unit)
        self.events.start(self.execute())
        self.events.run()
        assert all(self.arrived), "a request was never answered"
        assert self.pushed == len(self.trace.kind), "an item was never written"
        assert not self.held, "an item was never finished"
        return self.end

    def admission(self) -> Process:
        """Gives items room in the queues, in order."""
        for item in range(len(self.trace.kind)):
            yield lambda item=item: self.has_room(item)
            self.held.append(item)
            self.admitted += 1

    def has_room(self, item: int) -> bool:
        """Whether an item fits beside those that the queues hold; alone, every item does."""
        items = [item, *self.held]
        words = sum(int(self.trace.words[i]) for i in items)
        tokens = sum(int(self.trace.tokens[i]) for i in items)
        machine = self.machine
        return not self.held or (words <= machine.queue_words and tokens <= machine.queue_tokens)

    def granted(self) -> Iterator[int]:
        """The arbiter: outer units run ahead, stores behind."""
        trace, items = self.trace, len(self.trace.kind)
        requests = range(len(trace.line))
        stores = deque(r for r in requests if self.writes[r])
        inner = deque(r for r in requests if self.height[r] == 0 and not self.writes[r])
        outer = {
            height: deque(r for r in requests if self.height[r] == height)
            for height in sorted({*self.height} - {0}, reverse=True)
        }
        ahead = run_ahead(trace, self.machine)

        def outermost(item: int) -> deque[int] | None:
            """Of the outer units whose buffers have room for their next element."""
            for height, unit in outer.items():
                if unit and self.item[unit[0]] <= item + ahead * height:
                    return unit
            return None

        for item in range(items):
            while unit := outermost(item):
                yield unit.popleft()
            while stores and self.item[stores[0]] + self.buffered_rows(stores[0]) <= item:
                yield stores.popleft()
            while inner and self.item[inner[0]] == item:
                yield inner.popleft()
        yield from stores

    def buffered_rows(self, store: int) -> int:
        """Rows like the one of a store that its stream's buffer holds; 1 if it is too small."""
        entry = self.stream[store].entry_bytes
        row = math.ceil(int(self.trace.lines[store]) * self.machine.line_bytes / entry)
        return max(1, run_ahead(self.trace, self.machine) // row)

    def access_unit(self) -> Process:
        """Asks for lines, one at a time."""
        place = 0
        for request in self.granted():
            parent = int(self.trace.parent[request])
            if parent >= 0:
                yield lambda parent=parent: self.arrived[parent]
            if self.height[request] == 0 and not self.writes[request]:
                yield lambda request=request: self.admitted > self.item[request]
            lines = int(self.trace.lines[request])
            for line in range(lines):
                yield lambda place=place: self.places[place]
                self.places[place] = False
                self.events.start(self.flight(request, place, line == lines - 1))
                place = (place + 1) % self.machine.outstanding
                yield Fraction(self.machine.line_issue)

    def flight(self, request: int, place: int, last: bool) -> Process:
        """One line, from its request to its arrival."""
        level, machine = int(self.levels[request]), self.machine
        if level == MEMORY:
            yield Fraction(machine.latency_memory)
            self.from_memory.append((request, place, last))
        else:
            yield Fraction(machine.latency_l2 if level == L2 else machine.latency_llc)
            self.arrive(request, place, last)

    def memory(self) -> Process:
        """Sends what it found, one line at a time."""
        while True:
            yield lambda: bool(self.from_memory)
            self.arrive(*self.from_memory.popleft())
            yield Fraction(self.machine.line_transfer)

    def arrive(self, request: int, place: int, last: bool) -> None:
        self.places[place] = True
        self.arrived[request] |= last
        self.end = max(self.end, self.events.now)

    def output(self) -> Process:
        """Writes items into the queues, in order."""
        for item in range(len(self.trace.kind)):
            yield lambda item=item: self.complete(item)
            yield int(self.trace.words[item]) * Fraction(self.machine.word_marshal)
            self.pushed += 1

    def complete(self, item: int) -> bool:
        """Whether an item has its room and all that was read for it."""
        first, end = self.trace.first_request[item : item + 2]
        return self.admitted > item and all(
            self.arrived[request] or self.writes[request] for request in range(first, end)
        )

    def execute(self) -> Process:
        """The core: the case of one item after another."""
        for item in range(len(self.trace.kind)):
            yield lambda item=item: self.pushed > item
            yield Fraction(float(self.trace.core[item]))
            assert self.held.popleft() == item
            self.end = max(self.end, self.events.now)


def reference_cycles(trace: Trace, levels: Int8s, machine: DaeMachine) -> Fraction:
    """Core cycles until all items are done and all lines are there."""
    return Core(trace, levels, machine).run()
