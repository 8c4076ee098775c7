"""
Where absent tokens (`N`) may occur in a stream graph.

A union makes them on the streams of operands that lack a coordinate; what is directly behind
it may pass them on. An ALU and an array turn them into 0.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.2.
"""

from xdsl.ir import SSAValue

from headrace.dialects import sam


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
            case sam.UnionOp() as union if value is not union.crd and len(union.crds) > 1:
                return True
            case sam.JoinOperation() as join if value is not join.crd:
                pending.append(join.streams[join.outputs.index(value)])
            case sam.RepeatOp() as repeat:
                pending.append(repeat.stream)
            case sam.LocateOp(outer=SSAValue() as outer):
                pending.append(outer)
            case sam.MaskOp() as mask if value is mask.out_ref:
                pending.append(mask.ref)
            case sam.ForkOp() as fork if value is not fork.order:
                pending.append(fork.stream)
            case sam.GatherOp() as gather:
                pending.extend(gather.lanes)
            case sam.ConcatOp() as concat:
                pending.extend(concat.streams)
            case sam.StopDropOp() as drop:
                pending.append(drop.stream)
            case _:
                pass
    return False
