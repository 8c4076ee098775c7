"""
Primitives to LLVM IR: one resumable step function per variant of a primitive.

The step function of a node runs until a port blocks. It then saves the variables that are live at
this suspension point in the node's record and returns; the next call jumps back to the point. A
body is therefore compiled as written, with sends inside loops and branches, and a node makes
exactly the partial progress that the clock rules say.

The IR goes through llvmlite, the compiler under numba, and not through numba itself: resumption
points are jumps, which Python source cannot express, and a primitive compiles in a tenth of a
second.
"""

import ast
import copy
import hashlib

from headrace.simulators.stream import layout
from headrace.simulators.stream.channels import BURST
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.expressions import NotConstant
from headrace.simulators.stream.ir import DECLARATIONS, FLOAT, INT, Value
from headrace.simulators.stream.kernel import ARENA, Kernel, Point, Variant
from headrace.simulators.stream.primitive import LOCAL_KINDS, Procedure
from headrace.simulators.stream.verbs import VerbFunction


def generate(variant: Variant) -> Kernel:
    """
    Compile one variant to LLVM IR.

    Raises `SyntaxError` at the line that leaves the language, `ProgramError` where a body rejects
    the combination of constants.
    """
    function = _StepFunction(variant)
    function.statements(variant.primitive.body)
    if not function.block.closed:
        function.leave(layout.FINISHED)
    words = {name: function.words + k for k, name in enumerate(function.types)}
    blocks = list(function.lines(words))
    body = "\n  ".join([*function.prologue(), *blocks, *function.epilogue()])
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    symbol = f"{variant.primitive.name}_{digest}"
    return Kernel(
        variant=variant,
        symbol=symbol,
        text=f"define i64 @{symbol}(i64 %node) nounwind {{\n{body}\n}}\n{DECLARATIONS}",
        words=function.words + len(words),
        parameters=dict(function.parameter_words),
        points=tuple(function.points),
        messages=tuple(function.messages),
    )


class _StepFunction(VerbFunction):
    """Adds statements."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(variant)
        self.loops: list[tuple[str, str]] = []
        self.has_burst = False
        """Whether the loop being compiled has a loop inside that runs in bursts."""

    def statements(self, body: tuple[ast.stmt, ...] | list[ast.stmt]) -> None:
        for statement in body:
            if self.block.closed:
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
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id="range"), args=bounds),
                body=body,
                orelse=[],
            ):
                self.unroll(name, range(*(self.integer(bound) for bound in bounds)), body)
            case ast.Pass():
                pass
            case ast.Break():
                self.jump(self.loops[-1][1])
            case ast.Continue():
                self.jump(self.loops[-1][0])
            case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call):
                if name in self.procedure.helpers:
                    self.inline(self.procedure.helpers[name], call)
                else:
                    self.perform(name, call)
            case _:
                self.refuse(node, f"'{ast.unparse(node)}' is not in the language")

    # Control flow --------------------------------------------------------------------------------

    def conditional(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        try:
            self.statements(body if self.constant(test) else orelse)
            return
        except NotConstant:
            pass
        yes, no, after = self.label("then"), self.label("else"), self.label("after")
        self.condition(test, yes, no)
        before, left = self.credit, None if self.credit is None else set(self.credit)
        for label, branch in ((yes, body), (no, orelse)):
            self.open(label)
            self.credit = None if before is None else set(before)
            self.statements(branch)
            if left is not None and self.credit is not None and not self.block.closed:
                left &= self.credit
            self.jump(after)
        self.credit = left
        self.open(after)

    def loop(self, test: ast.expr, body: list[ast.stmt]) -> None:
        """
        A loop that uses ports itself and has no loop that does is compiled twice.

        In a burst, every port can move without a look at its record, as often as the shortest run
        of tokens or slots in any ring. What does not fit in that is done one step at a time.
        """
        top, step, after = self.label("while"), self.label("step"), self.label("after")
        self.jump(top)
        outside, self.touched = self.touched, set()
        nested, self.has_burst = self.has_burst, False
        self.open(step)
        self.loop_body(test, body, top, after)
        ports, self.touched = self.touched, outside | self.touched
        if ports and not self.has_burst:
            self.has_burst = True
            self.burst(test, body, ports, top, step, after)
        else:
            self.has_burst |= nested
            self.open(top)
            self.jump(step)
        self.open(after)

    def loop_body(self, test: ast.expr, body: list[ast.stmt], latch: str, after: str) -> None:
        inside = self.label("body")
        self.condition(test, inside, after)
        self.open(inside)
        self.loops.append((latch, after))
        self.statements(body)
        self.loops.pop()
        self.jump(latch)

    def burst(
        self,
        test: ast.expr,
        body: list[ast.stmt],
        ports: set[str],
        top: str,
        step: str,
        after: str,
    ) -> None:
        outputs = ports.intersection(self.variant.outputs)
        again, choose, free = self.label("again"), self.label("choose"), self.label("free")
        self.open(top)
        count = self.available(ports)
        self.write(BURST, Value(INT, count))
        self.branch(self.let(f"icmp eq i64 {count}, 0"), step, choose)
        self.open(choose)
        if outputs and not self.variant.unbounded:
            self.branch(self.all_free(outputs, count), free, again)
            self.slots_are_free = True
            self.burst_loop(test, body, ports, free, top, after)
            self.slots_are_free = False
        else:
            self.jump(again)
        self.burst_loop(test, body, ports, again, top, after)

    def burst_loop(
        self,
        test: ast.expr,
        body: list[ast.stmt],
        ports: set[str],
        again: str,
        top: str,
        after: str,
    ) -> None:
        latch = self.label("latch")
        self.open(again)
        self.credit = set(ports)
        self.loop_body(test, body, latch, after)
        self.credit = None
        self.open(latch)
        count = self.let(f"sub i64 {self.read(BURST).text}, {layout.SLOT}")
        self.write(BURST, Value(INT, count))
        self.branch(self.let(f"icmp eq i64 {count}, 0"), top, again)

    def unroll(self, name: str, values: range, body: list[ast.stmt]) -> None:
        outside = dict(self.constants)
        for k in values:
            self.constants[name] = k
            self.statements(body)
        self.constants = outside

    def inline(self, helper: Procedure, call: ast.Call) -> Value | None:
        """Compile the body of a helper in place; returns the value that it returns."""
        names: dict[str, ast.expr] = {
            node.id: ast.Name(f"{helper.name}.{node.id}", ast.Load())
            for statement in helper.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for argument, given in zip(helper.arguments, call.args, strict=True):
            names[argument.name] = given
            if argument.kind in LOCAL_KINDS:
                local = f"{helper.name}.{argument.name}"
                names[argument.name] = ast.Name(local, ast.Load())
                if not self.write(local, self.value(given)):
                    self.refuse(given, f"'{argument.name}' of {helper.name} has another type")
        body = [_Substitution(names).visit(copy.deepcopy(s)) for s in helper.body]
        outside = self.procedure, self.constants
        self.procedure, self.constants = helper, {**self.constants, **helper.constants}
        result = None
        match body:
            case [*before, ast.Return(value=ast.expr() as value)]:
                self.statements(before)
                result = self.value(value)
            case _:
                self.statements(body)
        self.procedure, self.constants = outside
        return result

    # Assignment ----------------------------------------------------------------------------------

    def assign(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> None:
        match target, value:
            case _, ast.Call(func=ast.Name(id="peek" | "take" | "stamp_of" as verb), args=[port]):
                self.store(target, self.receive(verb, port, node.lineno), node)
            case _, ast.Call(func=ast.Name(id="ask"), args=[line]):
                self.ask(self.value(line).text, node.lineno)
                arrival = self.load("%node", layout.DETAIL * layout.WORD)
                self.store(target, Value(INT, arrival), node)
            case _, ast.Call(func=ast.Name(id=name)) if name in self.procedure.helpers:
                result = self.inline(self.procedure.helpers[name], value)
                if result is None:
                    self.refuse(node, f"{name} returns nothing")
                self.store(target, result, node)
            case _, ast.Call(func=ast.Name(id="arrival"), args=[port]):
                chosen = self.chosen(port)
                if chosen is None:
                    self.refuse(port, "arrival() is for ports that are addressed at run time")
                self.store(target, self.arrival(*chosen), node)
            case (
                ast.Name(id=name),
                ast.Call(func=ast.Name(id="registers" | "numbers" as verb), args=[count]),
            ):
                zero = Value(INT, "0") if verb == "registers" else Value(FLOAT, "0.0")
                for k in range(self.integer(count)):
                    self.write(f"{name}.{k}", zero)
            case _:
                self.store(target, self.value(value), node)

    def store(self, target: ast.expr, value: Value, node: ast.stmt) -> None:
        match target:
            case ast.Name(id=name):
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=index) if name in self.arguments:
                self.emit(f"store {value.type} {value.text}, ptr {self.slot(name, index)}")
                return
            case ast.Subscript():
                name = self.register(target)
            case _:
                self.refuse(node, f"cannot assign to '{ast.unparse(target)}'")
        if not self.write(name, value):
            self.refuse(node, f"'{name}' changes its type")

    # Verbs ---------------------------------------------------------------------------------------

    def perform(self, verb: str, call: ast.Call) -> None:
        args, line = call.args, call.lineno
        match verb:
            case "take" | "peek":
                self.receive(verb, args[0], line)
            case "pop" if chosen := self.chosen(args[0]):
                self.pop_chosen(*chosen)
            case "room" if chosen := self.chosen(args[0]):
                self.room_chosen(*chosen, line)
            case "close":
                self.close()
            case "pop":
                port = self.port(args[0])
                wanted = self.truth(args[1]) if len(args) > 1 else None
                self.remove(port, self.get(f"{port}.position"), wanted)
            case "send":
                self.send(args, line)
            case "room":
                self.wait_room(self.port(args[0]), line)
            case "tick":
                if self.variant.trace:
                    self.record_busy(line)
                cycles = self.value(args[0]).text
                now = self.let(f"add i64 {self.get('t')}, {cycles}")
                self.set("t", now)
                if self.variant.trace:
                    self.node_put(layout.BUSY_END, now)
            case "finish":
                self.leave(layout.FINISHED)
            case "fail":
                self.fail(args)
            case "reject":
                raise ProgramError(str(self.constant(args[0])))
            case "append":
                self.append(args, line)
            case "resize":
                array = self.array(args[0])
                self.ensure(array, args[1], line)
                size = self.let(f"mul i64 {self.value(args[1]).text}, {layout.WORD}")
                self.set(f"{array}.cursor", self.let(f"add i64 %{array}.base, {size}"))
            case "reserve":
                self.ensure(self.array(args[0]), args[1], line)
            case "transfer":
                self.count_traffic(self.value(args[0]).text)
            case "idle":
                if self.variant.operations:
                    self.count_traffic(self.value(args[0]).text)
            case "request":
                words = self.value(args[0]).text
                self.count_traffic(words)
                self.ask(words, line)
            case "collect":
                self.node_put(layout.DETAIL, "0")
                collected = self.label("collected")
                self.pause(Point("growth", ARENA, line), collected, layout.GROWING)
                self.open(collected)
            case "wait":
                self.wait_clock(self.value(args[0]).text, layout.STALL_IN)
            case "write":
                stored = self.value(args[2])
                slot = self.slot(self.array(args[0]), args[1])
                self.emit(f"store {stored.type} {stored.text}, ptr {slot}")
            case _:
                self.refuse(call, f"{verb} is no statement")


class _Substitution(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, names: dict[str, ast.expr]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return (
            ast.copy_location(copy.copy(self.names[node.id]), node)
            if (node.id in self.names)
            else node
        )
