"""The meaning of the `sam` operations that make tensors (`dialects/sam_write.py`)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorType
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.dialects.sparse_tensor import format_of
from headrace.interpreters.sam_nested import expect_increasing, leaves, zip_at
from headrace.interpreters.sam_streams import depth_of, read_streams
from headrace.interpreters.sam_tokens import ABSENT, DONE, Stop, Token
from headrace.interpreters.sam_values import zero
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Level, Storage


@register_impls
class WriteFunctions(InterpreterFunctions):
    """From streams to tensors. A level is a pair of segments and coordinates."""

    @impl(sam.WriteCoordinatesOp)
    def write_coordinates(
        self, interpreter: Interpreter, op: sam.WriteCoordinatesOp, args: PythonValues
    ) -> PythonValues:
        (crds,) = read_streams(op, args)
        fibers = list(leaves(crds, depth_of(op.crd.type) - 1))
        expect_increasing(f"'{op.name}'", fibers)
        if op.mode.data is sam.Empty.DROP:
            fibers = [fiber for fiber in fibers if fiber]
        segments = np.cumsum([0, *(len(fiber) for fiber in fibers)], dtype=np.int64)
        coordinates = np.array([crd for fiber in fibers for crd in fiber], dtype=np.int64)
        return ((segments, coordinates),)

    @impl(sam.WriteValuesOp)
    def write_values(
        self, interpreter: Interpreter, op: sam.WriteValuesOp, args: PythonValues
    ) -> PythonValues:
        values = [token for token in args[0] if token is not DONE and not isinstance(token, Stop)]
        return (_stacked(op.name, op.val.type, values),)

    @impl(sam.StoreOp)
    def store(self, interpreter: Interpreter, op: sam.StoreOp, args: PythonValues) -> PythonValues:
        refs, values, *extents = read_streams(op, args)
        depth = depth_of(op.ref.type)
        count = math.prod(extents)
        result = _stacked(op.name, op.val.type, [zero(op.val.type)] * count)
        pairs = zip_at(f"'{op.name}'", depth, lambda *pair: pair, refs, values)
        for ref, value in leaves(pairs, depth):
            if ref is ABSENT or value is ABSENT:
                raise InterpretationError(f"'{op.name}': an absent token reached a writer")
            if not 0 <= ref < count:
                raise InterpretationError(
                    f"'{op.name}': reference {ref} lies outside the {count} positions"
                )
            result[ref] = value
        return (result,)

    @impl(sam.AssembleOp)
    def assemble(
        self, interpreter: Interpreter, op: sam.AssembleOp, args: PythonValues
    ) -> PythonValues:
        count = len(op.levels)
        written, values, extents = iter(args[:count]), args[count], args[count + 1 :]
        format = format_of(op.result.type)
        segments: list[Array | None] = []
        coordinates: list[Array | None] = []
        for level in format.levels:
            pair = (None, None) if level is Level.DENSE else next(written)
            segments.append(_outermost(pair[0]) if not segments else pair[0])
            coordinates.append(pair[1])
        shape = _shape(op.result.type, extents)
        like = np.asarray(zero(sam.StreamType(sam.Kind.VAL, op.result.type.element_type, ())))
        values = values.astype(like.dtype).reshape(-1, *format.block)
        storage = Storage(shape, format, tuple(segments), tuple(coordinates), values)
        try:
            storage.validate(f"'{op.name}'")
        except InputError as error:
            raise InterpretationError(str(error)) from error
        return (storage.without_padding(),)


def _stacked(where: str, type: Any, values: Sequence[Token]) -> npt.NDArray[Any]:
    """All values as one array; of the right shape and type also if there is none."""
    if any(value is ABSENT for value in values):
        raise InterpretationError(f"'{where}': an absent token reached a writer")
    like = np.asarray(zero(type))
    return np.array(values, dtype=like.dtype).reshape(len(values), *like.shape)


def _outermost(segments: Array | None) -> Array | None:
    """The outermost level has one fiber, also where a writer dropped it because it is empty."""
    return np.zeros(2, np.int64) if segments is not None and len(segments) == 1 else segments


def _shape(tensor: AnyTensorType, extents: Sequence[int]) -> tuple[int, ...]:
    """Sizes from the type where it knows them, else from the extents."""
    return tuple(
        extent if known == DYNAMIC_INDEX else known
        for known, extent in zip(tensor.get_shape(), extents, strict=True)
    )
