"""What ALUs and reductions compute on values: Python numbers, or arrays (tiles)."""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import AnyTensorType, IntegerType, TensorType
from xdsl.ir import Attribute

from headrace.dialects import sam
from headrace.storage.functions import evaluate

Value = int | float | npt.NDArray[Any]

Binary = Callable[[Any, Any], Any]


def zero(type: Attribute) -> Value:
    """The zero of a stream's element type, which an absent value counts as."""
    assert isinstance(type, sam.StreamType)
    element = type.element_type
    if isinstance(element, TensorType):
        tile = cast(AnyTensorType, element)
        integers = isinstance(tile.element_type, IntegerType)
        return np.zeros(tile.get_shape(), np.int64 if integers else np.float64)
    return 0 if isinstance(element, IntegerType) else 0.0


def compute(kind: sam.AluKind, inputs: list[Value], scalar: float | None, like: Value) -> Value:
    """
    One result of an ALU, a number or tile of the same type as `like`.

    Division by zero and the like give IEEE results (inf, nan).
    """
    # The result is a float where its operands are integers, or integers where they are booleans.
    numbers = [np.asarray(one, np.asarray(like).dtype) for one in inputs]
    result = evaluate(kind, numbers if scalar is None else [*numbers, scalar])
    if np.ndim(like):
        return result.astype(np.asarray(like).dtype)
    return int(result) if isinstance(like, int) else float(result)


COMBINE: dict[sam.ReductionKind, Binary] = {
    sam.ReductionKind.ADD: lambda x, y: x + y,
    sam.ReductionKind.MAX: lambda x, y: _like(x, np.maximum(x, y)),
    sam.ReductionKind.MIN: lambda x, y: _like(x, np.minimum(x, y)),
}


def start(kind: sam.ReductionKind, zero: Value) -> Value:
    """What the reduction of nothing gives, of the same type as `zero`."""
    if kind is sam.ReductionKind.ADD:
        return zero
    if np.asarray(zero).dtype.kind == "i":
        bounds = np.iinfo(np.int64)
        return _like(zero, zero + (bounds.min if kind is sam.ReductionKind.MAX else bounds.max))
    return _like(zero, zero + (-math.inf if kind is sam.ReductionKind.MAX else math.inf))


def _like(model: Value, value: Any) -> Value:
    if np.ndim(model):
        return np.asarray(value)
    return int(value) if isinstance(model, int) else float(value)
