"""
Code for a visit of a node: what it loads from the records, and what it stores back.

In between, ports and the clock are in registers.
"""

from collections.abc import Iterator

from headrace.simulators.stream import layout
from headrace.simulators.stream.channels import ChannelFunction, symbol
from headrace.simulators.stream.ir import FLOAT, INT
from headrace.simulators.stream.primitive import Argument


class EntryFunction(ChannelFunction):
    """Adds entry and exit."""

    def prologue(self) -> Iterator[str]:
        """Load the record: ports, parameters, clock; then jump to the suspension point."""
        yield "entry:"
        yield "%record = inttoptr i64 %node to ptr"
        yield "%t = alloca i64"
        for name, kind in self.types.items():
            yield f"%var.{name} = alloca {kind}"
        yield from _word("t.start", layout.TIME)
        yield "store i64 %t.start, ptr %t"
        yield "%traffic = alloca i64"
        yield "%stalled = alloca i64"
        yield "store i64 0, ptr %stalled"
        yield from _word("traffic.start", layout.TRAFFIC)
        yield "store i64 %traffic.start, ptr %traffic"
        if self.closes:
            yield "%ended = alloca i64"
            yield "store i64 0, ptr %ended"
        for port in (*self.variant.fixed_inputs, *self.variant.fixed_outputs):
            yield from self.load_port(port)
        for parameter in self.variant.parameters:
            yield from self.load_parameter(parameter)
        yield from _word("point", layout.POINT)
        cases = " ".join(f"i64 {k + 1}, label %resume.{k + 1}" for k in range(len(self.points)))
        yield f"switch i64 %point, label %start [{cases}]"

    def load_port(self, port: str) -> Iterator[str]:
        reads = port in self.variant.fixed_inputs
        yield from _word(f"{port}.channel", self.port_words[port])
        yield f"%{port}.record = inttoptr i64 %{port}.channel to ptr"
        words = {
            "base": layout.BASE,
            "end": layout.END,
            "filled": layout.FILLED,
            "first": layout.HEAD if reads else layout.TAIL,
            **({"response": layout.RESPONSE} if reads else {}),
        }
        for name, index in words.items():
            yield from _word(f"{port}.{name}", index, record=f"%{port}.record")
        yield f"%{port}.bytes = sub i64 %{port}.end, %{port}.base"
        yield f"%{port}.space = sub i64 %{port}.bytes, %{port}.filled"
        rest = "filled" if reads else "space"
        if reads and self.closes:
            rest = "there"
            yield f"%{port}.there = call i64 @llvm.smax.i64(i64 %{port}.filled, i64 0)"
        yield f"%{port}.far = add i64 %{port}.first, %{port}.{rest}"
        yield f"%{port}.near = call i64 @llvm.umin.i64(i64 %{port}.far, i64 %{port}.end)"
        for name, start in (("position", "first"), ("last", "far"), ("limit", "near")):
            yield f"%{port}.{name} = alloca i64"
            yield f"store i64 %{port}.{start}, ptr %{port}.{name}"

    def load_parameter(self, parameter: Argument) -> Iterator[str]:
        name, first = symbol(parameter.name), self.parameter_words[parameter.name]
        match parameter.kind:
            case "Int" | "Count":
                yield from _word(name, first)
            case "Float":
                yield from _word(name, first, FLOAT)
            case "Ints" | "Floats" | "ManyIns" | "ManyOuts":
                yield from _word(f"{name}.base", first)
                yield from _word(f"{name}.size", first + 1)
            case "IntWork" | "FloatWork":
                yield from _word(f"{name}.base", first)
                yield from _word(f"{name}.capacity", first + 2)
            case _:
                yield from _word(f"{name}.base", first)
                yield from _word(f"{name}.used", first + 1)
                yield from _word(f"{name}.capacity", first + 2)
                yield f"%{name}.used.bytes = shl i64 %{name}.used, 3"
                yield f"%{name}.first = add i64 %{name}.base, %{name}.used.bytes"
                yield f"%{name}.capacity.bytes = shl i64 %{name}.capacity, 3"
                yield f"%{name}.limit = add i64 %{name}.base, %{name}.capacity.bytes"
                yield f"%{name}.cursor = alloca i64"
                yield f"store i64 %{name}.first, ptr %{name}.cursor"

    def epilogue(self) -> Iterator[str]:
        """Store ports, outputs and clock back into the records."""
        yield "exit:"
        yield "%t.end = load i64, ptr %t"
        yield "store i64 %t.end, ptr %t.start.cell"
        yield "%traffic.end = load i64, ptr %traffic"
        yield "store i64 %traffic.end, ptr %traffic.start.cell"
        yield "%stalled.here = load i64, ptr %stalled"
        yield from _word("stalled.before", layout.STALL_OUT)
        yield "%stalled.total = add i64 %stalled.before, %stalled.here"
        yield "store i64 %stalled.total, ptr %stalled.before.cell"
        if self.closes:
            yield "%ended.now = load i64, ptr %ended"
            yield "%is.ended = icmp ne i64 %ended.now, 0"
        for port in (*self.variant.fixed_inputs, *self.variant.fixed_outputs):
            yield f"%{port}.final = load i64, ptr %{port}.position"
            yield f"%{port}.last.final = load i64, ptr %{port}.last"
            yield f"%{port}.rest = sub i64 %{port}.last.final, %{port}.final"
            yield f"store i64 %{port}.final, ptr %{port}.first.cell"
            if port in self.variant.fixed_inputs:
                yield f"store i64 %{port}.rest, ptr %{port}.filled.cell"
                continue
            yield f"%{port}.held = sub i64 %{port}.bytes, %{port}.rest"
            filled = f"%{port}.held"
            if self.closes:
                filled = f"%{port}.left"
                yield f"%{port}.empty = icmp eq i64 %{port}.held, 0"
                yield f"%{port}.over = and i1 %{port}.empty, %is.ended"
                yield f"{filled} = select i1 %{port}.over, i64 {-layout.SLOT}, i64 %{port}.held"
                yield from _word(f"{port}.closed", layout.CLOSED, record=f"%{port}.record")
                yield f"%{port}.closing = select i1 %is.ended, i64 %ended.now, i64 %{port}.closed"
                yield f"store i64 %{port}.closing, ptr %{port}.closed.cell"
            yield f"store i64 {filled}, ptr %{port}.filled.cell"
            yield f"%{port}.new = sub i64 %{port}.held, %{port}.filled"
            yield from _word(f"{port}.pushed", layout.PUSHED, record=f"%{port}.record")
            yield f"%{port}.pushed.now = add i64 %{port}.pushed, %{port}.new"
            yield f"store i64 %{port}.pushed.now, ptr %{port}.pushed.cell"
        for parameter in self.variant.parameters:
            if parameter.kind.endswith("Output"):
                name = symbol(parameter.name)
                yield f"%{name}.final = load i64, ptr %{name}.cursor"
                yield f"%{name}.final.bytes = sub i64 %{name}.final, %{name}.base"
                yield f"%{name}.final.size = ashr i64 %{name}.final.bytes, 3"
                yield f"store i64 %{name}.final.size, ptr %{name}.used.cell"
        yield f"%status.cell = getelementptr i64, ptr %record, i64 {layout.STATUS}"
        yield "%status = load i64, ptr %status.cell"
        yield "ret i64 %status"


def _word(name: str, index: int, kind: str = INT, record: str = "%record") -> Iterator[str]:
    """Load one word of a record as %name; %name.cell is its place."""
    yield f"%{name}.cell = getelementptr i64, ptr {record}, i64 {index}"
    yield f"%{name} = load {kind}, ptr %{name}.cell"
