"""
The meaning of `slc`: loops in order, callbacks where they stand.

Nothing is decoupled here: a callback runs when the traversal reaches it, on what the streams have
then. This is the oracle of what passes make of a kernel, and of its `dlc` form.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.ir import Operation

from headrace.dialects import slc
from headrace.interpreters import core_code, nest
from headrace.interpreters.access_streams import Streams
from headrace.interpreters.nest import Values
from headrace.interpreters.nest_memory import name_of
from headrace.storage.errors import InputError


def run_function(function: func.FuncOp, buffers: Sequence[npt.NDArray[Any]]) -> None:
    """
    Run a function with loops of `slc` on `buffers`, one array an argument, in place.

    Raises `InputError` as `nest.run_function` does, for a pop from an empty row, and for items of
    a row that no callback pops.
    """
    nest.run_function(function, buffers, _Sequential().meanings)


class _Sequential:
    """One run; rows are queues of their own."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.meanings = {
            **self.streams.meanings,
            **core_code.MEANINGS,
            slc.ForOp: self._for,
            slc.CallbackOp: self._callback,
            slc.FifoOp: self._fifo,
            slc.PushOp: self._push,
            slc.PopOp: self._pop,
        }

    def _for(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, slc.ForOp)
        lower, upper, step = (int(values[bound]) for bound in op.operands)
        expect_step(op, step)
        for inner in op.body.block.ops:
            if isinstance(inner, slc.AccumulateOp):
                self.streams.restart(inner)
        for at in range(lower, upper, step * op.lane_count):
            self.streams.advance(op.variable, at, upper, op.lane_count, values)
            nest.run_block(op.body.block, values, self.meanings)
            for inner in op.body.block.ops:
                if isinstance(inner, slc.FifoOp) and (left := len(values[inner.result])):
                    raise InputError(
                        f"{left} items of the row {name_of(inner.result)} are pushed and popped by "
                        "no callback"
                    )
        return ()

    def _callback(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, slc.CallbackOp)
        inputs = zip(op.body.block.args, op.inputs, strict=True)
        values.update((argument, values[value]) for argument, value in inputs)
        nest.run_block(op.body.block, values, self.meanings)
        return ()

    def _fifo(self, op: Operation, values: Values) -> tuple[deque[Any]]:
        return (deque(),)

    def _push(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, slc.PushOp)
        values[op.fifo].append(values[op.value])
        return ()

    def _pop(self, op: Operation, values: Values) -> tuple[Any]:
        assert isinstance(op, slc.PopOp)
        row: deque[Any] = values[op.fifo]
        if not row:
            raise InputError(f"a callback pops from the row {name_of(op.fifo)}, which is empty")
        return (row.popleft(),)


def expect_step(op: Operation, step: int) -> None:
    """Raise `InputError` for a loop that would not end."""
    if step <= 0:
        raise InputError(f"'{op.name}' has step {step}; it must be positive")
