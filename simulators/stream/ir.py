"""
A function of LLVM IR under construction: blocks, values, and variables.

Variables live in stack slots, which LLVM turns into registers. What must survive a suspension is
found by liveness analysis and copied to the node's record.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

INT, FLOAT, BOOL = "i64", "double", "i1"

COLD = ", !prof !0"
"""Branch weights of a test that almost always fails."""

UNPREDICTABLE = ", !unpredictable !1"
"""Keeps LLVM from turning a choice of values into a branch."""

LIBM = ("exp", "log", "sin", "cos", "tanh", "erf")

FLOAT_FUNCTIONS = {
    **{name: name for name in LIBM},
    "sqrt": "llvm.sqrt.f64",
    "absolute": "llvm.fabs.f64",
}

DECLARATIONS = "\n".join(
    [
        "declare i64 @llvm.umin.i64(i64, i64)",
        "declare i64 @llvm.smax.i64(i64, i64)",
        "declare i64 @llvm.cttz.i64(i64, i1)",
        "declare i64 @llvm.ctpop.i64(i64)",
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "declare double @pow(double, double)",
        *(f"declare double @{name}(double)" for name in FLOAT_FUNCTIONS.values()),
        '!0 = !{!"branch_weights", i32 1, i32 1000}',
        "!1 = !{}",
        "",
    ]
)


@dataclass(frozen=True)
class Value:
    """An operand: its type and its text in LLVM IR."""

    type: str
    text: str


def float_literal(number: float) -> str:
    return f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"


@dataclass
class Block:
    label: str
    lines: list[str] = field(default_factory=list[str])
    reads: set[str] = field(default_factory=set[str])
    """Variables read before they are written here."""
    writes: set[str] = field(default_factory=set[str])
    successors: list[str] = field(default_factory=list[str])
    transfer: int = 0
    """k if the variables live at suspension point k are saved (-k: restored) at the end."""

    @property
    def closed(self) -> bool:
        """Whether the block already ends in a jump."""
        return bool(self.successors or self.transfer)


class Function:
    """Emits blocks one after the other; the last one is open."""

    def __init__(self) -> None:
        self.blocks = [Block("start")]
        self.types: dict[str, str] = {}
        """The type of every variable."""
        self.counter = 0

    @property
    def block(self) -> Block:
        return self.blocks[-1]

    def label(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}.{self.counter}"

    def open(self, label: str) -> None:
        self.blocks.append(Block(label))

    def emit(self, line: str) -> None:
        self.block.lines.append(line)

    def let(self, expression: str) -> str:
        """Name the result of an instruction."""
        self.counter += 1
        name = f"%v{self.counter}"
        self.emit(f"{name} = {expression}")
        return name

    def choose(self, condition: str, yes: Value, no: str) -> Value:
        """One of two values of a type, without a branch."""
        values = f"{yes.type} {yes.text}, {yes.type} {no}"
        return Value(yes.type, self.let(f"select i1 {condition}, {values}{UNPREDICTABLE}"))

    def jump(self, label: str) -> None:
        """End the block, unless it has ended."""
        if not self.block.closed:
            self.emit(f"br label %{label}")
            self.block.successors.append(label)

    def branch(self, condition: str, yes: str, no: str, weights: str = "") -> None:
        self.emit(f"br i1 {condition}, label %{yes}, label %{no}{weights}")
        self.block.successors += [yes, no]

    # Variables of the body, saved at suspension points -------------------------------------------

    def read(self, name: str) -> Value:
        if name not in self.block.writes:
            self.block.reads.add(name)
        kind = self.types[name]
        return Value(kind, self.let(f"load {kind}, ptr %var.{name}"))

    def write(self, name: str, value: Value) -> bool:
        """Assign; False if the variable has another type."""
        if value.type == BOOL:
            value = Value(INT, self.let(f"zext i1 {value.text} to i64"))
        if self.types.setdefault(name, value.type) != value.type:
            return False
        self.block.writes.add(name)
        self.emit(f"store {value.type} {value.text}, ptr %var.{name}")
        return True

    # Variables of ports and the clock, which live in records between visits ----------------------

    def get(self, name: str) -> str:
        return self.let(f"load i64, ptr %{name}")

    def set(self, name: str, value: str) -> None:
        self.emit(f"store i64 {value}, ptr %{name}")

    # Memory --------------------------------------------------------------------------------------

    def pointer(self, address: str, offset: int = 0) -> str:
        pointer = self.let(f"inttoptr i64 {address} to ptr")
        if offset:
            pointer = self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")
        return pointer

    def load(self, address: str, offset: int = 0) -> str:
        return self.let(f"load i64, ptr {self.pointer(address, offset)}")

    def put(self, value: str, address: str, offset: int = 0, type: str = INT) -> None:
        self.emit(f"store {type} {value}, ptr {self.pointer(address, offset)}")

    # Liveness ------------------------------------------------------------------------------------

    def liveness(self) -> dict[int, list[str]]:
        """The variables that are live when a node resumes at each suspension point."""
        live: dict[str, set[str]] = {block.label: set() for block in self.blocks}
        changed = True
        while changed:
            changed = False
            for block in reversed(self.blocks):
                before = set(block.reads)
                for successor in block.successors:
                    before |= live.get(successor, set()) - block.writes
                if before != live[block.label]:
                    live[block.label] = before
                    changed = True
        return {
            -block.transfer: sorted(live[block.successors[0]])
            for block in self.blocks
            if block.transfer < 0
        }

    def lines(self, words: dict[str, int]) -> Iterator[str]:
        """The text of all blocks; variable v is saved in word `words[v]` of the record."""
        live = self.liveness()
        for block in self.blocks:
            yield f"{block.label}:"
            *body, terminator = block.lines or ["unreachable"]
            yield from body
            for name in live[abs(block.transfer)] if block.transfer else ():
                copy = f"%saved.{block.transfer}.{name}"
                cell = f"{copy}.cell"
                variable, kind = f"%var.{name}", self.types[name]
                source, target = (variable, cell) if block.transfer > 0 else (cell, variable)
                yield f"{cell} = getelementptr i64, ptr %record, i64 {words[name]}"
                yield f"{copy} = load {kind}, ptr {source}"
                yield f"store {kind} {copy}, ptr {target}"
            yield terminator
