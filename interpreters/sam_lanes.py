"""The meaning of the `sam` operations of parallel lanes (`dialects/sam_lanes.py`)."""

from itertools import cycle
from typing import Any

from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.interpreters.sam_nested import Nested, at, zip_at
from headrace.interpreters.sam_streams import depth_of, read_streams, write_streams
from headrace.interpreters.sam_tokens import ABSENT


@register_impls
class LaneFunctions(InterpreterFunctions):
    """Streams are dealt to lanes, and collected again."""

    @impl(sam.ForkOp)
    def fork(self, interpreter: Interpreter, op: sam.ForkOp, args: PythonValues) -> PythonValues:
        (stream,) = read_streams(op, args)
        lanes, depth = op.lanes.value.data, depth_of(op.stream.type)
        turn = cycle(range(lanes))
        order = at(stream, depth, lambda token: next(turn))
        return write_streams(op, *_dealt(op.name, lanes, depth, order, stream), order)

    @impl(sam.BalanceOp)
    def balance(
        self, interpreter: Interpreter, op: sam.BalanceOp, args: PythonValues
    ) -> PythonValues:
        refs, tensor = read_streams(op, args)
        segments = tensor.segments[op.level.value.data]
        loads = [0] * op.among.value.data

        def lane(ref: Any) -> int:
            least = loads.index(min(loads))
            loads[least] += 1
            if ref is not ABSENT:
                if not 0 <= ref < len(segments) - 1:
                    raise InterpretationError(
                        f"'{op.name}': reference {ref} lies outside the {len(segments) - 1} fibers "
                        f"of level {op.level.value.data}"
                    )
                loads[least] += int(segments[ref + 1] - segments[ref])
            return least

        return write_streams(op, at(refs, depth_of(op.ref.type), lane))

    @impl(sam.DealOp)
    def deal(self, interpreter: Interpreter, op: sam.DealOp, args: PythonValues) -> PythonValues:
        stream, order = read_streams(op, args)
        lanes, depth = op.lanes.value.data, depth_of(op.stream.type)
        return write_streams(op, *_dealt(op.name, lanes, depth, order, stream))

    @impl(sam.GatherOp)
    def gather(
        self, interpreter: Interpreter, op: sam.GatherOp, args: PythonValues
    ) -> PythonValues:
        *lanes, order = read_streams(op, args)

        def collected(order: list[int], *lanes: list[Nested]) -> list[Nested]:
            wanted = [order.count(lane) for lane in range(len(lanes))]
            if wanted != [len(lane) for lane in lanes]:
                raise InterpretationError(
                    f"'{op.name}': lanes hold {[len(lane) for lane in lanes]} tokens, but the "
                    f"fork dealt {wanted}"
                )
            pending = [iter(lane) for lane in lanes]
            return [next(pending[lane]) for lane in order]

        depth = depth_of(op.order.type)
        return write_streams(op, zip_at(f"'{op.name}'", depth - 1, collected, order, *lanes))


def _dealt(where: str, lanes: int, depth: int, order: Nested, stream: Nested) -> list[Nested]:
    """The items of `stream`, which lie `depth` lists deep, in the lane that `order` has there."""

    def row(order: list[int], items: list[Any]) -> list[list[Any]]:
        if len(order) != len(items):
            raise InterpretationError(f"'{where}': {len(order)} lanes for {len(items)} tokens")
        if not all(0 <= lane < lanes for lane in order):
            raise InterpretationError(f"'{where}': lanes {order}, but there are {lanes}")
        pairs = list(zip(order, items, strict=True))
        return [[item for lane, item in pairs if lane == number] for number in range(lanes)]

    rows = zip_at(f"'{where}'", depth - 1, row, order, stream)
    return [at(rows, depth - 1, lambda row, n=number: row[n]) for number in range(lanes)]
