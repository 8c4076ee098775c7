"""Code for the verbs that wait, end or count: the ones that are more than an instruction or two."""

import ast

from headrace.simulators.stream import layout
from headrace.simulators.stream.ir import COLD, INT, Value
from headrace.simulators.stream.kernel import Point, Variant
from headrace.simulators.stream.tables import TableFunction
from headrace.simulators.stream.tokens import DONE

LATENCY = 1
"""Cycles from the clock of the sender to the stamp of a token."""


class VerbFunction(TableFunction):
    """Adds verbs; `messages` are those of failures, with the port that each is about."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(variant)
        self.messages: list[tuple[str, str | None]] = []

    def receive(self, verb: str, port: ast.expr, line: int) -> Value:
        if chosen := self.chosen(port):
            return self.receive_chosen(verb, *chosen, line)
        if verb == "stamp_of":
            self.refuse(port, "stamp_of() is for ports that are addressed at run time")
        name = self.port(port)
        ready = self.is_ready(name)  # In a burst, a token is there.
        if ready or not self.closes:
            if not ready:
                self.check_data(name, line)
            return self.token_at_head(verb, name, line)
        ended, after = self.label("ended"), self.label("after")
        self.check_data(name, line, ended)
        self.write(f"{name}.token", self.token_at_head(verb, name, line))
        self.jump(after)
        self.open(ended)
        self.at_end(f"%{name}.channel")
        self.write(f"{name}.token", Value(INT, str(DONE)))
        self.jump(after)
        self.open(after)
        return self.read(f"{name}.token")

    def token_at_head(self, verb: str, port: str, line: int) -> Value:
        """Peek at the token that is there, or take it."""
        head = self.at_head(port, line)
        token = self.load(head, layout.WORD)
        if verb == "take":
            self.remove(port, head)
        return Value(INT, token)

    def send(self, args: list[ast.expr], line: int) -> None:
        target, token, *at = args
        if at:
            self.write("send.at", self.value(at[0]))
        chosen, port, channel = self.chosen(target), "", ""
        if chosen:
            tail, channel = self.room_chosen(*chosen, line)
        else:
            port = self.port(target)
            tail = self.wait_room(port, line)
        stamp = self.let(f"add i64 {self.get('t')}, {LATENCY}")
        if at:
            stamp = self.let(
                f"call i64 @llvm.smax.i64(i64 {stamp}, i64 {self.read('send.at').text})"
            )
        word = self.value(token).text
        if chosen:
            self.insert_chosen(channel, tail, word, stamp)
        else:
            self.insert(port, tail, word, stamp)

    def ask(self, detail: str, line: int) -> None:
        """Wait until the memory arbiter has served the node."""
        self.node_put(layout.DETAIL, detail)
        served = self.label("served")
        self.pause(Point("memory", "", line), served, layout.SERVED)
        self.open(served)

    def count_traffic(self, words: str) -> None:
        self.set("traffic", self.let(f"add i64 {self.get('traffic')}, {words}"))

    def fail(self, args: list[ast.expr]) -> None:
        match args:
            case [_] | [_, ast.Constant(value=None), *_]:
                port = None
            case _:
                port = self.port(args[1])
        self.node_put(layout.DETAIL, str(len(self.messages)))
        self.messages.append((str(self.constant(args[0])), port))
        if len(args) > 2:
            self.node_put(layout.OFFENDER, self.value(args[2]).text)
        self.leave(layout.FAILED)

    def append(self, args: list[ast.expr], line: int) -> None:
        array = self.array(args[0])
        self.check_space(array, 1, line)
        self.append_word(array, self.value(args[1]))

    def ensure(self, name: str, size: ast.expr, line: int) -> None:
        """Let an array have room for `size` entries."""
        check, small, ready = self.label("check"), self.label("small"), self.label("ready")
        self.jump(check)
        self.open(check)
        wanted = self.value(size).text
        self.branch(self.let(f"icmp sgt i64 {wanted}, %{name}.capacity"), small, ready, COLD)
        self.open(small)
        self.node_put(layout.DETAIL, wanted)
        self.pause(Point("growth", name, line), check, layout.GROWING)
        self.open(ready)
