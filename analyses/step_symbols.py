"""
The sizes of a `step` graph that its arguments decide: selectors and lengths, followed to where they
name a size.

What only a run can tell (how many requests a region serves, whose turn it is by who is ready) is
left out: a simulation measures it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_functions import Function
from headrace.dialects.step_operation import is_name
from headrace.dialects.step_types import StreamType

Array: TypeAlias = npt.NDArray[Any]
Arguments: TypeAlias = Sequence[npt.ArrayLike | None]
"""Of a graph, in order; None for those whose values are not known."""

Selector: TypeAlias = tuple[int, ...]
"""What is selected, ascending."""

Made: TypeAlias = Mapping[SSAValue, Sequence[Selector]]
"""The elements of streams of selectors that a graph makes of tiles, whatever lists they are in."""

Values: TypeAlias = Sequence[Any]
"""The selectors or integers of a stream in order, whatever lists they are in."""


def known_symbols(
    graph: step.GraphOp,
    arguments: Arguments,
    made: Made | None = None,
) -> dict[str, int | list[int]]:
    """
    The sizes by their names, as `Dimension.substitute` takes them: a ragged one has a list.

    A symbol that neither the arguments nor `made` decide is not among them.
    """
    followed = _Followed(arguments, made or {})
    symbols: dict[str, int | list[int]] = {}
    unmerged: list[step.PartitionOp] = []
    for operation in graph.body.block.ops:
        match operation:
            case step.PartitionOp():
                selectors = followed.values(operation.selector)
                if selectors is None:
                    unmerged.append(operation)
                    continue
                for output, size in enumerate(_sizes(operation)):
                    if is_name(str(size)):
                        symbols[str(size)] = sum(output in selector for selector in selectors)
            case step.ReassembleOp() if operation.dim is not None:
                selectors = followed.values(operation.selector)
                if selectors is not None and is_name(operation.dim.data):
                    symbols[f"~{operation.dim.data}"] = [len(selector) for selector in selectors]
            case step.CacheReadAddressOp() | step.FilterLastOp():
                _enter(symbols, operation, followed.values(operation.length))
            case step.FlatMapOp() if operation.function is Function.RANGE:
                _enter(symbols, operation, followed.values(operation.input))
            case _:
                pass
    for operation in unmerged:
        merge = followed.maker(operation.selector)
        if isinstance(merge, step.EagerMergeOp):
            for size, part in zip(_sizes(operation), merge.inputs, strict=True):
                units = _dimensions(part)[0].substitute(symbols)
                if is_name(str(size)) and units.is_static:
                    symbols.setdefault(str(size), units.value)
    return symbols


def _enter(
    symbols: dict[str, int | list[int]], operation: step.StepOperation, lengths: Values | None
) -> None:
    """A list of each length, named by the innermost size of the result."""
    size = str(_dimensions(operation.results[0])[-1])
    if lengths is not None and is_name(size.removeprefix("~")):
        symbols[size] = list(lengths)


class _Followed:
    """Selectors and integers, followed from the arguments through what routes and reshapes."""

    def __init__(self, arguments: Arguments, made: Made) -> None:
        self.arguments = arguments
        self._found: dict[SSAValue, Values | None] = {**made}

    def values(self, stream: SSAValue) -> Values | None:
        """What a stream carries; None if a run decides it."""
        if stream not in self._found:
            self._found[stream] = None
            self._found[stream] = self._made(stream)
        return self._found[stream]

    def maker(self, stream: SSAValue) -> Operation | None:
        """The operation that has made the elements, before fan-out and reshaping."""
        while isinstance(stream.owner, step.BroadcastOp | step.FlattenOp | step.PromoteOp):
            stream = stream.owner.input
        return stream.owner if isinstance(stream.owner, Operation) else None

    def _made(self, stream: SSAValue) -> Values | None:
        if not isinstance(stream, OpResult):
            return None
        match operation := stream.op:
            case step.SelectOp():
                return _selectors(self._argument(operation.tensor))
            case step.IntegersOp():
                values = self._argument(operation.tensor)
                return None if values is None else values.ravel().tolist()
            case step.BroadcastOp() | step.FlattenOp() | step.PromoteOp():
                return self.values(operation.input)
            case step.DealOp() if not operation.integer("rank"):
                values = self.values(operation.input)
                return None if values is None else values[stream.index :: len(operation.results)]
            case step.PartitionOp() if not operation.integer("rank"):
                values, selectors = self.values(operation.input), self.values(operation.selector)
                if values is None or selectors is None:
                    return None
                chosen = zip(values, selectors, strict=True)
                return [value for value, selector in chosen if stream.index in selector]
            case step.FilterLastOp():
                lengths = self.values(operation.length)
                return None if lengths is None else _last_of_lists(lengths)
            case _:
                return None

    def _argument(self, tensor: SSAValue) -> Array | None:
        assert isinstance(tensor, BlockArgument)
        given = self.arguments[tensor.index] if tensor.index < len(self.arguments) else None
        return None if given is None else np.asarray(given)


def _selectors(rows: Array | None) -> list[Selector] | None:
    if rows is None:
        return None
    return [tuple(np.flatnonzero(row).tolist()) for row in rows.reshape(-1, rows.shape[-1])]


def _last_of_lists(lengths: Values) -> list[Selector]:
    """Selectors {1}, .. {1}, {0} for each length."""
    return [selector for length in lengths for selector in [(1,)] * (length - 1) + [(0,)][:length]]


def _sizes(operation: step.PartitionOp) -> list[Dimension]:
    return [_dimensions(output)[0] for output in operation.outputs]


def _dimensions(stream: SSAValue) -> Sequence[Dimension]:
    assert isinstance(stream.type, StreamType)
    return stream.type.dimensions
