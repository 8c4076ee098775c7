"""The meaning of the `sam` operations that read, address and repeat (`dialects/sam_access.py`)."""

from typing import Any

import numpy as np
from xdsl.dialects.tensor import DimOp
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.interpreters.sam_nested import Nested, at, leaves, unzip_at, zip_at
from headrace.interpreters.sam_streams import depth_of, read_streams, write_streams
from headrace.interpreters.sam_tokens import ABSENT
from headrace.interpreters.sam_values import Value, zero
from headrace.storage.levels import Storage


@register_impls
class AccessFunctions(InterpreterFunctions):
    """From tensors to streams."""

    @impl(sam.RootOp)
    def root(self, interpreter: Interpreter, op: sam.RootOp, args: PythonValues) -> PythonValues:
        return write_streams(op, 0)

    @impl(sam.ScanOp)
    def scan(self, interpreter: Interpreter, op: sam.ScanOp, args: PythonValues) -> PythonValues:
        refs, tensor = read_streams(op, args)
        depth, level = depth_of(op.outer.type), op.level.value.data
        fibers = at(refs, depth, lambda ref: _fiber(op.name, tensor, level, ref))
        return write_streams(op, *unzip_at(fibers, depth, 2))

    @impl(sam.ScanBitvectorOp)
    def scan_bitvector(
        self, interpreter: Interpreter, op: sam.ScanBitvectorOp, args: PythonValues
    ) -> PythonValues:
        refs, tensor = read_streams(op, args)
        depth, level = depth_of(op.outer.type), op.level.value.data

        def word(ref: Any) -> tuple[list[int], list[int]]:
            if ref is ABSENT:
                return [], []
            coordinates, _ = _fiber(op.name, tensor, level, ref)
            return [sum(1 << c for c in coordinates)], [int(tensor.segments[level][ref])]

        return write_streams(op, *unzip_at(at(refs, depth, word), depth, 2))

    @impl(sam.RangeOp)
    def range(self, interpreter: Interpreter, op: sam.RangeOp, args: PythonValues) -> PythonValues:
        outer, extent = read_streams(op, args)
        depth = depth_of(op.outer.type)

        def fiber(token: Any) -> tuple[list[int], list[int]]:
            if token is ABSENT:
                return [], []
            return list(range(extent)), list(range(token * extent, (token + 1) * extent))

        return write_streams(op, *unzip_at(at(outer, depth, fiber), depth, 2))

    @impl(sam.LocateOp)
    def locate(
        self, interpreter: Interpreter, op: sam.LocateOp, args: PythonValues
    ) -> PythonValues:
        crds, *outer, extent = read_streams(op, args)
        depth = depth_of(op.crd.type)
        refs = outer[0] if outer else at(crds, depth - 1, lambda fiber: 0)

        def positions(fiber: list[int], ref: Any) -> list[Any]:
            for crd in fiber:
                if not 0 <= crd < extent:
                    raise InterpretationError(
                        f"'{op.name}': coordinate {crd} lies outside 0..{extent - 1}"
                    )
            return [ABSENT if ref is ABSENT else ref * extent + crd for crd in fiber]

        return write_streams(op, zip_at(f"'{op.name}'", depth - 1, positions, crds, refs))

    @impl(sam.RepeatSignalOp)
    def repeat_signal(
        self, interpreter: Interpreter, op: sam.RepeatSignalOp, args: PythonValues
    ) -> PythonValues:
        return write_streams(op, *read_streams(op, args))

    @impl(sam.RepeatOp)
    def repeat(
        self, interpreter: Interpreter, op: sam.RepeatOp, args: PythonValues
    ) -> PythonValues:
        stream, counts = read_streams(op, args)
        pending = iter(counts)

        def times(item: Nested) -> int:
            count = next(pending, None)
            if count is None:
                raise InterpretationError(f"'{op.name}': more tokens than signals")
            if isinstance(item, list) and not item and count:
                raise InterpretationError(f"'{op.name}': {count} signals for an empty fiber")
            return count

        def repeated(item: Nested, depth: int) -> Nested:
            if depth == 0:
                return [item] * times(item)
            if not item:
                times(item)
            return [repeated(child, depth - 1) for child in item]

        result = repeated(stream, depth_of(op.stream.type))
        if next(pending, None) is not None:
            raise InterpretationError(f"'{op.name}': more signals than tokens")
        return write_streams(op, result, increasing=False)

    @impl(sam.ArrayOp)
    def array(self, interpreter: Interpreter, op: sam.ArrayOp, args: PythonValues) -> PythonValues:
        refs, tensor = read_streams(op, args)
        absent = zero(op.val.type)

        def value(ref: Any) -> Value:
            if ref is ABSENT:
                return absent
            if not 0 <= ref < tensor.stored:
                raise InterpretationError(
                    f"'{op.name}': reference {ref} lies outside the {tensor.stored} values"
                )
            stored = tensor.values[ref]
            return stored.item() if np.ndim(stored) == 0 else stored

        return write_streams(op, at(refs, depth_of(op.ref.type), value))

    @impl(sam.NumberOp)
    def number(
        self, interpreter: Interpreter, op: sam.NumberOp, args: PythonValues
    ) -> PythonValues:
        (crds,) = read_streams(op, args)
        count = iter(range(len(args[0])))
        return write_streams(op, at(crds, depth_of(op.crd.type), lambda crd: next(count)))

    @impl(sam.CoordinatesOp)
    def coordinates(
        self, interpreter: Interpreter, op: sam.CoordinatesOp, args: PythonValues
    ) -> PythonValues:
        values, extent = read_streams(op, args)

        def coordinate(value: Any) -> int:
            number = 0.0 if value is ABSENT else float(value)
            if not (0 <= number < extent and number == int(number)):
                raise InterpretationError(
                    f"'{op.name}': index {number:g} is no integer from 0 to {extent - 1}"
                )
            return int(number)

        result = at(values, depth_of(op.val.type), coordinate)
        return write_streams(op, result, increasing=False)

    @impl(sam.SelectFibersOp)
    def select_fibers(
        self, interpreter: Interpreter, op: sam.SelectFibersOp, args: PythonValues
    ) -> PythonValues:
        refs, crds = read_streams(op, args)
        depth = depth_of(op.refs.type)
        fibers = list(leaves(crds, depth_of(op.fibers.type) - 1))
        starts = np.cumsum([0, *(len(fiber) for fiber in fibers)])
        _expect_rising(op.name, list(leaves(refs, depth)), len(fibers), repeats=False)

        def fiber(ref: Any) -> tuple[list[int], list[int]]:
            if ref is ABSENT:
                return [], []
            return fibers[ref], list(range(int(starts[ref]), int(starts[ref + 1])))

        return write_streams(op, *unzip_at(at(refs, depth, fiber), depth, 2))

    @impl(sam.SelectValuesOp)
    def select_values(
        self, interpreter: Interpreter, op: sam.SelectValuesOp, args: PythonValues
    ) -> PythonValues:
        refs, nested = read_streams(op, args)
        depth = depth_of(op.refs.type)
        values = list(leaves(nested, depth_of(op.values.type)))
        _expect_rising(op.name, list(leaves(refs, depth)), len(values), repeats=True)
        absent = zero(op.val.type)
        selected = at(refs, depth, lambda ref: absent if ref is ABSENT else values[ref])
        return write_streams(op, selected)

    @impl(sam.ExtentOp)
    def extent(
        self, interpreter: Interpreter, op: sam.ExtentOp, args: PythonValues
    ) -> PythonValues:
        tensor: Storage = args[0]
        dimension = op.dimension.value.data
        return (tensor.size(tensor.format.order.index(dimension)),)

    @impl(DimOp)
    def dim(self, interpreter: Interpreter, op: DimOp, args: PythonValues) -> PythonValues:
        tensor, dimension = args
        return (tensor.shape[dimension],)


def _fiber(where: str, tensor: Storage, level: int, ref: Any) -> tuple[list[int], list[int]]:
    """Coordinates and positions of one fiber of a level."""
    if ref is ABSENT:
        return [], []
    segments, coordinates = tensor.segments[level], tensor.coordinates[level]
    count = _fiber_count(tensor, level)
    if not 0 <= ref < count:
        raise InterpretationError(
            f"'{where}': reference {ref} lies outside the {count} fibers of level {level}"
        )
    if segments is None or coordinates is None:
        size = tensor.size(level)
        return list(range(size)), list(range(ref * size, (ref + 1) * size))
    begin, end = int(segments[ref]), int(segments[ref + 1])
    return coordinates[begin:end].tolist(), list(range(begin, end))


def _fiber_count(tensor: Storage, level: int) -> int:
    """How many fibers a level has: one for each position of the level above."""
    count = 1
    for above in range(level):
        coordinates = tensor.coordinates[above]
        count = count * tensor.size(above) if coordinates is None else len(coordinates)
    return count


def _expect_rising(where: str, refs: list[Any], count: int, repeats: bool) -> None:
    """References are read in order; with `repeats` one may occur several times in a row."""
    before = -1
    for ref in refs:
        if ref is ABSENT:
            continue
        if ref < before or (ref == before and not repeats):
            raise InterpretationError(f"'{where}': reference {ref} follows {before}")
        if ref >= count:
            raise InterpretationError(f"'{where}': reference {ref}, but only {count} to select")
        before = ref
