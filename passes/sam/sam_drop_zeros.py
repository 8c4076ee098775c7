"""
`sam-drop-zeros`: zeros that a function makes are dropped from its stream before it is read.

About half of what leaves a relu is zero. These zeros travel on like any other value; without them
a product that follows has half the work.

Source: "FuseFlow", ASPLOS 2026, leaves zeros in; "The Sparse Abstract Machine", ASPLOS 2023,
section 3.6 (coordinate droppers).
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import AnyTensorType, ModuleOp, UnitAttr, i1
from xdsl.dialects.func import FuncOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sparse_tensor
from headrace.dialects.sparse_tensor import format_of
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import DROP_ZEROS
from headrace.passes.sam.sam_fuse import erase_unused, is_fusible
from headrace.passes.sam.scalar_body import constant_of
from headrace.storage.levels import Format, Level

_LIMITS = (
    arith.MaximumfOp,
    arith.MinimumfOp,
    arith.MaxnumfOp,
    arith.MinnumfOp,
    arith.MaxSIOp,
    arith.MinSIOp,
)


@dataclass(frozen=True)
class SamDropZerosPass(ModulePass):
    """
    Marks operations whose zeros are dropped, before `sam-fuse`.

    `which` lists operations by their numbers, counted as in `cuts` of `sam-fuse`; by default all
    that make zeros where their operands have none: relu and other limits at 0, selections of 0,
    products with a mask of `i1`. `sam-lower` drops the zeros along the innermost axis of the
    value, for the operations that read it in the same region.

    With `stored`, what is stored between regions lacks the zeros too: the last level of the
    results becomes compressed, unless the result leaves the function or something else than a
    fusible operation reads it; then an operation in `which` is refused.
    """

    name = "sam-drop-zeros"

    which: tuple[int, ...] = ()
    stored: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        fusible: list[Operation] = []
        for function in op.walk():
            if isinstance(function, FuncOp) and len(function.body.blocks) == 1:
                erase_unused(function.body.block)
                fusible += [each for each in function.body.block.ops if is_fusible(each)]
        for number in self.which:
            if not 0 <= number < len(fusible):
                raise PassFailedException(
                    f"sam-drop-zeros: which={number} names no operation; there are "
                    f"{len(fusible)}, numbered from 0, before sam-fuse"
                )
        chosen = [fusible[number] for number in self.which]
        for marked in chosen or [each for each in fusible if makes_zeros(each)]:
            marked.attributes[DROP_ZEROS] = UnitAttr()
            if self.stored:
                reader = _other_reader(marked)
                if reader is None:
                    _compress(marked)
                elif chosen:
                    raise fail(
                        marked,
                        f"its zeros cannot be left out where it is stored, because '{reader.name}' "
                        "reads it as it is; use stored=false",
                    )


def makes_zeros(op: Operation) -> bool:
    """Whether `op` is an element-wise function that is zero where its operands are not."""
    if not isinstance(op, LinalgStructuredOperation) or len(op.results) != 1:
        return False
    last = op.body.block.last_op
    value = None if last is None else last.operands[0].owner
    match value:
        case arith.SelectOp():
            return _is_zero(value.lhs) or _is_zero(value.rhs)
        case arith.MulfOp() | arith.MuliOp():
            return any(_is_mask(operand) for operand in value.operands)
        case Operation() if isinstance(value, _LIMITS):
            return any(_is_zero(operand) for operand in value.operands)
        case _:
            return False


def _is_zero(value: SSAValue) -> bool:
    return isinstance(value.owner, arith.ConstantOp) and constant_of(value.owner.value) == 0


def _is_mask(value: SSAValue) -> bool:
    cast = value.owner
    return isinstance(cast, arith.UIToFPOp | arith.ExtUIOp) and cast.input.type == i1


def _other_reader(op: Operation) -> Operation | None:
    """What reads `op` and depends on how it is stored."""
    readers = [use.operation for result in op.results for use in result.uses]
    return next((reader for reader in readers if not is_fusible(reader)), None)


def _compress(op: Operation) -> None:
    """Give the results of `op` a compressed last level."""
    starts = op.outputs if isinstance(op, LinalgStructuredOperation) else op.operands[-1:]
    for start, result in zip(list(starts), list(op.results), strict=True):
        format = format_of(result.type)
        if not format.rank or format.levels[-1] is Level.COMPRESSED:
            continue
        levels = (*format.levels[:-1], Level.COMPRESSED)
        type = sparse_tensor.with_format(result.type, Format(levels, format.order))
        made = _start(start, type)
        Rewriter.insert_op(made, InsertPoint.before(op))
        op.operands[op.operands.index(start)] = made[-1].results[0]
        Rewriter.replace_value_with_new_type(result, type)


def _start(start: SSAValue, type: AnyTensorType) -> list[Operation]:
    """The initial value `start` of an operation in another format."""
    match start.owner:
        case tensor.EmptyOp() as empty:
            return [tensor.EmptyOp(empty.dynamic_sizes, type)]
        case FillOp() as fill:
            made = _start(fill.outputs[0], type)
            return [*made, FillOp(fill.inputs, [made[-1].results[0]], [type])]
        case _:
            return [sparse_tensor.ConvertOp(start, type)]
