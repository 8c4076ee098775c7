"""
Sparse dataflow graphs: operations on streams of tokens.

Tensors are trees of levels; a scan turns a level into a stream of coordinates and a stream of
references to the next level; joiners, repeats, arithmetic and accumulators combine streams;
writers make levels and values of them again. The axis stack of a stream type (see `StreamType`)
says how deep and by which axes a stream is nested.

```
%Y = sam.graph(%x) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%t: tensor<4xf64, #S>):
  %root = sam.root
  %crd, %ref = sam.scan %root, %t level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %v = sam.array %ref, %t : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.alu %v op max scalar 0.0 : f64 : !sam.stream<val, f64, [i]>
  ..
}
```

Tokens are values, stops `Sn~m` that end n + 1 fibers of which m hold no fiber, `N` (absent: the
operand of a union has nothing here) and `D` (done); `headrace.interpreters.sam` is the meaning
of the operations. This file has the containers and the list of operations; the operations are
in `sam_access` (from tensors to streams), `sam_compute` (joins and arithmetic), `sam_structure`
(droppers, masks, bit vectors, lanes) and `sam_write` (from streams to tensors).

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 3 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    ArrayAttr,
    DenseArrayBase,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.dialects.tensor import DimOp
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, Dialect, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
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

from headrace.dialects.sam_access import (
    ArrayOp,
    CoordinatesOp,
    ExtentOp,
    LocateOp,
    NumberOp,
    RangeOp,
    RepeatOp,
    RepeatSignalOp,
    RootOp,
    ScanBitvectorOp,
    ScanOp,
    SelectFibersOp,
    SelectValuesOp,
    known_extent,
)
from headrace.dialects.sam_alignment import Alignment
from headrace.dialects.sam_alu import COLUMN_FOLDS, ROW_FOLDS, AluKind
from headrace.dialects.sam_compute import (
    AccumulateOp,
    AluKindAttr,
    AluOp,
    IntersectOp,
    JoinOperation,
    ReduceOp,
    ReductionKind,
    ReductionKindAttr,
    UnionOp,
)
from headrace.dialects.sam_lanes import (
    Balance,
    BalanceAttr,
    BalanceOp,
    DealOp,
    ForkOp,
    GatherOp,
    LanesAttr,
)
from headrace.dialects.sam_structure import (
    BitvectorBuildOp,
    BitvectorChunkOp,
    BitvectorDropOp,
    BitvectorIntersectOp,
    ConcatOp,
    CoordinateDropOp,
    CoordinateHoldOp,
    Empty,
    EmptyAttr,
    FlattenOp,
    MaskOp,
    PointsToFibersOp,
    Predicate,
    PredicateAttr,
    SplitOp,
    StopDropOp,
    Stops,
    StopsAttr,
    ValueDropOp,
)
from headrace.dialects.sam_types import (
    Kind,
    KindAttr,
    LevelType,
    StreamType,
    ValuesType,
    tile_shape,
)
from headrace.dialects.sam_write import AssembleOp, StoreOp, WriteCoordinatesOp, WriteValuesOp
from headrace.dialects.stream_operation import StreamOperation

__all__ = [
    "COLUMN_FOLDS",
    "ROW_FOLDS",
    "SAM",
    "AccumulateOp",
    "AluKind",
    "AluKindAttr",
    "AluOp",
    "ArrayOp",
    "AssembleOp",
    "Balance",
    "BalanceAttr",
    "BalanceOp",
    "BitvectorBuildOp",
    "BitvectorChunkOp",
    "BitvectorDropOp",
    "BitvectorIntersectOp",
    "ConcatOp",
    "CoordinateDropOp",
    "CoordinateHoldOp",
    "CoordinatesOp",
    "DealOp",
    "Empty",
    "EmptyAttr",
    "ExtentOp",
    "FlattenOp",
    "ForkOp",
    "GatherOp",
    "GraphOp",
    "IntersectOp",
    "JoinOperation",
    "Kind",
    "KindAttr",
    "LanesAttr",
    "LevelType",
    "LocateOp",
    "MaskOp",
    "NumberOp",
    "PointsToFibersOp",
    "Predicate",
    "PredicateAttr",
    "RangeOp",
    "ReduceOp",
    "ReductionKind",
    "ReductionKindAttr",
    "RegionOp",
    "RepeatOp",
    "RepeatSignalOp",
    "RootOp",
    "ScanBitvectorOp",
    "ScanOp",
    "SelectFibersOp",
    "SelectValuesOp",
    "SplitOp",
    "StopDropOp",
    "Stops",
    "StopsAttr",
    "StoreOp",
    "StreamOperation",
    "StreamType",
    "UnionOp",
    "ValueDropOp",
    "ValuesType",
    "WriteCoordinatesOp",
    "WriteValuesOp",
    "YieldOp",
    "tile_shape",
]


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends a graph or region with its results.

    `sam.yield %Y : tensor<4x4xf64>`
    """

    name = "sam.yield"

    traits = lazy_traits_def(lambda: (IsTerminator(), HasParent(GraphOp, RegionOp), Pure()))


def _verify_container(op: GraphOp | RegionOp) -> None:
    """The block takes what the operation is given, and yields what the operation results in."""
    block = op.body.block
    for inner, outer, what in (
        (block.arg_types, op.inputs.types, "block arguments for its inputs"),
        (_yielded(block), op.outputs.types, "yielded values for its results"),
    ):
        if tuple(inner) != tuple(outer):
            raise VerifyException(
                f"'{op.name}' needs {what} of types ({', '.join(map(str, outer))}), "
                f"but has ({', '.join(map(str, inner))})"
            )


def _yielded(block: Block) -> Sequence[Attribute]:
    last = block.last_op
    return last.operand_types if isinstance(last, YieldOp) else ()


@irdl_op_definition
class GraphOp(IRDLOperation):
    """
    One stream graph: tensors in, tensors out; all its operations run at the same time.

    Its body reads only its block arguments, and holds only `sam` operations, constants, and
    `tensor.dim` for the sizes of its results.
    """

    name = "sam.graph"

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
        _verify_container(self)
        arguments = set(self.body.block.args)
        for op in self.body.block.ops:
            if not isinstance(op, _IN_GRAPHS):
                raise VerifyException(
                    f"'{self.name}' holds stream operations, constants and sizes, but not "
                    f"'{op.name}'"
                )
            if isinstance(op, ConstantOp) and (known_extent(op.result) or 0) < 0:
                raise VerifyException(
                    f"'{self.name}' has a constant {known_extent(op.result)}; extents are not "
                    "negative"
                )
            for operand in op.operands:
                inside = isinstance(op, StreamOperation | ExtentOp | DimOp)
                if inside and isinstance(operand.type, TensorType) and operand not in arguments:
                    raise VerifyException(
                        f"'{op.name}' reads a tensor that is made in the same graph; "
                        "only block arguments of 'sam.graph' can be read"
                    )
        self._verify_yield()
        Alignment(self.body.block)

    def _verify_yield(self) -> None:
        last = self.body.block.last_op
        for value in last.operands if last is not None else ():
            if not isinstance(value.owner, AssembleOp):
                raise VerifyException(
                    f"'{self.name}' yields {value.type} that no 'sam.assemble' made; what passes "
                    "through needs no graph"
                )


_IN_GRAPHS = (StreamOperation, ExtentOp, AssembleOp, YieldOp, ConstantOp, DimOp)


@irdl_op_definition
class RegionOp(IRDLOperation):
    """
    Tensor operations that become one stream graph.

    Its body reads only its block arguments, which become the operands of the graph. `priority`
    ranks the axes in the order in which their loops are nested; `copies` says whether operands
    may be stored once more in another order (any) or not (none). `blocks` has the block size of
    each axis, 1 where the operands decide: the graph computes on tiles of these sizes. `lanes` has
    the axes that are computed in parallel, each once.
    """

    name = "sam.region"

    inputs = var_operand_def(AnyTensorTypeConstr)
    priority = opt_prop_def(DenseArrayBase.constr(i64))
    copies = opt_prop_def(StringAttr)
    lanes = opt_prop_def(ArrayAttr[LanesAttr])
    blocks = opt_prop_def(DenseArrayBase.constr(i64))
    outputs = var_result_def(AnyTensorTypeConstr)
    body = region_def("single_block")

    traits = traits_def(
        IsolatedFromAbove(), RecursiveMemoryEffect(), SingleBlockImplicitTerminator(YieldOp)
    )
    assembly_format = (
        "`(` $inputs `)` (`priority` $priority^)? (`copies` $copies^)? (`blocks` $blocks^)? "
        "(`lanes` $lanes^)? attr-dict-with-keyword `:` functional-type($inputs, $outputs) $body"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        body: Region,
        priority: Sequence[int] | None = None,
        copies: str | None = None,
    ):
        super().__init__(
            operands=[inputs],
            result_types=[result_types],
            regions=[body],
            properties={
                "priority": None if priority is None else DenseArrayBase.from_list(i64, priority),
                "copies": None if copies is None else StringAttr(copies),
            },
        )

    def verify_(self) -> None:
        _verify_container(self)
        if self.priority is not None:
            ranks = self.priority.get_values()
            if sorted(ranks) != list(range(len(ranks))):
                raise VerifyException(
                    f"'{self.name}' has priority {list(ranks)}, which is not a permutation"
                )
        if self.copies is not None and self.copies.data not in ("none", "any"):
            raise VerifyException(
                f"'{self.name}' has copies '{self.copies.data}'; use 'none' or 'any'"
            )
        axes = [lanes.axis.data for lanes in self.lanes or ()]
        if len(set(axes)) != len(axes):
            raise VerifyException(
                f"'{self.name}' has lanes on axes {axes}; each axis has them once"
            )
        if self.blocks is not None and min(self.blocks.get_values(), default=1) < 1:
            raise VerifyException(f"'{self.name}' has blocks of less than one element")


SAM = Dialect(
    "sam",
    [
        RegionOp,
        GraphOp,
        YieldOp,
        RootOp,
        ScanOp,
        ScanBitvectorOp,
        RangeOp,
        LocateOp,
        RepeatSignalOp,
        RepeatOp,
        ArrayOp,
        CoordinatesOp,
        NumberOp,
        SelectFibersOp,
        SelectValuesOp,
        ExtentOp,
        IntersectOp,
        UnionOp,
        AluOp,
        ReduceOp,
        AccumulateOp,
        CoordinateDropOp,
        CoordinateHoldOp,
        ValueDropOp,
        StopDropOp,
        MaskOp,
        PointsToFibersOp,
        SplitOp,
        FlattenOp,
        BitvectorBuildOp,
        BitvectorChunkOp,
        BitvectorIntersectOp,
        BitvectorDropOp,
        ForkOp,
        BalanceOp,
        DealOp,
        GatherOp,
        ConcatOp,
        WriteCoordinatesOp,
        WriteValuesOp,
        StoreOp,
        AssembleOp,
    ],
    [
        StreamType,
        LevelType,
        ValuesType,
        KindAttr,
        AluKindAttr,
        ReductionKindAttr,
        EmptyAttr,
        StopsAttr,
        PredicateAttr,
        BalanceAttr,
        LanesAttr,
    ],
)
