"""
Streaming tensor programs: operations on streams of tiles.

A stream of rank N is a nested list of N + 1 sizes, the outer ones perhaps known only in the run, as
the rows that an expert receives; its elements are tiles (matrices), selectors, buffers or integers.
Operators load and store tiles, compute on them, route them and change the shape of streams; all run
at the same time, joined by the streams.

```
%y = step.graph(%x, %w) : (tensor<64x64xf32>, tensor<64x256xf32>) -> tensor<64x256xf32> {
^bb0(%x: tensor<64x64xf32>, %w: tensor<64x256xf32>):
  %0 = step.load %x tile [16, 64] strides [1, 1] shape [4, 1] : tensor<64x64xf32>
  %1 = step.load %w tile [64, 256] strides [0, 1] shape [4, 1] : tensor<64x256xf32>
  %2 = step.map %0, %1 fn matmul compute 4096 : ..
  %3 = step.store %2 into tensor<64x256xf32> : ..
  step.yield %3 : tensor<64x256xf32>
}
```

This file has the container and the list of operations, and is what other rooms import. Types are in
`step_types`, sizes in `step_dimension`, functions in `step_functions`, operations in `step_memory`,
`step_routing`, `step_compute`, `step_shape` and `step_sources`. `headrace.interpreters.step` is
their meaning.

Source: "Streaming Tensor Programs", ASPLOS 2026, arXiv 2511.07776, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyTensorTypeConstr
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, Dialect, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    lazy_traits_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import (
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    Pure,
    RecursiveMemoryEffect,
    SingleBlockImplicitTerminator,
)
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_compute import AccumulateOp, ComputeOperation, FlatMapOp, MapOp, ScanOp
from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_functions import Function, FunctionAttr
from headrace.dialects.step_graph import verify_graph
from headrace.dialects.step_memory import (
    Acknowledge,
    AcknowledgeAttr,
    BufferizeOp,
    LoadOp,
    RandomLoadOp,
    RandomStoreOp,
    StoreOp,
    StreamifyOp,
)
from headrace.dialects.step_operation import StepOperation
from headrace.dialects.step_routing import DealOp, EagerMergeOp, PartitionOp, ReassembleOp
from headrace.dialects.step_shape import (
    BroadcastOp,
    ExpandOp,
    FlattenOp,
    PromoteOp,
    RepeatOp,
    ReshapeOp,
    ZipOp,
)
from headrace.dialects.step_sources import (
    CacheReadAddressOp,
    ExpertAddressOp,
    FilterLastOp,
    IntegersOp,
    SelectOp,
    SinkOp,
)
from headrace.dialects.step_types import (
    BufferType,
    DimensionAttr,
    SelectorType,
    StreamType,
    TileType,
)

__all__ = [
    "STEP",
    "AccumulateOp",
    "Acknowledge",
    "AcknowledgeAttr",
    "BroadcastOp",
    "BufferType",
    "BufferizeOp",
    "CacheReadAddressOp",
    "ComputeOperation",
    "DealOp",
    "Dimension",
    "DimensionAttr",
    "EagerMergeOp",
    "ExpandOp",
    "ExpertAddressOp",
    "FilterLastOp",
    "FlatMapOp",
    "FlattenOp",
    "Function",
    "FunctionAttr",
    "GraphOp",
    "IntegersOp",
    "LoadOp",
    "MapOp",
    "PartitionOp",
    "PromoteOp",
    "RandomLoadOp",
    "RandomStoreOp",
    "ReassembleOp",
    "RepeatOp",
    "ReshapeOp",
    "ScanOp",
    "SelectOp",
    "SelectorType",
    "SinkOp",
    "StepOperation",
    "StoreOp",
    "StreamType",
    "StreamifyOp",
    "TileType",
    "YieldOp",
    "ZipOp",
]


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends a graph with its results.

    `step.yield %y : tensor<4x4xf32>`
    """

    name = "step.yield"

    traits = lazy_traits_def(lambda: (IsTerminator(), HasParent(GraphOp), Pure()))


@irdl_op_definition
class GraphOp(IRDLOperation):
    """
    One stream graph: tensors in, tensors out; all its operations run at the same time.

    Its body reads only its block arguments, and holds only `step` operations. A stream may be read
    above the operation that makes it: so a graph feeds back. A stream is read once.
    """

    name = "step.graph"

    inputs = var_operand_def(AnyTensorTypeConstr)
    outputs = var_result_def(AnyTensorTypeConstr)
    body = region_def("single_block")

    traits = traits_def(
        IsolatedFromAbove(), RecursiveMemoryEffect(), SingleBlockImplicitTerminator(YieldOp)
    )
    assembly_format = (
        "`(` $inputs `)` attr-dict-with-keyword `:` functional-type($inputs, $outputs) $body"
    )

    def __init__(self, inputs: Sequence[SSAValue], result_types: Sequence[Attribute], body: Region):
        super().__init__(operands=[inputs], result_types=[result_types], regions=[body])

    def verify_(self) -> None:
        block = self.body.block
        for inner, outer, what in (
            (block.arg_types, self.inputs.types, "block arguments for its inputs"),
            (_yielded(block), self.outputs.types, "yielded values for its results"),
        ):
            if tuple(inner) != tuple(outer):
                raise VerifyException(
                    f"'{self.name}' needs {what} of types ({', '.join(map(str, outer))}), "
                    f"but has ({', '.join(map(str, inner))})"
                )
        for op in block.ops:
            if not isinstance(op, StepOperation | YieldOp):
                raise VerifyException(
                    f"'{self.name}' holds step operations only, but has '{op.name}'"
                )
        for value in block.last_op.operands if block.last_op is not None else ():
            if not isinstance(value.owner, StoreOp | RandomStoreOp):
                raise VerifyException(
                    f"'{self.name}' yields {value.type} that no 'step.store' or "
                    "'step.random_store' made; what passes through needs no graph"
                )
        verify_graph(block)


def _yielded(block: Block) -> Sequence[Attribute]:
    last = block.last_op
    return last.operand_types if isinstance(last, YieldOp) else ()


STEP = Dialect(
    "step",
    [
        GraphOp,
        YieldOp,
        LoadOp,
        StoreOp,
        RandomLoadOp,
        RandomStoreOp,
        BufferizeOp,
        StreamifyOp,
        PartitionOp,
        ReassembleOp,
        EagerMergeOp,
        DealOp,
        MapOp,
        AccumulateOp,
        ScanOp,
        FlatMapOp,
        FlattenOp,
        ReshapeOp,
        PromoteOp,
        ExpandOp,
        RepeatOp,
        ZipOp,
        BroadcastOp,
        SelectOp,
        IntegersOp,
        ExpertAddressOp,
        CacheReadAddressOp,
        FilterLastOp,
        SinkOp,
    ],
    [
        StreamType,
        TileType,
        SelectorType,
        BufferType,
        DimensionAttr,
        FunctionAttr,
        AcknowledgeAttr,
    ],
)
