"""
An entry function for a loop nest that stands alone, so that it runs as one of a model does.

    func.func @main(%table: tensor<?x?xf32>, .., %out: tensor<?x?xf32>) -> tensor<?x?xf32> {
      %0 = bufferization.to_buffer %table read_only : tensor<?x?xf32> to memref<?x?xf32>
      ..
      %3 = bufferization.to_buffer %out read_only : tensor<?x?xf32> to memref<?x?xf32>
      %4 = memref.alloc(%rows, %width) : memref<?x?xf32>
      memref.copy %3, %4 : memref<?x?xf32> to memref<?x?xf32>
      func.call @embedding_bag_0(%0, .., %4) : (memref<?x?xf32>, ..) -> ()
      %5 = bufferization.to_tensor %4 restrict : memref<?x?xf32> to tensor<?x?xf32>
      func.return %5 : tensor<?x?xf32>
    }
"""

from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, bufferization, func, memref, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    TensorType,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects.functions import main_function
from headrace.dialects.memory_writes import writes_of


def add_entry(module: ModuleOp) -> None:
    """
    Put an entry in front of the only function if it is a nest: all arguments are memrefs.

    What the nest writes are the results, in the order of its arguments; what they hold before are
    arguments as well. Raises `InputError` for a module without a function to run.
    """
    nest = main_function(module)
    arguments = nest.body.block.args
    if not arguments or not all(isinstance(value.type, MemRefType) for value in arguments):
        return
    writes = writes_of(nest)
    types = [_tensor(value.type) for value in arguments]
    block = Block(arg_types=types)
    builder = Builder(InsertPoint.at_end(block))
    buffers: list[SSAValue] = []
    results: list[SSAValue] = []
    for value, argument in zip(block.args, arguments, strict=True):
        value.name_hint = argument.name_hint
        buffers.append(_read(builder, value, argument.type))
        if writes.why(argument) is not None:
            buffers[-1] = _copy(builder, value, buffers[-1])
            results.append(buffers[-1])
    builder.insert(func.CallOp(nest.sym_name.data, buffers, []))
    written = [
        builder.insert(bufferization.ToTensorOp(buffer, restrict=True)).results[0]
        for buffer in results
    ]
    builder.insert(func.ReturnOp(*written))
    entry = func.FuncOp("main", (types, [value.type for value in written]), Region(block))
    first = module.body.block.first_op
    assert first is not None
    module.body.block.insert_op_before(entry, first)


def _read(builder: Builder, value: SSAValue, type: Attribute) -> SSAValue:
    op = bufferization.ToBufferOp.create(
        operands=[value], result_types=[type], properties={"read_only": UnitAttr()}
    )
    builder.insert(op)
    return op.results[0]


def _copy(builder: Builder, value: SSAValue, buffer: SSAValue) -> SSAValue:
    """A buffer of its own: two tensors may share one, which a nest must not write."""
    type = cast("MemRefType[Attribute]", buffer.type)
    sizes: list[SSAValue] = []
    for dimension, size in enumerate(type.get_shape()):
        if size == DYNAMIC_INDEX:
            place = builder.insert(arith.ConstantOp(IntegerAttr.from_index_int_value(dimension)))
            sizes.append(builder.insert(tensor.DimOp(value, place.result)).results[0])
    own = builder.insert(memref.AllocOp(sizes, [], type)).results[0]
    builder.insert(memref.CopyOp(buffer, own))
    return own


def _tensor(type: Attribute) -> TensorType[Attribute]:
    memory = cast("MemRefType[Attribute]", type)
    return TensorType(memory.element_type, memory.get_shape())
