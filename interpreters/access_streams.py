"""
The meaning of the streams of `slc` in one iteration: loads, index arithmetic, stores.

The value of a stream of vectors is an array of its lanes. Which of them are inside of their loop is
kept beside the values, by the loop's variable: lanes past the end load zero and store nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation, SSAValue

from headrace.dialects import slc
from headrace.dialects.slc_types import lanes_of, scalar_of
from headrace.interpreters.nest import Meaning, Values
from headrace.interpreters.nest_memory import check_inside
from headrace.interpreters.nest_scalars import exact_dtype
from headrace.storage.errors import InputError


class Streams:
    """What streams have at this moment: `meanings` of the operations that give them."""

    def __init__(self) -> None:
        self._inside: dict[SSAValue, int] = {}
        self._ends: dict[slc.AccumulateOp, np.int64] = {}
        self.meanings: Mapping[type[Operation], Meaning] = {
            slc.LoadOp: self._load,
            slc.StoreOp: self._store,
            slc.AccumulateOp: self._accumulate,
            slc.AddOp: _binary(lambda x, y: x + y),
            slc.SubtractOp: _binary(lambda x, y: x - y),
            slc.MultiplyOp: _binary(lambda x, y: x * y),
            slc.DivideOp: _divide,
            slc.MinimumOp: _binary(min),
            slc.IndexCastOp: _index_cast,
            slc.BroadcastOp: _broadcast,
            slc.ExtractOp: _extract,
        }

    def advance(self, variable: SSAValue, at: int, upper: int, lanes: int, values: Values) -> None:
        """Give a loop's variable its value in the trip that begins at `at`."""
        if lanes == 1:
            values[variable] = np.int64(at)
            return
        values[variable] = np.arange(at, at + lanes, dtype=np.int64)
        self._inside[variable] = min(lanes, upper - at)

    def restart(self, op: slc.AccumulateOp) -> None:
        """The loop that `op` stands in begins: its next sum is the first."""
        self._ends.pop(op, None)

    def _load(self, op: Operation, values: Values) -> tuple[Any]:
        assert isinstance(op, slc.LoadOp)
        found = self._place(op, op.memref, op.indices, values)
        type = op.result.type
        if lanes_of(type) == 1:
            return (found[()],)
        loaded = np.zeros(lanes_of(type), exact_dtype(scalar_of(type)))
        loaded[: len(found)] = found
        return (loaded,)

    def _store(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, slc.StoreOp)
        place = self._place(op, op.memref, op.indices, values)
        value = values[op.value]
        place[...] = value[: len(place)] if place.ndim else value
        return ()

    def _place(
        self, op: Operation, buffer: SSAValue, indices: Any, values: Values
    ) -> npt.NDArray[Any]:
        """The element, or the elements of the lanes inside of the loop, as a view."""
        *outer, last = (values[index] for index in indices) if indices else (None,)
        if last is None:
            return values[buffer][...]
        at = tuple(int(index) for index in outer)
        if not isinstance(last, np.ndarray):
            check_inside(op, buffer, (*at, int(last)), values)
            return values[buffer][(*at, int(last), ...)]
        first, count = int(last[0]), self._inside[indices[-1]]
        for lane in (first, first + count - 1):
            check_inside(op, buffer, (*at, lane), values)
        return values[buffer][(*at, slice(first, first + count))]

    def _accumulate(self, op: Operation, values: Values) -> tuple[np.int64, np.int64]:
        assert isinstance(op, slc.AccumulateOp)
        begin = self._ends.get(op, np.int64(values[op.initial]))
        self._ends[op] = begin + values[op.length]
        return begin, self._ends[op]


def _binary(function: Callable[[Any, Any], Any]) -> Meaning:
    def meaning(op: Operation, values: Values) -> tuple[np.int64]:
        lhs, rhs = op.operands
        return (np.int64(function(values[lhs], values[rhs])),)

    return meaning


def _divide(op: Operation, values: Values) -> tuple[np.int64]:
    dividend, divisor = (values[operand] for operand in op.operands)
    if dividend < 0 or divisor <= 0:
        raise InputError(
            f"'{op.name}' divides {dividend} by {divisor}; it takes indices that are not negative, "
            "and a positive divisor"
        )
    return (np.int64(dividend // divisor),)


def _index_cast(op: Operation, values: Values) -> tuple[np.int64]:
    return (np.int64(values[op.operands[0]]),)


def _extract(op: Operation, values: Values) -> tuple[np.int64]:
    return (values[op.operands[0]][0],)


def _broadcast(op: Operation, values: Values) -> tuple[npt.NDArray[Any]]:
    value, type = values[op.operands[0]], op.results[0].type
    return (np.full(lanes_of(type), value, exact_dtype(scalar_of(type))),)
