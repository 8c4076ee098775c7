"""
Code for channels: waiting, taking, sending, and suspension when that is not possible.

A port keeps its position, the address up to which it may go without a look at the record
(`limit`), and the address of the last token or free slot if the ring did not end (`last`). One
compare with `limit` serves as test for "empty" (or "full") and for "end of the ring".

The clock waits for a token in a branch that also counts the stall. A maximum would become a
conditional move, with its latency on the one chain of dependences that every step has; the branch
is predicted, and the store keeps LLVM from converting it back. Whether a slot is free cannot be
predicted if its reader merges random fibers: a burst that may have to wait for slots takes the
maximum.
"""

from headrace.simulators.stream import layout
from headrace.simulators.stream.ir import COLD, INT, Function, Value
from headrace.simulators.stream.kernel import BUSY, MOVES, Point, Variant
from headrace.simulators.stream.primitive import NUMBER_KINDS

BURST = "burst.bytes"
"""The variable that counts a burst down."""

BUSY_GAP = 16
"""Busy intervals are merged over gaps of at most so many cycles."""


def symbol(name: str) -> str:
    """The name of a parameter in LLVM IR."""
    return name.replace(" ", ".")


class ChannelFunction(Function):
    """A step function: its ports, its parameters, and its suspension points."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.points: list[Point] = []
        self.touched: set[str] = set()
        """Ports that the code emitted so far uses."""
        self.credit: set[str] | None = None
        """In a burst: the ports that are known to have a token or slot ready."""
        self.slots_are_free = False
        """In a burst: whether every slot is known to be free by now, so that no send stalls."""
        self.closes = variant.primitive.closes
        self.tables = {table.name for table in variant.primitive.tables}
        ports = (*variant.fixed_inputs, *variant.fixed_outputs)
        self.port_words = {name: layout.PORTS + k for k, name in enumerate(ports)}
        self.parameter_words: dict[str, int] = {}
        self.words = layout.PORTS + len(ports)
        for parameter in variant.parameters:
            self.parameter_words[parameter.name] = self.words
            self.words += 1 if parameter.kind in NUMBER_KINDS else 3

    # Bursts ---------------------------------------------------------------------------------------

    def available(self, ports: set[str]) -> str:
        """How many times each port may move before one must look at its record, in bytes."""
        bytes = str(1 << 40)
        for port in sorted(ports):
            limit, position = self.get(f"{port}.limit"), self.get(f"{port}.position")
            run = self.let(f"sub i64 {limit}, {position}")
            bytes = self.let(f"call i64 @llvm.umin.i64(i64 {bytes}, i64 {run})")
        return bytes

    def all_free(self, ports: set[str], bytes: str) -> str:
        """
        Whether the next `bytes` of the rings of some outputs are free by now.

        Tokens are taken in order, so the last of these slots tells for all of them.
        """
        latest = "0"
        for port in sorted(ports):
            end = self.let(f"add i64 {self.get(f'{port}.position')}, {bytes}")
            freed = self.load(end, -layout.SLOT)
            latest = self.let(f"call i64 @llvm.smax.i64(i64 {latest}, i64 {freed})")
        return self.let(f"icmp sle i64 {latest}, {self.get('t')}")

    def is_ready(self, port: str) -> bool:
        """Whether a port needs no check; if it does in a burst, that ends the burst."""
        self.touched.add(port)
        if self.credit is None:
            return False
        if port not in self.credit:
            self.write(BURST, Value(INT, str(layout.SLOT)))
        return port in self.credit

    def spend(self, port: str) -> None:
        if self.credit is not None:
            self.credit.discard(port)

    # Suspension ----------------------------------------------------------------------------------

    def node_put(self, word: int, value: str) -> None:
        self.put(value, "%node", word * layout.WORD)

    def node_cell(self, word: int) -> str:
        return self.let(f"add i64 %node, {word * layout.WORD}")

    def suspend(self, point: Point, retry: str, cell: str, value: str) -> None:
        """Leave the function; a visit after the word at `cell` has changed goes on at `retry`."""
        self.points.append(point)
        k = len(self.points)
        self.node_put(layout.POINT, str(k))
        self.node_put(layout.WAIT_CELL, cell)
        self.node_put(layout.WAIT_VALUE, value)
        self.block.transfer = k
        self.emit("br label %exit")
        self.open(f"resume.{k}")
        self.jump(retry)
        self.block.transfer = -k

    def pause(self, point: Point, retry: str, status: int) -> None:
        """Suspend until somebody else has changed STATUS."""
        self.node_put(layout.STATUS, str(status))
        self.suspend(point, retry, self.node_cell(layout.STATUS), str(status))

    def leave(self, status: int) -> None:
        """Leave the function for good."""
        self.node_put(layout.STATUS, str(status))
        self.node_put(layout.WAIT_CELL, self.node_cell(layout.STATUS))
        self.node_put(layout.WAIT_VALUE, str(status))
        self.emit("br label %exit")
        self.block.successors.append("exit")

    # Clock ---------------------------------------------------------------------------------------

    def wait_clock(self, later: str, counter: int) -> None:
        """t = max(t, later), counting the stall."""
        t = self.get("t")
        stall, go = self.label("stall"), self.label("go")
        self.branch(self.let(f"icmp sgt i64 {later}, {t}"), stall, go, COLD)
        self.open(stall)
        cell = self.node_cell(counter)
        lost = self.let(f"sub i64 {later}, {t}")
        self.put(self.let(f"add i64 {self.load(cell)}, {lost}"), cell)
        self.set("t", later)
        self.jump(go)
        self.open(go)

    def wait_free(self, freed: str) -> None:
        """t = max(t, freed) without a branch, counting the stall."""
        t = self.get("t")
        now = self.let(f"call i64 @llvm.smax.i64(i64 {t}, i64 {freed})")
        lost = self.let(f"sub i64 {now}, {t}")
        self.set("stalled", self.let(f"add i64 {self.get('stalled')}, {lost}"))
        self.set("t", now)

    # Waiting -------------------------------------------------------------------------------------

    def at_head(self, port: str, line: int) -> str:
        """Move the clock to the stamp of a token that is there; returns the address of its slot."""
        if self.variant.moves:
            self.check_space(MOVES + port, 1, line)
        head = self.get(f"{port}.position")
        self.wait_clock(self.load(head), layout.STALL_IN)
        return head

    def check_data(self, port: str, line: int, ended: str = "") -> None:
        """Go on when there is a token; at `ended`, if given, when there will be none."""
        check, turn, blocked, ready = (
            self.label(stem) for stem in ("data", "turn", "empty", "ready")
        )
        self.jump(check)
        self.open(check)
        head, limit = self.get(f"{port}.position"), self.get(f"{port}.limit")
        self.branch(self.let(f"icmp eq i64 {head}, {limit}"), turn, ready, COLD)
        self.open(turn)
        rest = self.turn(port, head)
        self.branch(self.let(f"icmp eq i64 {rest}, 0"), blocked, ready)
        self.open(blocked)
        if ended:
            self.unless_closed(f"%{port}.channel", ended)
        cell = self.let(f"add i64 %{port}.channel, {layout.FILLED * layout.WORD}")
        self.suspend(Point("data", port, line), check, cell, "0")
        self.open(ready)

    def wait_room(self, port: str, line: int) -> str:
        """Wait for a slot; returns its address. The clock moves to the time it became free."""
        ready = self.is_ready(port)
        if not ready:
            self.check_room(port, line)
        if self.variant.moves:
            self.check_space(MOVES + port, 1, line)
        tail = self.get(f"{port}.position")
        if not self.variant.unbounded and not (ready and self.slots_are_free):
            freed = self.load(tail)
            if ready:
                self.wait_free(freed)
            else:
                self.wait_clock(freed, layout.STALL_OUT)
        return tail

    def check_room(self, port: str, line: int) -> None:
        check, turn, full, blocked, drop, ready = (
            self.label(stem) for stem in ("room", "turn", "full", "blocked", "drop", "ready")
        )
        self.jump(check)
        self.open(check)
        tail, limit = self.get(f"{port}.position"), self.get(f"{port}.limit")
        self.branch(self.let(f"icmp eq i64 {tail}, {limit}"), turn, ready, COLD)
        self.open(turn)
        space = self.turn(port, tail)
        self.branch(self.let(f"icmp eq i64 {space}, 0"), full, ready)
        self.open(full)
        discard = self.load(f"%{port}.channel", layout.DISCARD * layout.WORD)
        self.branch(self.let(f"icmp eq i64 {discard}, 0"), blocked, drop)
        self.open(drop)
        if self.closes:
            self.clear(f"%{port}.base", f"%{port}.bytes")
        else:
            self.put("0", f"%{port}.base")
        self.set(f"{port}.position", f"%{port}.base")
        self.set(f"{port}.last", f"%{port}.end")
        self.set(f"{port}.limit", f"%{port}.end")
        self.jump(ready)
        self.open(blocked)
        cell = self.let(f"add i64 %{port}.channel, {layout.FILLED * layout.WORD}")
        self.suspend(Point("room", port, line), check, cell, f"%{port}.bytes")
        self.open(ready)

    def turn(self, port: str, position: str) -> str:
        """Go back to the beginning of the ring if at its end; returns the bytes that are left."""
        rest = self.let(f"sub i64 {self.get(f'{port}.last')}, {position}")
        at_end = self.let(f"icmp eq i64 {position}, %{port}.end")
        start = self.let(f"select i1 {at_end}, i64 %{port}.base, i64 {position}")
        last = self.let(f"add i64 {start}, {rest}")
        self.set(f"{port}.position", start)
        self.set(f"{port}.last", last)
        self.set(f"{port}.limit", self.let(f"call i64 @llvm.umin.i64(i64 {last}, i64 %{port}.end)"))
        return rest

    # Moving tokens -------------------------------------------------------------------------------

    def remove(self, port: str, head: str, wanted: str | None = None) -> None:
        """
        Take the token in slot `head`: the slot is free again one response later.

        With a condition, the slot is rewritten as it is and the port stays where `wanted` is
        false. No branch depends on that, except where moves are recorded.
        """
        if wanted and self.variant.moves:
            go, after = self.label("remove"), self.label("kept")
            self.branch(wanted, go, after)
            self.open(go)
            self.remove(port, head)
            self.jump(after)
            self.open(after)
            return
        self.spend(port)
        if self.variant.moves:
            self.append_word(MOVES + port, Value(INT, self.get("t")))
        if not self.variant.unbounded:
            stamp = self.let(f"add i64 {self.get('t')}, %{port}.response")
            if wanted:
                stamp = self.choose(wanted, Value(INT, stamp), self.load(head)).text
            self.put(stamp, head)
        step = str(layout.SLOT)
        if wanted:
            step = self.choose(wanted, Value(INT, step), "0").text
        self.set(f"{port}.position", self.let(f"add i64 {head}, {step}"))

    def insert(self, port: str, tail: str, token: str, stamp: str) -> None:
        """Put a token into the slot `tail`."""
        self.spend(port)
        if self.variant.moves:
            self.append_word(MOVES + port, Value(INT, stamp))
        self.put(stamp, tail)
        self.put(token, tail, layout.WORD)
        self.set(f"{port}.position", self.let(f"add i64 {tail}, {layout.SLOT}"))

    # Streams that end by closing -----------------------------------------------------------------

    def unless_closed(self, channel: str, ended: str) -> None:
        """Go to `ended` if the writer of an empty channel has closed it."""
        going_on = self.label("open")
        closed = self.load(channel, layout.CLOSED * layout.WORD)
        self.branch(self.let(f"icmp eq i64 {closed}, 0"), going_on, ended)
        self.open(going_on)

    def at_end(self, channel: str) -> None:
        """Move the clock to the time at which a channel was closed."""
        closed = self.load(channel, layout.CLOSED * layout.WORD)
        self.wait_clock(self.let(f"sub i64 {closed}, 1"), layout.STALL_IN)

    def clear(self, base: str, bytes: str) -> None:
        """Make the slots of a ring that nobody reads free at all times."""
        start = self.pointer(base)
        self.emit(f"call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {bytes}, i1 false)")

    # Arrays that grow ----------------------------------------------------------------------------

    def check_space(self, array: str, entries: int, line: int) -> None:
        """Wait until an output has space for some more entries."""
        name = symbol(array)
        check, full, ready = self.label("check"), self.label("full"), self.label("ready")
        self.jump(check)
        self.open(check)
        after = self.let(f"add i64 {self.get(f'{name}.cursor')}, {entries * layout.WORD}")
        too_small = self.let(f"icmp ugt i64 {after}, %{name}.limit")
        self.branch(too_small, full, ready, COLD)
        self.open(full)
        self.node_put(layout.DETAIL, "0")
        self.pause(Point("growth", array, line), check, layout.GROWING)
        self.open(ready)

    def append_word(self, array: str, value: Value) -> None:
        """Append to an output that has space."""
        cursor = self.get(f"{symbol(array)}.cursor")
        self.put(value.text, cursor, type=value.type)
        self.set(f"{symbol(array)}.cursor", self.let(f"add i64 {cursor}, {layout.WORD}"))

    def record_busy(self, line: int) -> None:
        """Before the clock ticks: begin a new busy interval if the last one is long over."""
        self.check_space(BUSY, 2, line)
        close, go = self.label("close"), self.label("go")
        start, end = self.node_cell(layout.BUSY_START), self.node_cell(layout.BUSY_END)
        t, last = self.get("t"), self.load(end)
        soon = self.let(f"add i64 {last}, {BUSY_GAP}")
        self.branch(self.let(f"icmp sgt i64 {t}, {soon}"), close, go)
        self.open(close)
        self.append_word(BUSY, Value(INT, self.load(start)))
        self.append_word(BUSY, Value(INT, last))
        self.put(t, start)
        self.jump(go)
        self.open(go)
