"""
The primitives as Python coroutines, for debugging: slow, and every line can be stepped through.

The same source text that is compiled runs here, with verbs that wait by yielding. A breakpoint or
a `print` in a primitive works. Results and clocks equal those of the compiled engine, which makes
this a test of the code generator too (not of the primitives: that is what the plain reference,
written separately, is for). There are no memory models and no tiles here.
"""

import ast
import copy
import math
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import numpy as np

from headrace.simulators.stream import tokens
from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.kernel import Variant
from headrace.simulators.stream.primitive import OUTPUT_KINDS, WORK_KINDS, Argument, Procedure
from headrace.simulators.stream.program import Program, Slot

Steps = Generator[None, None, Any]

WAITING = {"peek", "take", "send", "room"}
WORD = 1 << 64


@dataclass
class Channel:
    capacity: int | None
    held: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    """Stamps and tokens."""
    freed: deque[int] = field(default_factory=deque[int])
    """When slots became free, for sends to come; a fresh slot is free at 0."""


class Finished(Exception):
    """A primitive has called finish()."""


class Node:
    """A node that runs the text of its primitive; its methods are the verbs."""

    def __init__(self, name: str, variant: Variant, ports: dict[str, Channel | None]) -> None:
        self.name = name
        self.variant = variant
        self.ports = ports
        self.time = 0
        self.moved = False
        self.finished = False
        self.values: dict[str, Any] = {}

    def start(self, parameters: dict[str, Any]) -> Steps:
        """The coroutine of the primitive with its parameters bound."""
        self.values = parameters
        primitive = self.variant.primitive
        names = {
            **primitive.constants,
            **self.verbs(),
            **dict(self.variant.statics),
            **parameters,
            "n": self.variant.n,
        }
        for argument in primitive.arguments:
            if argument.is_group:
                names[argument.name] = [
                    self.ports[f"{argument.name}{k}"] for k in range(self.variant.n)
                ]
            elif argument.is_input or argument.is_output:
                names[argument.name] = self.ports[argument.name]
        return _executable(primitive, names, arguments=False)()

    def verbs(self) -> dict[str, Any]:
        own = {
            name: getattr(self, name)
            for name in ("peek", "take", "pop", "send", "room", "tick", "finish", "fail")
        }
        return {**own, **PLAIN, "now": lambda: self.time}

    def peek(self, port: Channel) -> Steps:
        while not port.held:
            yield
        stamp, token = port.held[0]
        self.time = max(self.time, stamp)
        return token

    def pop(self, port: Channel, when: bool = True) -> None:
        if not when:
            return
        port.held.popleft()
        if port.capacity is not None:
            port.freed.append(self.time + 1)
        self.moved = True

    def take(self, port: Channel) -> Steps:
        token = yield from self.peek(port)
        self.pop(port)
        return token

    def room(self, port: Channel | None) -> Steps:
        if port is not None and port.capacity is not None:
            while not port.freed:
                yield
            self.time = max(self.time, port.freed[0])

    def send(self, port: Channel | None, token: int, at: int = 0) -> Steps:
        yield from self.room(port)
        if port is not None:
            if port.capacity is not None:
                port.freed.popleft()
            port.held.append((max(at, self.time + 1), token))
        self.moved = True

    def tick(self, cycles: int) -> None:
        self.time += cycles

    def finish(self) -> NoReturn:
        raise Finished

    def fail(self, message: str, port: object = None, token: int = 0) -> NoReturn:
        raise SimulationError(f"node '{self.name}': {tokens.filled_in(message, token)}")


def _ieee(function: Callable[..., float]) -> Callable[..., float]:
    """Errors of the mathematics library as NaN, as in compiled code."""

    def wrapped(*operands: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(*(np.float64(operand) for operand in operands)))

    return wrapped


def _is_data(token: int) -> bool:
    return not tokens.is_control(token) and token != tokens.EMPTY


def _is_stop(token: int) -> bool:
    return tokens.is_control(token) and token != tokens.DONE


def _below(a: int, b: int) -> bool:
    return a % WORD < b % WORD


def _level_of(token: int) -> int:
    return (tokens.FIRST_STOP - token) // tokens.LEVEL


def _mark_of(token: int) -> int:
    return (tokens.FIRST_STOP - token) % tokens.LEVEL


def _stop(level: int, mark: int) -> int:
    return tokens.FIRST_STOP - tokens.LEVEL * level - mark


def _append(output: list[float], value: float) -> None:
    output.append(value)


def _resize(output: list[float], size: int) -> None:
    output[:] = [0] * size


def _write(output: list[float], index: int, value: float) -> None:
    output[index] = value


def _reserve(work: list[float], size: int) -> None:
    work += [0] * (size - len(work))


def _trailing_zeros(x: int) -> int:
    return (x & -x).bit_length() - 1


def _ones(x: int) -> int:
    return (x % WORD).bit_count()


def _zeros(n: int) -> list[int]:
    return [0] * n


def _nothing(*_: object) -> None:
    return None


PLAIN: dict[str, Any] = {
    "DONE": tokens.DONE,
    "EMPTY": tokens.EMPTY,
    "is_data": _is_data,
    "is_stop": _is_stop,
    "stop": _stop,
    "level_of": _level_of,
    "mark_of": _mark_of,
    "value_of": tokens.number,
    "token_of": tokens.bits,
    "below": _below,
    "transfer": _nothing,
    "idle": _nothing,
    "registers": _zeros,
    "numbers": _zeros,
    "append": _append,
    "resize": _resize,
    "write": _write,
    "reserve": _reserve,
    "exp": _ieee(np.exp),
    "log": _ieee(np.log),
    "sqrt": _ieee(np.sqrt),
    "sin": _ieee(np.sin),
    "cos": _ieee(np.cos),
    "tanh": _ieee(np.tanh),
    "erf": math.erf,
    "power": _ieee(np.power),
    "absolute": abs,
    "maximum": _ieee(np.maximum),
    "minimum": _ieee(np.minimum),
    "trailing_zeros": _trailing_zeros,
    "ones": _ones,
}


class _Waiting(ast.NodeTransformer):
    """Turns calls that may wait into `yield from`, and divisions into those of IEEE 754."""

    def __init__(self, waiting: set[str]) -> None:
        self.waiting = waiting

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.waiting:
            return ast.copy_location(ast.YieldFrom(node), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        call = ast.Call(ast.Name("_divide", ast.Load()), [node.left, node.right], [])
        return ast.copy_location(call, node)


def _executable(
    procedure: Procedure, names: Mapping[str, Any], arguments: bool = True
) -> Callable[..., Steps]:
    """The procedure as a generator function over verbs that wait by yielding."""
    transformer = _Waiting(WAITING | procedure.helpers.keys())
    body = [transformer.visit(copy.deepcopy(statement)) for statement in procedure.body]
    parameters = [ast.arg(a.name) for a in procedure.arguments] if arguments else []
    definition = ast.parse(f"def {procedure.name}():\n    yield from ()").body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.args.args = parameters
    definition.body = [*definition.body, *body]
    module = ast.fix_missing_locations(ast.Module([definition], []))
    namespace: dict[str, Any] = {
        **procedure.constants,
        **names,
        "_divide": _ieee(np.divide),
    }
    for name, helper in procedure.helpers.items():
        namespace.setdefault(name, _executable(helper, names))
    exec(compile(module, procedure.file, "exec"), namespace)
    return namespace[procedure.name]


@dataclass(frozen=True)
class CoroutineResult:
    """Outputs, and the final clock of every node; nodes that are stuck are named."""

    outputs: dict[str, Any]
    clocks: dict[str, int]
    stuck: tuple[str, ...]

    @property
    def cycles(self) -> int:
        return max(self.clocks.values(), default=0)


def run_coroutines(
    program: Program, arrays: Mapping[str, Any], *, depth: int | None = None
) -> CoroutineResult:
    """
    Run a program in plain Python.

    Raises `ProgramError` and `SimulationError` as `simulate` does.
    """
    channels: list[Channel] = []
    for index, own in enumerate(program.capacities.tolist()):
        capacity = own or depth
        channel = Channel(capacity)
        start, end = program.initial_starts[index : index + 2]
        channel.held.extend((0, int(token)) for token in program.initial[start:end])
        channel.freed.extend([0] * ((capacity or 0) - len(channel.held)))
        channels.append(channel)
    read = set(program.inputs.tolist())
    nodes: list[tuple[Node, Steps]] = []
    for index, name in enumerate(program.names.tolist()):
        given = program.node_parameters(index)
        ins, outs = program.node_inputs(index), program.node_outputs(index)
        variant = variant_of(str(program.kinds[index]), len(ins), given)
        if dict(variant.statics).get("tile", 0):
            raise ProgramError(f"node '{name}' computes with tiles, which coroutines cannot")
        if variant.primitive.closes:
            raise ProgramError(f"node '{name}' ends by closing, which coroutines cannot")
        ports: dict[str, Channel | None] = {
            **{port: channels[c] for port, c in zip(variant.inputs, ins, strict=True)},
            **{
                port: channels[c] if c in read else None
                for port, c in zip(variant.outputs, outs, strict=True)
            },
        }
        node = Node(name, variant, ports)
        bound = {a.name: _bind(a, given, arrays) for a in variant.primitive.parameters}
        nodes.append((node, node.start(bound)))
    _run_all(nodes)
    outputs: dict[str, Any] = {}
    for index, (node, _) in enumerate(nodes):
        for argument in node.variant.primitive.parameters:
            if argument.kind in OUTPUT_KINDS:
                output = program.node_parameters(index)["output"]
                dtype = np.float64 if argument.kind == "FloatOutput" else np.int64
                outputs[f"{output}.{argument.name}"] = np.array(
                    node.values[argument.name], dtype=dtype
                )
    return CoroutineResult(
        outputs,
        {node.name: node.time for node, _ in nodes},
        tuple(node.name for node, _ in nodes if not node.finished),
    )


def _run_all(nodes: list[tuple[Node, Steps]]) -> None:
    """Let the coroutines run in turn until none moves."""
    moved = True
    while moved:
        moved = False
        for node, steps in nodes:
            if node.finished:
                continue
            node.moved = False
            try:
                next(steps)
            except Finished:
                node.finished = True
            moved |= node.moved or node.finished


def _bind(argument: Argument, given: Mapping[str, Any], arrays: Mapping[str, Any]) -> Any:
    def lookup(value: Any) -> Any:
        if isinstance(value, tuple):
            return [lookup(part) for part in cast(tuple[Any, ...], value)]
        return arrays[value.name] if isinstance(value, Slot) else value

    if argument.kind in (*OUTPUT_KINDS, *WORK_KINDS):
        return []
    value = lookup(given.get(argument.name, argument.default))
    if argument.kind == "Floats":
        return tokens.canonical(np.asarray(value, dtype=np.float64)).reshape(-1).tolist()
    return np.asarray(value).tolist() if argument.kind == "Ints" else value
