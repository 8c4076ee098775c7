"""
The meaning of what code of the core has beyond loop nests: counters, and operations on lanes.

A counter is an array without dimensions, which keeps an index.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation

from headrace.dialects import dlc, slc
from headrace.interpreters.nest import Meaning, Values
from headrace.interpreters.nest_scalars import evaluate


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


def _lanewise(op: Operation, values: Values) -> tuple[Any]:
    assert isinstance(op, slc.LanewiseOp)
    return (evaluate(op.operation, [values[vector] for vector in op.inputs]),)


MEANINGS: Mapping[type[Operation], Meaning] = {
    dlc.CounterOp: _counter,
    dlc.ReadOp: _read,
    dlc.AdvanceOp: _advance,
    dlc.ResetOp: _reset,
    slc.LanewiseOp: _lanewise,
}
