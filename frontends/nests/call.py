"""
The call of a loop nest from the entry function.

    %table_buffer = bufferization.to_buffer %table read_only : tensor<6x3xf32> to memref<6x3xf32>
    %out = memref.alloc() : memref<2x3xf32>
    linalg.fill ins(%zero : f32) outs(%out : memref<2x3xf32>)
    func.call @embedding_bag_0(%offsets_buffer, .., %table_buffer, %out) : (..) -> ()
    %result = bufferization.to_tensor %out restrict : memref<2x3xf32> to tensor<2x3xf32>
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import bufferization, func, memref
from xdsl.dialects.builtin import MemRefType, UnitAttr, bf16, f16, f32
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Attribute, SSAValue

from headrace.frontends.builder import EntryBuilder, Extent, View, tensor_type
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.reshape import as_tensor
from headrace.frontends.scalars import Scalars


@dataclass(frozen=True)
class Output:
    """A buffer that a nest writes."""

    shape: Sequence[Extent]
    element: Attribute
    start: float | View = 0.0
    """What it has before: a number everywhere, or the elements of a tensor."""
    sums: bool = False
    """Whether numbers are added to it: f16 and bf16 are then summed as f32 and rounded once."""

    @property
    def buffer_element(self) -> Attribute:
        """The elements of the buffer, which a nest finds as those of its argument."""
        return f32 if self.sums and self.element in (f16, bf16) else self.element


def call_nest(
    emit: EntryBuilder,
    kind: str,
    inputs: Mapping[str, View],
    outputs: Mapping[str, Output],
    build: Callable[[NestBuilder], None],
) -> list[View]:
    """
    Emit a nest called `kind` with a number, and its call; the outputs as tensors.

    The arguments of the nest are `inputs`, then `outputs`, by these names. Sums of narrow numbers
    are rounded behind the call, as PyTorch does it, so that no bits are lost from row to row.
    """
    buffers = {name: _read(emit, view) for name, view in inputs.items()}
    buffers |= {name: _written(emit, output) for name, output in outputs.items()}
    types = {name: _type(buffer) for name, buffer in buffers.items()}
    nest = NestBuilder(emit.fresh_function(kind), types)
    build(nest)
    emit.functions.append(nest.finish())
    emit.insert(func.CallOp(nest.name, list(buffers.values()), []))
    results: list[View] = []
    for name, output in outputs.items():
        op = emit.insert(bufferization.ToTensorOp(buffers[name], restrict=True))
        results.append(_converted(emit, emit.view(op.results[0], output.shape), output.element))
    return results


def _type(buffer: SSAValue) -> "MemRefType[Attribute]":
    return cast("MemRefType[Attribute]", buffer.type)


def _read(emit: EntryBuilder, view: View) -> SSAValue:
    value = as_tensor(emit, view)
    type = tensor_type(view.shape, view.element)
    buffer = bufferization.ToBufferOp.create(
        operands=[value],
        result_types=[MemRefType(view.element, type.get_shape())],
        properties={"read_only": UnitAttr()},
    )
    emit.insert(buffer)
    # xDSL prints attributes of this operation where MLIR does not read them.
    buffer.attributes.clear()
    return buffer.results[0]


def _converted(emit: EntryBuilder, view: View, element: Attribute) -> View:
    if view.element == element:
        return view
    return emit.elementwise([view], lambda s, values: s.cast(values[0], element), element)


def _written(emit: EntryBuilder, output: Output) -> SSAValue:
    element = output.buffer_element
    type = MemRefType(element, tensor_type(output.shape, element).get_shape())
    sizes = [emit.size(extent) for extent in output.shape if isinstance(extent, str)]
    buffer = emit.insert(memref.AllocOp(sizes, [], type)).results[0]
    if isinstance(output.start, View):
        start = _converted(emit, output.start, element)
        emit.insert(memref.CopyOp(_read(emit, start), buffer))
        return buffer
    scalar = Scalars(emit.insert).constant(output.start, element)
    emit.insert(FillOp([scalar], [buffer], []))
    return buffer
