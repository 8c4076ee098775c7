"""
Code for ports that are addressed at run time.

Such a port is not kept in registers: every access goes to the record of its channel, which the
table of its group names. There are no bursts. A wide node costs the compiler no more than a narrow
one.
"""

import ast

from headrace.simulators.stream import layout
from headrace.simulators.stream.expressions import ExpressionFunction
from headrace.simulators.stream.ir import INT, Value
from headrace.simulators.stream.kernel import Point
from headrace.simulators.stream.tokens import DONE, EMPTY

WORD, SLOT = layout.WORD, layout.SLOT


class TableFunction(ExpressionFunction):
    """Adds ports that are addressed at run time."""

    def chosen(self, port: ast.expr) -> tuple[str, ast.expr] | None:
        """The group and the index of such a port; `None` if the code names the port."""
        match port:
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.tables:
                return name, index
            case _:
                return None

    def channel_of(self, group: str, index: str) -> str:
        """The address of the record of a channel."""
        offset = self.let(f"mul i64 {index}, {WORD}")
        return self.load(self.let(f"add i64 %{group}.base, {offset}"))

    def field(self, channel: str, word: int) -> str:
        return self.load(channel, word * WORD)

    def begin(self, group: str, index: ast.expr) -> tuple[str, str]:
        """Open the block to which a suspended access returns; returns it and the channel."""
        variable, check = f"{group}.index", self.label("check")
        self.write(variable, self.value(index))
        self.jump(check)
        self.open(check)
        return check, self.channel_of(group, self.read(variable).text)

    # Reading -------------------------------------------------------------------------------------

    def receive_chosen(self, verb: str, group: str, index: ast.expr, line: int) -> Value:
        check, channel = self.begin(group, index)
        empty, ended, ready, after = (
            self.label(stem) for stem in ("empty", "ended", "ready", "after")
        )
        variable = f"{group}.token"
        filled = self.field(channel, layout.FILLED)
        self.branch(self.let(f"icmp sgt i64 {filled}, 0"), ready, empty)
        self.open(empty)
        self.unless_closed(channel, ended)
        cell = self.let(f"add i64 {channel}, {layout.FILLED * WORD}")
        self.suspend(Point("data", group, line), check, cell, "0")
        self.open(ready)
        head = self.field(channel, layout.HEAD)
        if verb == "stamp_of":
            self.write(variable, Value(INT, self.load(head)))
        else:
            self.wait_clock(self.load(head), layout.STALL_IN)
            self.write(variable, Value(INT, self.load(head, WORD)))
        if verb == "take":
            self.remove_head(channel, head)
        self.jump(after)
        self.open(ended)
        if verb != "stamp_of":
            self.at_end(channel)
        self.write(variable, Value(INT, str(DONE)))
        self.jump(after)
        self.open(after)
        return self.read(variable)

    def pop_chosen(self, group: str, index: ast.expr) -> None:
        channel = self.channel_of(group, self.value(index).text)
        self.remove_head(channel, self.field(channel, layout.HEAD))

    def remove_head(self, channel: str, head: str) -> None:
        """Take the token in slot `head`; the slot is free again one response later."""
        response = self.field(channel, layout.RESPONSE)
        self.put(self.let(f"add i64 {self.get('t')}, {response}"), head)
        self.advance(channel, layout.HEAD, head)
        self.add_to(channel, layout.FILLED, -SLOT)

    def arrival(self, group: str, index: ast.expr) -> Value:
        channel = self.channel_of(group, self.value(index).text)
        stamp = self.load(self.field(channel, layout.HEAD))
        filled = self.let(f"icmp sgt i64 {self.field(channel, layout.FILLED)}, 0")
        closed = self.let(f"icmp ne i64 {self.field(channel, layout.CLOSED)}, 0")
        none = self.let(f"select i1 {closed}, i64 {DONE}, i64 {EMPTY}")
        return Value(INT, self.let(f"select i1 {filled}, i64 {stamp}, i64 {none}"))

    # Writing -------------------------------------------------------------------------------------

    def room_chosen(self, group: str, index: ast.expr, line: int) -> tuple[str, str]:
        """Wait for a slot; returns its address and the channel."""
        check, channel = self.begin(group, index)
        full, blocked, drop, ready = (
            self.label(stem) for stem in ("full", "blocked", "drop", "ready")
        )
        base, end = self.field(channel, layout.BASE), self.field(channel, layout.END)
        bytes = self.let(f"sub i64 {end}, {base}")
        filled = self.field(channel, layout.FILLED)
        self.branch(self.let(f"icmp slt i64 {filled}, {bytes}"), ready, full)
        self.open(full)
        discard = self.field(channel, layout.DISCARD)
        self.branch(self.let(f"icmp eq i64 {discard}, 0"), blocked, drop)
        self.open(drop)
        self.clear(base, bytes)
        self.put("0", channel, layout.FILLED * WORD)
        self.jump(ready)
        self.open(blocked)
        cell = self.let(f"add i64 {channel}, {layout.FILLED * WORD}")
        self.suspend(Point("room", group, line), check, cell, bytes)
        self.open(ready)
        tail = self.field(channel, layout.TAIL)
        self.wait_clock(self.load(tail), layout.STALL_OUT)
        return tail, channel

    def insert_chosen(self, channel: str, tail: str, token: str, stamp: str) -> None:
        self.put(stamp, tail)
        self.put(token, tail, WORD)
        self.advance(channel, layout.TAIL, tail)
        self.add_to(channel, layout.FILLED, SLOT)
        self.add_to(channel, layout.PUSHED, SLOT)

    def advance(self, channel: str, word: int, position: str) -> None:
        """Let HEAD or TAIL point at the slot after `position`."""
        following = self.let(f"add i64 {position}, {SLOT}")
        at_end = self.let(f"icmp eq i64 {following}, {self.field(channel, layout.END)}")
        base = self.field(channel, layout.BASE)
        wrapped = self.let(f"select i1 {at_end}, i64 {base}, i64 {following}")
        self.put(wrapped, channel, word * WORD)

    def add_to(self, channel: str, word: int, bytes: int) -> None:
        changed = self.let(f"add i64 {self.field(channel, word)}, {bytes}")
        self.put(changed, channel, word * WORD)

    # Ending --------------------------------------------------------------------------------------

    def close(self) -> None:
        """End all outputs: those in registers when the node leaves, the others here."""
        closed = self.let(f"add i64 {self.get('t')}, 1")
        self.set("ended", closed)
        for table in self.variant.primitive.tables:
            if table.is_output:
                self.close_table(table.name, closed)

    def close_table(self, group: str, closed: str) -> None:
        top, inside, leave, after = (
            self.label(stem) for stem in ("closing", "close", "waiting", "closed")
        )
        over, variable = self.label("over"), f"{group}.index"
        self.write(variable, Value(INT, "0"))
        self.jump(top)
        self.open(top)
        index = self.read(variable).text
        self.branch(self.let(f"icmp slt i64 {index}, %{group}.size"), inside, over)
        self.open(inside)
        channel = self.channel_of(group, index)
        self.put(closed, channel, layout.CLOSED * WORD)
        self.write(variable, Value(INT, self.let(f"add i64 {index}, 1")))
        filled = self.field(channel, layout.FILLED)
        self.branch(self.let(f"icmp eq i64 {filled}, 0"), leave, after)
        self.open(leave)
        self.put(str(-SLOT), channel, layout.FILLED * WORD)
        self.jump(after)
        self.open(after)
        self.jump(top)
        self.open(over)
