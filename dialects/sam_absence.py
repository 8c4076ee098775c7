"""
Where absent tokens (`N`) may occur in a stream graph.

A union makes them on the streams of operands that lack a coordinate; what is directly behind
it may pass them on. An ALU and an array turn them into 0.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.2.
"""

from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.sam_access import LocateOp, RangeOp, RepeatOp, ScanOp
from headrace.dialects.sam_compute import AccumulateOp, JoinOperation, ReduceOp, UnionOp
from headrace.dialects.sam_lanes import DealOp, ForkOp, GatherOp
from headrace.dialects.sam_structure import ConcatOp, MaskOp, StopDropOp
from headrace.dialects.sam_write import StoreOp, WriteValuesOp


def may_be_absent(value: SSAValue) -> bool:
    """Whether the stream may hold absent tokens."""
    seen: set[SSAValue] = set()
    pending = [value]
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        match value.owner:
            case UnionOp() as union if value is not union.crd:
                operand = union.outputs.index(value)
                opened = _opened_below(union.crds[operand])
                if opened is None and len(union.crds) > 1:
                    return True
                pending.extend(filter(None, (opened, union.streams[operand])))
            case JoinOperation() as join if value is not join.crd:
                pending.append(join.streams[join.outputs.index(value)])
            case RepeatOp() as repeat:
                pending.append(repeat.stream)
            case LocateOp(outer=SSAValue() as outer):
                pending.append(outer)
            case MaskOp() as mask if value is mask.out_ref:
                pending.append(mask.ref)
            case ForkOp() as fork if value is not fork.order:
                pending.append(fork.stream)
            case DealOp() as deal:
                pending.append(deal.stream)
            case GatherOp() as gather:
                pending.extend(gather.lanes)
            case ConcatOp() as concat:
                pending.extend(concat.streams)
            case StopDropOp() as drop:
                pending.append(drop.stream)
            case _:
                pass
    return False


def is_full(crd: SSAValue) -> bool:
    """Whether the coordinates are those of a whole dimension, in every fiber."""
    opened = _opened_below(crd)
    return opened is not None and not may_be_absent(opened)


def _opened_below(crd: SSAValue) -> SSAValue | None:
    """The stream of which every token that is not absent opens a whole dimension, if one does."""
    match crd.owner:
        case RangeOp(outer=outer):
            return outer
        case ScanOp(outer=outer) as scan if scan.is_dense:
            return outer
        case _:
            return None


def expect_no_absent(op: Operation) -> None:
    """Reductions and writers cannot take absent tokens."""
    match op:
        case ReduceOp(val=val) | AccumulateOp(val=val) | WriteValuesOp(val=val):
            operands = (val,)
        case StoreOp(ref=ref, val=val):
            operands = (ref, val)
        case _:
            return
    if any(may_be_absent(operand) for operand in operands):
        raise VerifyException(
            f"'{op.name}' may get absent tokens of a union; compute with them first, "
            "for example by 'sam.alu' with op add and scalar 0.0"
        )
