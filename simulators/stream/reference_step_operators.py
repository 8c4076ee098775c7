"""
Operators of streaming tensor programs that compute, in plain Python, and what all operators share.

Each is a generator that follows the step of its operator in "Streaming Tensor Programs", ASPLOS
2026, section 4, as literally as Python allows. What happens at stops without a value is our own and
is in docs/design/timing.md; it costs nothing.

`last` is the stop of the element before; no stop comes before the first element, which is written
as a level above all levels, since in both places no list is open.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headrace.simulators.stream.reference_step_process import (
    Channel,
    Element,
    Process,
    Steps,
)
from headrace.simulators.stream.reference_step_values import (
    Costs,
    Integer,
    Selector,
    Tile,
    Value,
    binary,
    compute_cycles,
    placed,
    unary,
)

NO_LIST_OPEN = 1 << 30


@dataclass(frozen=True)
class Node:
    """An operator connected to its channels; operands are named as in netlists."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[Channel, ...]]
    outputs: tuple[Channel, ...]
    costs: Costs

    def operand(self, name: str) -> Channel:
        return self.inputs[name][0]

    @property
    def write_back(self) -> bool:
        return bool(self.parameters.get("write_back_mu", False))


def unary_map(p: Process, node: Node) -> Steps[None]:
    name, bandwidth = node.parameters["fn"]["fn"], node.parameters["compute_bw"]
    yield from mapped(p, node, lambda x: unary(name, x, bandwidth))


def to_selector(p: Process, node: Node) -> Steps[None]:
    """
    No operator of recorded netlists: `hot` has what is selected by the values of one tile after
    the other, which a timing simulation does not have.
    """
    hot, count = iter(node.parameters["hot"]), node.parameters["count"]
    bandwidth = node.parameters["compute_bw"]
    yield from mapped(
        p, node, lambda x: (Selector(next(hot), count), compute_cycles(x.elements, bandwidth))
    )


def mapped(p: Process, node: Node, function: Callable[[Tile], tuple[Value, int]]) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    while (x := (yield from p.peek(source))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop)
            p.pop(source)
            continue
        y, cycles = function(x.value)
        y = placed(y, node.write_back)
        p.time += max(node.costs.load(x.value), cycles, node.costs.store(y, node.write_back))
        yield from p.send(out, y, x.stop)
        p.pop(source)


def binary_map(p: Process, node: Node) -> Steps[None]:
    one, other, [out] = node.operand("in1"), node.operand("in2"), node.outputs
    while True:
        a = yield from p.peek(one)
        b = yield from p.peek(other)
        if a is None or b is None:
            return
        stop = max(a.stop, b.stop)
        if a.is_bare != b.is_bare:
            raise p.disagreement((one, other), (a.stop, b.stop))
        if a.is_bare:
            yield from p.send_stop(out, stop)
        else:
            y, cycles = binary(
                node.parameters["fn"], a.value, b.value, node.parameters["compute_bw"]
            )
            y = placed(y, node.write_back)
            load = node.costs.load(a.value) + node.costs.load(b.value)
            p.time += max(load, cycles, node.costs.store(y, node.write_back))
            yield from p.send(out, y, stop)
        p.pop(one)
        p.pop(other)
        yield from p.absorb(one, a.stop, stop)
        yield from p.absorb(other, b.stop, stop)


@dataclass
class Groups:
    """
    Which stops of a stream close a list of level `rank`, and which close lists around such lists.

    A stop without a value, of level k, after a stop of level l: if l >= k it is an empty list of
    level k, else it closes the lists of levels l + 1 to k.
    """

    rank: int
    last: int = NO_LIST_OPEN

    def closes(self, x: Element) -> bool:
        """Whether a list of level `rank` ends here, or is empty."""
        return x.stop >= self.rank and (
            not x.is_bare or self.last < self.rank or x.stop == self.rank
        )

    def surrounds(self, x: Element) -> bool:
        """Whether only lists of lists of level `rank` end here, or are empty."""
        return x.stop >= self.rank and not self.closes(x)

    def after(self, x: Element) -> None:
        self.last = x.stop


def accumulate(p: Process, node: Node) -> Steps[None]:
    source, [out] = node.operand("input"), node.outputs
    function = node.parameters["fn"]["fn"]
    written = node.costs.store(initial(node), node.write_back)
    groups, state = Groups(node.parameters["accum_rank"]), initial(node)
    while (x := (yield from p.peek(source))) is not None:
        closes = groups.closes(x)
        load, cycles = 0, 0
        if not x.is_bare:
            load = node.costs.load(x.value)
            state, cycles = accumulated(function, state, x.value, node.parameters["compute_bw"])
        p.time += max(load, cycles, written if closes else 0)
        p.pop(source)
        if closes:
            moved = state if function == "RetileRow" else placed(state, node.write_back)
            yield from p.send(out, moved, x.stop - groups.rank)
            state = initial(node)
        elif groups.surrounds(x):
            yield from p.send_stop(out, x.stop - groups.rank)
        groups.after(x)


def initial(node: Node) -> Tile:
    """The initial accumulator."""
    rows, columns = node.parameters["init_fn"]["shape"]
    return Tile(rows, columns, node.costs.element_bytes, rows)


def accumulated(function: str, state: Any, x: Any, bandwidth: int) -> tuple[Value, int]:
    """The accumulator after `x`, and the cycles."""
    match function:
        case "RetileRow":
            rows, valid = state.rows + x.rows, state.valid + x.valid
            return replace(state, rows=rows, valid=valid, resident=x.resident), 0
        case "SignalReqAllRead":
            return Integer(1), 1
        case _:
            return replace(state, valid=x.valid), compute_cycles(x.elements, bandwidth)


def map_accumulate(p: Process, node: Node) -> Steps[None]:
    one, other, [out] = node.operand("in1"), node.operand("in2"), node.outputs
    written = node.costs.store(initial(node), node.write_back)
    groups, state = Groups(node.parameters["rank"]), initial(node)
    while True:
        a = yield from p.peek(one)
        b = yield from p.peek(other)
        if a is None or b is None:
            return
        if a.is_bare != b.is_bare:
            raise p.disagreement((one, other), (a.stop, b.stop))
        x = Element(a.value, max(a.stop, b.stop))
        closes = groups.closes(x)
        load, cycles = 0, 0
        if not x.is_bare:
            load = node.costs.load(a.value) + node.costs.load(b.value)
            product, cycles = binary(
                node.parameters["fn"], a.value, b.value, node.parameters["compute_bw"]
            )
            state = replace(product, resident=False)
        p.time += max(load, cycles, written if closes else 0)
        p.pop(one)
        p.pop(other)
        yield from p.absorb(one, a.stop, x.stop)
        yield from p.absorb(other, b.stop, x.stop)
        if closes:
            yield from p.send(out, placed(state, node.write_back), x.stop - groups.rank)
            state = initial(node)
        elif groups.surrounds(x):
            yield from p.send_stop(out, x.stop - groups.rank)
        groups.after(x)


def sink(p: Process, node: Node, received: list[Element]) -> Steps[None]:
    """Keeps what arrives."""
    while (x := (yield from p.take(node.operand("input")))) is not None:
        received.append(x)
        p.time += 0 if x.is_bare else 1
