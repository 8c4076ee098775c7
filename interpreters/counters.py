"""The meaning of the counters of the core: arrays without dimensions, which keep an index."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation

from headrace.dialects import dlc
from headrace.interpreters.nest import Meaning, Values


def _counter(op: Operation, values: Values) -> tuple[npt.NDArray[np.int64]]:
    return (np.array(values[op.operands[0]], np.int64),)


def _read(op: Operation, values: Values) -> tuple[np.int64]:
    return (values[op.operands[0]][()],)


def _advance(op: Operation, values: Values) -> tuple[()]:
    counter, step = op.operands
    values[counter] += values[step]
    return ()


def _reset(op: Operation, values: Values) -> tuple[()]:
    counter, value = op.operands
    values[counter][...] = values[value]
    return ()


MEANINGS: Mapping[type[Operation], Meaning] = {
    dlc.CounterOp: _counter,
    dlc.ReadOp: _read,
    dlc.AdvanceOp: _advance,
    dlc.ResetOp: _reset,
}
