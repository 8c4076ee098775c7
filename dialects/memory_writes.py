"""
Which memory a function writes, through whatever name.

An access unit runs ahead of the core, so it may only read what nobody writes. Memory is followed
through views and casts to where it came from; two arguments of a function are one memory if a
caller in the module passes the same to both. What cannot be followed may be any memory.

Arguments that come from outside of the module are different memories, as of an embedding operation
and its result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xdsl.dialects import bufferization, func, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.traits import (
    IsTerminator,
    MemoryEffectKind,
    get_effects,
    is_side_effect_free,
)

Root = SSAValue | str
"""Where memory came from: the value that made it, the name of a global, or `ANY` or `TENSOR`."""

ANY: Final = "any memory"
TENSOR: Final = "the memory of a tensor"
"""What `bufferization.to_buffer` gives: two tensors may share one buffer."""


@dataclass(frozen=True)
class Writes:
    """Why memories may be written during a function."""

    reasons: Mapping[Root, str]

    def why(self, value: SSAValue) -> str | None:
        """How a memref may be written: a clause, or None if it never is."""
        found = roots(value)
        for root in found:
            if root in self.reasons:
                return f"{name_of(value)} {self.reasons[root]}"
        if self.reasons and ANY in found:
            return f"{name_of(value)} may be any memory"
        if ANY in self.reasons:
            return f"{name_of(value)} {self.reasons[ANY]}"
        return None


def writes_of(function: func.FuncOp) -> Writes:
    """What is written in `function` while it runs."""
    reasons: dict[Root, str] = {}
    for op in function.walk():
        for written in _written(op):
            for root in roots(written):
                reasons.setdefault(root, _clause(op, written, root))
        if isinstance(op, func.CallOp):
            reasons |= {
                symbol: f"may be written by 'func.call' of @{op.callee.string_value()}"
                for symbol in _globals(function)
            }
    arguments = function.body.block.args
    for first, second, caller in _passed_twice(function):
        for one, other in ((first, second), (second, first)):
            if arguments[other] in reasons:
                reasons.setdefault(
                    arguments[one],
                    f"may be the same memory as {name_of(arguments[other])}, which "
                    f"{reasons[arguments[other]]}: @{caller} passes one for both",
                )
    return Writes(reasons)


def roots(value: SSAValue) -> frozenset[Root]:
    """Where the memory of a memref may have come from."""
    if isinstance(value, BlockArgument):
        function = value.block.parent_op()
        return frozenset({value if isinstance(function, func.FuncOp) else ANY})
    op = value.owner
    assert isinstance(op, Operation)
    if isinstance(op, memref.AllocOp | memref.AllocaOp):
        return frozenset({value})
    if isinstance(op, memref.GetGlobalOp):
        return frozenset({f"@{op.name_.string_value()}"})
    if isinstance(op, bufferization.ToBufferOp):
        return frozenset({TENSOR})
    sources = [operand for operand in op.operands if isinstance(operand.type, MemRefType)]
    if op.regions or not sources or not is_side_effect_free(op):
        return frozenset({ANY})
    return frozenset().union(*map(roots, sources))


def name_of(value: SSAValue) -> str:
    """How a message calls a value."""
    if value.name_hint is not None:
        return f"%{value.name_hint}"
    if isinstance(value, BlockArgument):
        return f"argument {value.index}"
    return f"the result of '{value.owner.name}'" if isinstance(value.owner, Operation) else "it"


def _written(op: Operation) -> Iterator[SSAValue]:
    """The memrefs among the operands of an operation to which it may write."""
    if isinstance(op, memref.CopyOp):
        yield op.destination
        return
    # What regions do is asked of their operations; memrefs that they carry may be any memory.
    if isinstance(op, scf.ForOp | scf.IfOp | scf.WhileOp) or op.has_trait(IsTerminator):
        return
    effects = get_effects(op)
    if effects is not None and all(effect.kind == MemoryEffectKind.READ for effect in effects):
        return
    if op.name in _READERS:
        return
    yield from (operand for operand in op.operands if isinstance(operand.type, MemRefType))


_READERS = {"vector.load", "vector.maskedload"}
"""Operations that only read, and do not say so."""


def _clause(op: Operation, written: SSAValue, root: Root) -> str:
    how = "may be written" if isinstance(op, func.CallOp) else "is written"
    callee = f" of @{op.callee.string_value()}" if isinstance(op, func.CallOp) else ""
    view = "" if written is root or isinstance(root, str) else f" through {_view(written)}"
    return f"{how} by '{op.name}'{callee}{view}"


def _view(value: SSAValue) -> str:
    owner = value.owner
    return f"'{owner.name}'" if isinstance(owner, Operation) else name_of(value)


def _globals(function: func.FuncOp) -> set[str]:
    return {
        f"@{op.name_.string_value()}"
        for op in function.walk()
        if isinstance(op, memref.GetGlobalOp)
    }


def _passed_twice(function: func.FuncOp) -> Iterator[tuple[int, int, str]]:
    """Pairs of arguments that are one memory in a call of the module, and who calls."""
    module = function.parent_op()
    if not isinstance(module, ModuleOp):
        return
    for call in module.walk():
        if not isinstance(call, func.CallOp):
            continue
        if call.callee.string_value() != function.sym_name.data:
            continue
        memories = [
            (place, roots(operand))
            for place, operand in enumerate(call.operands)
            if isinstance(operand.type, MemRefType)
        ]
        for at, (first, one) in enumerate(memories):
            for second, other in memories[at + 1 :]:
                if one & other or ANY in one | other:
                    yield first, second, _function_around(call)


def _function_around(op: Operation) -> str:
    parent = op.parent_op()
    while parent is not None and not isinstance(parent, func.FuncOp):
        parent = parent.parent_op()
    return "a caller" if parent is None else parent.sym_name.data
