"""
Primitives to LLVM IR: one resumable step function per variant of a primitive.

The step function of a node runs until a port blocks. It then saves the variables that are live at
this suspension point in the node's record and returns; the next call jumps back to the point. A
body is therefore compiled as written, with sends inside loops and branches, and a node makes
exactly the partial progress that the clock rules say.

Two tricks carry the speed. A port keeps one limit for "empty" and "end of the ring", so the common
path of `take` and `send` has one compare; and the clock moves in a branch that also counts the
stall, which keeps LLVM from turning it into a slow chain of conditional moves.

The IR goes through llvmlite, the compiler under numba, and not through numba itself: resumption
points are jumps, which Python source cannot express, and a primitive compiles in about 20 ms
instead of 500.
"""

import ast
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from headrace.simulators.stream import layout
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.primitive import Argument, Constant, Primitive, refuse
from headrace.simulators.stream.tokens import (
    CANONICAL_NAN,
    DONE,
    EMPTY,
    FIRST_CONTROL,
    FIRST_STOP,
    LEVEL,
)

INT, FLOAT, BOOL = "i64", "double", "i1"

COLD = ", !prof !0"
"""Branch weights of a test that almost always fails."""

LIBM = {"exp", "log", "sin", "cos", "tanh", "erf"}
INTRINSICS = {"sqrt": "llvm.sqrt.f64", "absolute": "llvm.fabs.f64"}
FLOAT_FUNCTIONS = {**{name: name for name in LIBM}, **INTRINSICS}

COMPARE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "oeq"),
    ast.NotEq: ("ne", "une"),
    ast.Lt: ("slt", "olt"),
    ast.LtE: ("sle", "ole"),
    ast.Gt: ("sgt", "ogt"),
    ast.GtE: ("sge", "oge"),
}
BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("add", "fadd"),
    ast.Sub: ("sub", "fsub"),
    ast.Mult: ("mul", "fmul"),
    ast.Div: ("", "fdiv"),
    ast.FloorDiv: ("sdiv", ""),
    ast.Mod: ("srem", ""),
    ast.BitAnd: ("and", ""),
    ast.BitOr: ("or", ""),
    ast.BitXor: ("xor", ""),
    ast.LShift: ("shl", ""),
    ast.RShift: ("lshr", ""),
}


@dataclass(frozen=True)
class Variant:
    """A primitive with its constants: what is compiled once and shared by many nodes."""

    primitive: Primitive
    n: int
    statics: tuple[tuple[str, Constant], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=True)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.primitive.ports(self.n, inputs=False)


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


@dataclass
class _Block:
    label: str
    lines: list[str] = field(default_factory=list[str])
    reads: set[str] = field(default_factory=set[str])
    """Variables read before they are written here."""
    writes: set[str] = field(default_factory=set[str])
    successors: list[str] = field(default_factory=list[str])
    transfer: int = 0
    """k if the variables live at point k are saved (or, negative, restored) at the end."""


@dataclass(frozen=True)
class _Value:
    type: str
    text: str


class _NotConstant(Exception):
    """An expression is not known when the primitive is compiled."""


_DECLARATIONS = "\n".join(
    [
        "declare i64 @llvm.umin.i64(i64, i64)",
        "declare i64 @llvm.smax.i64(i64, i64)",
        "declare i64 @llvm.cttz.i64(i64, i1)",
        "declare i64 @llvm.ctpop.i64(i64)",
        "declare double @pow(double, double)",
        *(f"declare double @{name}(double)" for name in FLOAT_FUNCTIONS.values()),
        '!0 = !{!"branch_weights", i32 1, i32 1000}',
        "",
    ]
)


def _float_literal(number: float) -> str:
    return f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"


def generate(variant: Variant) -> Kernel:
    """
    Compile one variant to LLVM IR.

    Raises `SyntaxError` at the line that leaves the language, `ProgramError` where a body rejects
    the combination of constants.
    """
    return _Emitter(variant).kernel()


class _Emitter:
    """Emits the function of one variant, statement by statement."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.primitive = variant.primitive
        self.constants: dict[str, Constant] = {
            **self.primitive.constants,
            "DONE": DONE,
            "EMPTY": EMPTY,
            "n": variant.n,
            **dict(variant.statics),
        }
        self.types: dict[str, str] = {}
        self.blocks: list[_Block] = []
        self.counter = 0
        self.points: list[Point] = []
        self.messages: list[tuple[str, str | None]] = []
        self.loops: list[tuple[str, str]] = []
        self.arguments = {a.name: a for a in self.primitive.arguments}
        ports = [*variant.inputs, *variant.outputs]
        self.port_word = {name: layout.PORTS + k for k, name in enumerate(ports)}
        self.parameter_word: dict[str, int] = {}
        word = layout.PORTS + len(ports)
        for parameter in self.primitive.parameters:
            self.parameter_word[parameter.name] = word
            word += 1 if parameter.kind in ("Int", "Float") else 3
        self.local_word = word
        self.open("start")

    # Blocks and variables ------------------------------------------------------------------------

    @property
    def block(self) -> _Block:
        return self.blocks[-1]

    def label(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}.{self.counter}"

    def open(self, label: str) -> None:
        self.blocks.append(_Block(label))

    def emit(self, line: str) -> None:
        self.block.lines.append(line)

    def let(self, expression: str) -> str:
        self.counter += 1
        name = f"%v{self.counter}"
        self.emit(f"{name} = {expression}")
        return name

    def jump(self, label: str) -> None:
        if not self.block.successors:
            self.emit(f"br label %{label}")
            self.block.successors.append(label)

    def branch(self, condition: str, yes: str, no: str, weights: str = "") -> None:
        self.emit(f"br i1 {condition}, label %{yes}, label %{no}{weights}")
        self.block.successors += [yes, no]

    def read(self, name: str) -> _Value:
        if name not in self.block.writes:
            self.block.reads.add(name)
        kind = self.types[name]
        return _Value(kind, self.let(f"load {kind}, ptr %var.{name}"))

    def write(self, name: str, value: _Value, node: ast.AST) -> None:
        if value.type == BOOL:
            value = _Value(INT, self.let(f"zext i1 {value.text} to i64"))
        if self.types.setdefault(name, value.type) != value.type:
            self.refuse(node, f"'{name}' changes its type")
        self.block.writes.add(name)
        self.emit(f"store {value.type} {value.text}, ptr %var.{name}")

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        refuse(self.primitive.file, node, f"{self.primitive.name}: {message}")

    # Memory --------------------------------------------------------------------------------------

    def get(self, name: str) -> str:
        """Read a variable of a port or the clock; these are never saved at suspension points."""
        return self.let(f"load i64, ptr %{name}")

    def set(self, name: str, value: str) -> None:
        self.emit(f"store i64 {value}, ptr %{name}")

    def address(self, address: str, offset: int = 0) -> str:
        pointer = self.let(f"inttoptr i64 {address} to ptr")
        if offset:
            pointer = self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")
        return pointer

    def load(self, address: str, offset: int = 0, type: str = INT) -> str:
        return self.let(f"load {type}, ptr {self.address(address, offset)}")

    def put(self, value: str, address: str, offset: int = 0, type: str = INT) -> None:
        self.emit(f"store {type} {value}, ptr {self.address(address, offset)}")

    def node_put(self, word: int, value: str) -> None:
        self.put(value, "%node", word * layout.WORD)

    def node_cell(self, word: int) -> str:
        return self.let(f"add i64 %node, {word * layout.WORD}")

    # Suspension ----------------------------------------------------------------------------------

    def suspend(self, point: Point, retry: str, cell: str, value: str) -> None:
        """Leave the function in the current block; a later visit continues at `retry`."""
        self.points.append(point)
        k = len(self.points)
        self.node_put(layout.POINT, str(k))
        self.node_put(layout.WAIT_CELL, cell)
        self.node_put(layout.WAIT_VALUE, value)
        self.block.transfer = k
        self.emit("br label %exit")
        self.open(f"resume.{k}")
        self.block.transfer = -k
        self.jump(retry)

    def pause(self, point: Point, retry: str, status: int) -> None:
        """Suspend until Python has changed STATUS."""
        self.node_put(layout.STATUS, str(status))
        self.suspend(point, retry, self.node_cell(layout.STATUS), str(status))

    # Channels ------------------------------------------------------------------------------------

    def wait_clock(self, later: str, counter: int) -> None:
        """t = max(t, later), counting the stall."""
        t = self.get("t")
        stall, go = self.label("stall"), self.label("go")
        self.branch(self.let(f"icmp sgt i64 {later}, {t}"), stall, go)
        self.open(stall)
        cell = self.node_cell(counter)
        lost = self.let(f"sub i64 {later}, {t}")
        self.put(self.let(f"add i64 {self.load(cell)}, {lost}"), cell)
        self.set("t", later)
        self.jump(go)
        self.open(go)

    def wait_data(self, port: str, line: int) -> str:
        """Wait for a token; returns the head address. The clock moves to its stamp."""
        check, refill = self.label("check"), self.label("refill")
        empty, filled, ready = self.label("empty"), self.label("filled"), self.label("ready")
        self.jump(check)
        self.open(check)
        head, limit = self.get(f"{port}.head"), self.get(f"{port}.limit")
        self.branch(self.let(f"icmp eq i64 {head}, {limit}"), refill, ready, COLD)
        self.open(refill)
        rest = self.let(f"sub i64 {self.get(f'{port}.last')}, {head}")
        at_end = self.let(f"icmp eq i64 {head}, %{port}.end")
        start = self.let(f"select i1 {at_end}, i64 %{port}.base, i64 {head}")
        last = self.let(f"add i64 {start}, {rest}")
        self.set(f"{port}.head", start)
        self.set(f"{port}.last", last)
        self.set(f"{port}.limit", self.let(f"call i64 @llvm.umin.i64(i64 {last}, i64 %{port}.end)"))
        self.branch(self.let(f"icmp eq i64 {rest}, 0"), empty, filled)
        self.open(empty)
        cell = self.let(f"add i64 %{port}.channel, {layout.FILLED * layout.WORD}")
        self.suspend(Point("data", port, line), check, cell, "0")
        self.open(filled)
        self.jump(ready)
        self.open(ready)
        head = self.get(f"{port}.head")
        self.wait_clock(self.load(head), layout.STALL_IN)
        return head

    def remove(self, port: str, head: str) -> None:
        free = self.let(f"add i64 {self.get('t')}, %{port}.response")
        self.put(free, head)
        self.set(f"{port}.head", self.let(f"add i64 {head}, {layout.SLOT}"))

    def wait_room(self, port: str, line: int) -> str:
        """Wait for a free slot; returns its address. The clock moves to the time it became free."""
        check, refill, full = self.label("check"), self.label("refill"), self.label("full")
        kept, dropped = self.label("kept"), self.label("dropped")
        filled, ready = self.label("filled"), self.label("ready")
        self.jump(check)
        self.open(check)
        tail, limit = self.get(f"{port}.tail"), self.get(f"{port}.limit")
        self.branch(self.let(f"icmp eq i64 {tail}, {limit}"), refill, ready, COLD)
        self.open(refill)
        space = self.let(f"sub i64 {self.get(f'{port}.last')}, {tail}")
        at_end = self.let(f"icmp eq i64 {tail}, %{port}.end")
        start = self.let(f"select i1 {at_end}, i64 %{port}.base, i64 {tail}")
        last = self.let(f"add i64 {start}, {space}")
        self.set(f"{port}.tail", start)
        self.set(f"{port}.last", last)
        self.set(f"{port}.limit", self.let(f"call i64 @llvm.umin.i64(i64 {last}, i64 %{port}.end)"))
        self.branch(self.let(f"icmp eq i64 {space}, 0"), full, filled)
        self.open(full)
        discard = self.load(f"%{port}.channel", layout.DISCARD * layout.WORD)
        self.branch(self.let(f"icmp eq i64 {discard}, 0"), kept, dropped)
        self.open(dropped)
        self.set(f"{port}.tail", f"%{port}.base")
        self.set(f"{port}.last", f"%{port}.end")
        self.set(f"{port}.limit", f"%{port}.end")
        self.jump(filled)
        self.open(kept)
        cell = self.let(f"add i64 %{port}.channel, {layout.FILLED * layout.WORD}")
        size = self.let(f"sub i64 %{port}.end, %{port}.base")
        self.suspend(Point("room", port, line), check, cell, size)
        self.open(filled)
        self.jump(ready)
        self.open(ready)
        tail = self.get(f"{port}.tail")
        self.wait_clock(self.load(tail), layout.STALL_OUT)
        return tail

    # Expressions ---------------------------------------------------------------------------------

    def constant(self, expression: ast.expr) -> Constant | bool:
        """The value of an expression over constants; raises `_NotConstant` otherwise."""
        for node in ast.walk(expression):
            known = isinstance(node, ast.Name) and node.id in self.constants
            if isinstance(node, ast.Name) and not known and node.id not in ("len", "range"):
                raise _NotConstant
            if isinstance(node, ast.Call):
                raise _NotConstant
        code = compile(ast.Expression(expression), self.primitive.file, "eval")
        return eval(code, {"__builtins__": {}}, dict(self.constants))

    def port(self, expression: ast.expr) -> str:
        """The name of the port that an argument denotes: `ref` or `crd[k]`."""
        match expression:
            case ast.Name(id=name) if name in self.port_word:
                return name
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.arguments:
                try:
                    name = f"{name}{self.constant(index)}"
                except _NotConstant:
                    self.refuse(index, "the index of a port must be a constant")
                if name in self.port_word:
                    return name
            case _:
                pass
        self.refuse(expression, f"'{ast.unparse(expression)}' is not a port")

    def value(self, expression: ast.expr) -> _Value:
        try:
            return self.literal(self.constant(expression), expression)
        except _NotConstant:
            pass
        match expression:
            case ast.Name(id=name) if name in self.types:
                return self.read(name)
            case ast.Name(id=name) if name in self.arguments:
                kind = FLOAT if self.arguments[name].kind == "Float" else INT
                return _Value(kind, f"%{name}")
            case ast.Subscript():
                return self.element(expression)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.value(left), self.value(right)
                if a.type != b.type or not BINARY[type(op)][a.type == FLOAT]:
                    self.refuse(expression, "operands of different or unsuitable types")
                name = BINARY[type(op)][a.type == FLOAT]
                return _Value(a.type, self.let(f"{name} {a.type} {a.text}, {b.text}"))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return _Value(INT, self.let(f"xor i64 {self.value(operand).text}, -1"))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                a = self.value(operand)
                text = f"fneg double {a.text}" if a.type == FLOAT else f"sub i64 0, {a.text}"
                return _Value(a.type, self.let(text))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                a, b = self.value(left), self.value(right)
                if a.type != b.type:
                    self.refuse(expression, "comparison of different types")
                order = COMPARE[type(op)][a.type == FLOAT]
                verb = "fcmp" if a.type == FLOAT else "icmp"
                return _Value(BOOL, self.let(f"{verb} {order} {a.type} {a.text}, {b.text}"))
            case ast.Call(func=ast.Name(id=verb), args=args):
                return self.call(verb, args, expression)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                c, a, b = self.truth(test), self.value(body), self.value(orelse)
                return _Value(
                    a.type, self.let(f"select i1 {c}, {a.type} {a.text}, {b.type} {b.text}")
                )
            case _:
                self.refuse(expression, f"'{ast.unparse(expression)}' is not in the language")

    def literal(self, constant: Constant | bool, node: ast.AST) -> _Value:
        match constant:
            case bool():
                return _Value(BOOL, str(constant).lower())
            case int():
                return _Value(INT, str(constant))
            case float():
                return _Value(FLOAT, _float_literal(constant))
            case str() | tuple():
                self.refuse(node, "a word cannot be computed with")

    def element(self, expression: ast.Subscript) -> _Value:
        assert isinstance(expression.value, ast.Name)
        name = expression.value.id
        if name in self.arguments and self.arguments[name].kind not in ("Ins", "Outs"):
            kind = FLOAT if "Float" in self.arguments[name].kind else INT
            return _Value(kind, self.let(f"load {kind}, ptr {self.slot(name, expression.slice)}"))
        return self.read(self.register(expression))

    def register(self, expression: ast.Subscript) -> str:
        assert isinstance(expression.value, ast.Name)
        try:
            name = f"{expression.value.id}.{self.constant(expression.slice)}"
        except _NotConstant:
            self.refuse(expression, "the index of a register must be a constant")
        if name not in self.types:
            self.refuse(expression, f"there is no register {ast.unparse(expression)}")
        return name

    def slot(self, name: str, index: ast.expr) -> str:
        """The address of one entry of an array."""
        position = self.value(index)
        base = self.let(f"inttoptr i64 %{name}.base to ptr")
        return self.let(f"getelementptr i64, ptr {base}, i64 {position.text}")

    def truth(self, expression: ast.expr) -> str:
        value = self.value(expression)
        if value.type == BOOL:
            return value.text
        return self.let(f"icmp ne i64 {value.text}, 0")

    def call(self, verb: str, args: list[ast.expr], node: ast.expr) -> _Value:
        if verb == "len":
            assert isinstance(args[0], ast.Name)
            name = args[0].id
            if self.arguments[name].kind.endswith("Output"):
                used = self.let(f"sub i64 {self.get(f'{name}.cursor')}, %{name}.base")
                return _Value(INT, self.let(f"ashr i64 {used}, 3"))
            return _Value(INT, f"%{name}.size")
        if verb in ("peek", "take"):
            self.refuse(node, f"{verb} must stand alone: x = {verb}(port)")
        if verb == "now":
            return _Value(INT, self.get("t"))
        operands = [self.value(argument) for argument in args]
        texts = [operand.text for operand in operands]
        match verb, texts:
            case "is_data", [x]:
                return _Value(BOOL, self.let(f"icmp ult i64 {x}, {FIRST_CONTROL}"))
            case "is_stop", [x]:
                shifted = self.let(f"sub i64 {x}, {FIRST_CONTROL}")
                return _Value(BOOL, self.let(f"icmp ult i64 {shifted}, {EMPTY - FIRST_CONTROL}"))
            case "stop", [level, mark]:
                code = self.let(f"mul i64 {level}, {LEVEL}")
                code = self.let(f"add i64 {code}, {mark}")
                return _Value(INT, self.let(f"sub i64 {FIRST_STOP}, {code}"))
            case "level_of", [x]:
                code = self.let(f"sub i64 {FIRST_STOP}, {x}")
                return _Value(INT, self.let(f"sdiv i64 {code}, {LEVEL}"))
            case "mark_of", [x]:
                code = self.let(f"sub i64 {FIRST_STOP}, {x}")
                return _Value(INT, self.let(f"and i64 {code}, {LEVEL - 1}"))
            case "value_of", [x]:
                return _Value(FLOAT, self.let(f"bitcast i64 {x} to double"))
            case "token_of", [x]:
                nan = self.let(f"fcmp uno double {x}, {x}")
                word = self.let(f"bitcast double {x} to i64")
                return _Value(INT, self.let(f"select i1 {nan}, i64 {CANONICAL_NAN}, i64 {word}"))
            case "below", [a, b]:
                return _Value(BOOL, self.let(f"icmp ult i64 {a}, {b}"))
            case "maximum" | "minimum", [a, b]:
                order = "ogt" if verb == "maximum" else "olt"
                first = self.let(f"fcmp {order} double {a}, {b}")
                nan = self.let(f"fcmp uno double {a}, {a}")
                chosen = self.let(f"or i1 {first}, {nan}")
                return _Value(FLOAT, self.let(f"select i1 {chosen}, double {a}, double {b}"))
            case "power", [a, b]:
                return _Value(FLOAT, self.let(f"call double @pow(double {a}, double {b})"))
            case "trailing_zeros", [x]:
                return _Value(INT, self.let(f"call i64 @llvm.cttz.i64(i64 {x}, i1 false)"))
            case "ones", [x]:
                return _Value(INT, self.let(f"call i64 @llvm.ctpop.i64(i64 {x})"))
            case "float", [x]:
                return _Value(FLOAT, self.let(f"sitofp i64 {x} to double"))
            case "int", [x]:
                return _Value(INT, self.let(f"fptosi double {x} to i64"))
            case _, [x] if verb in FLOAT_FUNCTIONS:
                name = FLOAT_FUNCTIONS[verb]
                return _Value(FLOAT, self.let(f"call double @{name}(double {x})"))
            case _:
                self.refuse(node, f"{verb} with {len(args)} arguments is not an expression")

    # Conditions ----------------------------------------------------------------------------------

    def condition(self, test: ast.expr, yes: str, no: str) -> None:
        """Branch on a condition; `and`, `or` stop at the first operand that decides."""
        try:
            self.jump(yes if self.constant(test) else no)
            return
        except _NotConstant:
            pass
        match test:
            case ast.BoolOp(op=op, values=values):
                for operand in values[:-1]:
                    following = self.label("and")
                    if isinstance(op, ast.And):
                        self.condition(operand, following, no)
                    else:
                        self.condition(operand, yes, following)
                    self.open(following)
                self.condition(values[-1], yes, no)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.condition(operand, no, yes)
            case _:
                self.branch(self.truth(test), yes, no)

    # Statements ----------------------------------------------------------------------------------

    def statements(self, body: tuple[ast.stmt, ...] | list[ast.stmt]) -> None:
        for statement in body:
            if self.block.successors or self.block.transfer:
                return
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[target], value=value):
                self.assign(target, value, node)
            case ast.AugAssign(target=target, op=op, value=value):
                total = ast.copy_location(ast.BinOp(target, op, value), node)
                self.assign(target, total, node)
            case ast.If(test=test, body=body, orelse=orelse):
                self.conditional(test, body, orelse)
            case ast.While(test=test, body=body, orelse=[]):
                self.loop(test, body)
            case ast.For(target=ast.Name(id=name), iter=sequence, body=body, orelse=[]):
                self.unroll(name, sequence, body)
            case ast.Break():
                self.jump(self.loops[-1][1])
            case ast.Continue():
                self.jump(self.loops[-1][0])
            case ast.Expr(value=ast.Call(func=ast.Name(id=verb)) as call):
                self.perform(verb, call)
            case ast.Pass():
                pass
            case _:
                self.refuse(node, f"'{ast.unparse(node)}' is not in the language")

    def conditional(
        self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]
    ) -> None:
        try:
            self.statements(body if self.constant(test) else orelse)
            return
        except _NotConstant:
            pass
        yes, no, after = self.label("then"), self.label("else"), self.label("after")
        self.condition(test, yes, no)
        for label, branch in ((yes, body), (no, orelse)):
            self.open(label)
            self.statements(branch)
            self.end(after)
        self.open(after)

    def end(self, label: str) -> None:
        """Close the current block with a jump unless it already ends in one."""
        if not self.block.successors and not self.block.transfer:
            self.jump(label)

    def loop(self, test: ast.expr, body: list[ast.stmt]) -> None:
        top, inside, after = self.label("while"), self.label("body"), self.label("after")
        self.jump(top)
        self.open(top)
        self.condition(test, inside, after)
        self.open(inside)
        self.loops.append((top, after))
        self.statements(body)
        self.loops.pop()
        self.end(top)
        self.open(after)

    def unroll(self, name: str, sequence: ast.expr, body: list[ast.stmt]) -> None:
        match sequence:
            case ast.Call(func=ast.Name(id="range"), args=args):
                try:
                    bounds = [int(self.constant(argument)) for argument in args]
                except _NotConstant:
                    self.refuse(sequence, "the bounds of a for loop must be constants")
            case _:
                self.refuse(sequence, "a for loop runs over a range of constants")
        outer = self.constants.get(name)
        for k in range(*bounds):
            self.constants[name] = k
            self.statements(body)
        if outer is None:
            self.constants.pop(name, None)
        else:
            self.constants[name] = outer

    def assign(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> None:
        match target, value:
            case ast.Name(id=name), ast.Call(func=ast.Name(id="peek" | "take" as verb), args=[arg]):
                self.receive(verb, arg, node, name)
            case ast.Subscript(), ast.Call(func=ast.Name(id="peek" | "take" as verb), args=[arg]):
                self.receive(verb, arg, node, self.register(target))
            case (
                ast.Name(id=name),
                ast.Call(func=ast.Name(id="registers" | "numbers" as verb), args=[arg]),
            ):
                zero = _Value(INT, "0") if verb == "registers" else _Value(FLOAT, "0.0")
                for k in range(int(self.constant(arg))):
                    self.write(f"{name}.{k}", zero, node)
            case ast.Name(id=name), _:
                self.write(name, self.value(value), node)
            case ast.Subscript(value=ast.Name(id=name), slice=index), _ if name in self.arguments:
                stored = self.value(value)
                slot = self.slot(name, index)
                self.emit(f"store {stored.type} {stored.text}, ptr {slot}")
            case ast.Subscript(), _:
                self.write(self.register(target), self.value(value), node)
            case _:
                self.refuse(node, f"cannot assign to '{ast.unparse(target)}'")

    def receive(self, verb: str, port: ast.expr, node: ast.stmt, name: str) -> None:
        port_name = self.port(port)
        head = self.wait_data(port_name, node.lineno)
        word = self.load(head, layout.WORD)
        if verb == "take":
            self.remove(port_name, head)
        if name:
            self.write(name, _Value(INT, word), node)

    def perform(self, verb: str, call: ast.Call) -> None:
        args, line = call.args, call.lineno
        match verb:
            case "take" | "peek":
                self.receive(verb, args[0], ast.Expr(call, lineno=line), "")
            case "pop":
                port = self.port(args[0])
                self.remove(port, self.get(f"{port}.head"))
            case "send":
                self.send(call)
            case "room":
                self.wait_room(self.port(args[0]), line)
            case "tick":
                cycles = self.value(args[0])
                self.set("t", self.let(f"add i64 {self.get('t')}, {cycles.text}"))
            case "finish":
                self.leave(layout.FINISHED)
            case "fail":
                self.fail(args)
            case "reject":
                raise ProgramError(f"{self.primitive.name}: {self.constant(args[0])}")
            case "append":
                self.append(args, line)
            case "resize" | "reserve":
                self.enlarge(verb, args, line)
            case "write":
                assert isinstance(args[0], ast.Name)
                stored = self.value(args[2])
                slot = self.slot(args[0].id, args[1])
                self.emit(f"store {stored.type} {stored.text}, ptr {slot}")
            case _:
                self.refuse(call, f"{verb} is not a statement")

    def send(self, call: ast.Call) -> None:
        port, token = self.port(call.args[0]), call.args[1]
        wanted = next((k.value for k in call.keywords if k.arg == "at"), None)
        if wanted is not None:
            self.write("at.stamp", self.value(wanted), call)
        tail = self.wait_room(port, call.lineno)
        stamp = self.let(f"add i64 {self.get('t')}, %{port}.latency")
        if wanted is not None:
            at = self.read("at.stamp").text
            stamp = self.let(f"call i64 @llvm.smax.i64(i64 {stamp}, i64 {at})")
        self.put(stamp, tail)
        self.put(self.value(token).text, tail, layout.WORD)
        self.set(f"{port}.tail", self.let(f"add i64 {tail}, {layout.SLOT}"))

    def leave(self, status: int) -> None:
        self.node_put(layout.STATUS, str(status))
        self.node_put(layout.WAIT_CELL, self.node_cell(layout.STATUS))
        self.node_put(layout.WAIT_VALUE, str(status))
        self.emit("br label %exit")
        self.block.successors.append("exit")

    def fail(self, args: list[ast.expr]) -> None:
        self.node_put(layout.DETAIL, str(len(self.messages)))
        self.messages.append(
            (str(self.constant(args[0])), self.port(args[1]) if len(args) > 1 else None)
        )
        if len(args) > 2:
            self.node_put(layout.OFFENDER, self.value(args[2]).text)
        self.leave(layout.FAILED)

    def append(self, args: list[ast.expr], line: int) -> None:
        assert isinstance(args[0], ast.Name)
        name = args[0].id
        check, full, ready = self.label("check"), self.label("full"), self.label("ready")
        self.jump(check)
        self.open(check)
        cursor = self.get(f"{name}.cursor")
        self.branch(self.let(f"icmp eq i64 {cursor}, %{name}.limit"), full, ready, COLD)
        self.open(full)
        self.node_put(layout.DETAIL, "0")
        self.pause(Point("growth", name, line), check, layout.GROWING)
        self.open(ready)
        stored = self.value(args[1])
        self.put(stored.text, cursor, type=stored.type)
        self.set(f"{name}.cursor", self.let(f"add i64 {cursor}, {layout.WORD}"))

    def enlarge(self, verb: str, args: list[ast.expr], line: int) -> None:
        assert isinstance(args[0], ast.Name)
        name = args[0].id
        check, small, ready = self.label("check"), self.label("small"), self.label("ready")
        self.jump(check)
        self.open(check)
        size = self.value(args[1])
        self.branch(self.let(f"icmp sgt i64 {size.text}, %{name}.capacity"), small, ready, COLD)
        self.open(small)
        self.node_put(layout.DETAIL, size.text)
        self.pause(Point("growth", name, line), check, layout.GROWING)
        self.open(ready)
        if verb == "resize":
            size = self.value(args[1])
            end = self.let(f"mul i64 {size.text}, {layout.WORD}")
            self.set(f"{name}.cursor", self.let(f"add i64 %{name}.base, {end}"))

    # The function --------------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        self.statements(self.primitive.body)
        self.end("off.the.end")
        self.open("off.the.end")
        self.leave(layout.FINISHED)
        words = {name: self.local_word + k for k, name in enumerate(self.types)}
        live = self.liveness()
        lines: list[str] = []
        for block in self.blocks:
            lines.append(f"{block.label}:")
            terminator = block.lines.pop() if block.lines else "unreachable"
            lines += block.lines
            lines += self.transfer(block.transfer, live, words)
            lines.append(terminator)
        body = "\n  ".join([*self.prologue(), *lines, *self.epilogue()])
        key = hashlib.sha256(body.encode()).hexdigest()[:16]
        symbol = f"{self.primitive.name}_{key}"
        text = f"define i64 @{symbol}(i64 %node) nounwind {{\n  {body}\n}}\n{_DECLARATIONS}"
        return Kernel(
            self.variant,
            symbol,
            text,
            self.local_word + len(words),
            dict(self.parameter_word),
            tuple(self.points),
            tuple(self.messages),
        )

    def liveness(self) -> dict[int, list[str]]:
        """The variables that are live when a node resumes at each suspension point."""
        live: dict[str, set[str]] = {block.label: set() for block in self.blocks}
        live["exit"] = set()
        changed = True
        while changed:
            changed = False
            for block in reversed(self.blocks):
                after: set[str] = set().union(*(live[s] for s in block.successors))
                before = block.reads | (after - block.writes)
                if before != live[block.label]:
                    live[block.label] = before
                    changed = True
        return {
            -block.transfer: sorted(live[block.successors[0]])
            for block in self.blocks
            if block.transfer < 0
        }

    def transfer(
        self, point: int, live: dict[int, list[str]], words: dict[str, int]
    ) -> Iterator[str]:
        """Save the variables live at a point in the node record, or restore them from it."""
        for name in live[abs(point)] if point else ():
            kind, cell, copy = self.types[name], f"%x{point}.{name}.cell", f"%x{point}.{name}"
            yield f"{cell} = getelementptr i64, ptr %record, i64 {words[name]}"
            source, target = (f"%var.{name}", cell) if point > 0 else (cell, f"%var.{name}")
            yield f"{copy} = load {kind}, ptr {source}"
            yield f"store {kind} {copy}, ptr {target}"

    def prologue(self) -> Iterator[str]:
        """Load the record: ports, parameters, clock; then jump to the suspension point."""
        yield "\nentry:"
        yield "%record = inttoptr i64 %node to ptr"
        yield "%t = alloca i64"
        for name, kind in self.types.items():
            yield f"%var.{name} = alloca {kind}"

        def word(name: str, index: int, kind: str = INT, record: str = "%record") -> Iterator[str]:
            yield f"%{name}.cell = getelementptr i64, ptr {record}, i64 {index}"
            yield f"%{name} = load {kind}, ptr %{name}.cell"

        yield from word("t.start", layout.TIME)
        yield "store i64 %t.start, ptr %t"
        for port in (*self.variant.inputs, *self.variant.outputs):
            is_input = port in self.variant.inputs
            yield from word(f"{port}.channel", self.port_word[port])
            yield f"%{port}.record = inttoptr i64 %{port}.channel to ptr"
            fields = {"base": layout.BASE, "end": layout.END, "filled": layout.FILLED}
            if is_input:
                fields |= {"response": layout.RESPONSE, "position": layout.HEAD}
            else:
                fields |= {"latency": layout.LATENCY, "position": layout.TAIL}
            for name, index in fields.items():
                yield from word(f"{port}.{name}", index, record=f"%{port}.record")
            run = f"%{port}.filled"
            if not is_input:
                run = f"%{port}.space"
                yield f"%{port}.bytes = sub i64 %{port}.end, %{port}.base"
                yield f"%{port}.space = sub i64 %{port}.bytes, %{port}.filled"
            cursor = "head" if is_input else "tail"
            for name in (cursor, "last", "limit"):
                yield f"%{port}.{name} = alloca i64"
            yield f"%{port}.last.0 = add i64 %{port}.position, {run}"
            yield (
                f"%{port}.limit.0 = call i64 @llvm.umin.i64"
                f"(i64 %{port}.last.0, i64 %{port}.end)"
            )
            yield f"store i64 %{port}.position, ptr %{port}.{cursor}"
            yield f"store i64 %{port}.last.0, ptr %{port}.last"
            yield f"store i64 %{port}.limit.0, ptr %{port}.limit"
        for parameter in self.primitive.parameters:
            yield from self.load_parameter(parameter, word)
        yield from word("point", layout.POINT)
        cases = " ".join(f"i64 {k + 1}, label %resume.{k + 1}" for k in range(len(self.points)))
        yield f"switch i64 %point, label %start [{cases}]"

    def load_parameter(self, parameter: Argument, word: Callable[..., Iterator[str]]) -> Iterator[str]:
        name, first = parameter.name, self.parameter_word[parameter.name]
        match parameter.kind:
            case "Int":
                yield from word(name, first)
            case "Float":
                yield from word(name, first, FLOAT)
            case "Ints" | "Floats":
                yield from word(f"{name}.base", first)
                yield from word(f"{name}.size", first + 1)
            case "IntWork" | "FloatWork":
                yield from word(f"{name}.base", first)
                yield from word(f"{name}.capacity", first + 2)
            case _:
                yield from word(f"{name}.base", first)
                yield from word(f"{name}.used", first + 1)
                yield from word(f"{name}.capacity", first + 2)
                yield f"%{name}.used.bytes = shl i64 %{name}.used, 3"
                yield f"%{name}.cursor.0 = add i64 %{name}.base, %{name}.used.bytes"
                yield f"%{name}.capacity.bytes = shl i64 %{name}.capacity, 3"
                yield f"%{name}.limit = add i64 %{name}.base, %{name}.capacity.bytes"
                yield f"%{name}.cursor = alloca i64"
                yield f"store i64 %{name}.cursor.0, ptr %{name}.cursor"

    def epilogue(self) -> Iterator[str]:
        """Store ports, outputs and clock back into the records."""
        yield "\nexit:"
        yield "%t.end = load i64, ptr %t"
        yield "store i64 %t.end, ptr %t.start.cell"
        for port in (*self.variant.inputs, *self.variant.outputs):
            is_input = port in self.variant.inputs
            cursor = "head" if is_input else "tail"
            yield f"%{port}.final = load i64, ptr %{port}.{cursor}"
            yield f"%{port}.last.final = load i64, ptr %{port}.last"
            yield f"%{port}.rest = sub i64 %{port}.last.final, %{port}.final"
            yield f"store i64 %{port}.final, ptr %{port}.position.cell"
            if is_input:
                yield f"store i64 %{port}.rest, ptr %{port}.filled.cell"
                continue
            yield f"%{port}.now.filled = sub i64 %{port}.bytes, %{port}.rest"
            yield f"store i64 %{port}.now.filled, ptr %{port}.filled.cell"
            yield f"%{port}.new = sub i64 %{port}.now.filled, %{port}.filled"
            yield (
                f"%{port}.pushed.cell = getelementptr i64, ptr %{port}.record, i64 {layout.PUSHED}"
            )
            yield f"%{port}.pushed = load i64, ptr %{port}.pushed.cell"
            yield f"%{port}.pushed.now = add i64 %{port}.pushed, %{port}.new"
            yield f"store i64 %{port}.pushed.now, ptr %{port}.pushed.cell"
        for parameter in self.primitive.parameters:
            if parameter.kind.endswith("Output"):
                name = parameter.name
                yield f"%{name}.final = load i64, ptr %{name}.cursor"
                yield f"%{name}.final.bytes = sub i64 %{name}.final, %{name}.base"
                yield f"%{name}.final.size = ashr i64 %{name}.final.bytes, 3"
                yield f"store i64 %{name}.final.size, ptr %{name}.used.cell"
        yield f"%status.cell = getelementptr i64, ptr %record, i64 {layout.STATUS}"
        yield "%status = load i64, ptr %status.cell"
        yield "ret i64 %status"
