"""
Which memory a function writes, through whatever name.

An access unit runs ahead of the core, so it may only read what nobody writes. Memory is followed
through views and casts to where it came from; two arguments of a function are one memory if a
caller in the module passes the same to both. What cannot be followed may be any memory, and a
function that is called writes what it is passed, and any memory if it is not known or has globals.

Arguments that come from outside of the module are different memories, as of an embedding operation
and its result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
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
        if isinstance(op, func.CallOp) and not _writes_only_arguments(op):
            reasons.setdefault(ANY, f"may be written by 'func.call' of @{_callee(op)}")
        if _is_unknown(op):
            reasons.setdefault(ANY, f"may be written by '{op.name}'")
    for pair in _shared(function):
        for one, other in (pair.memories, pair.memories[::-1]):
            if other in reasons:
                written = other if isinstance(other, str) else name_of(other)
                reasons.setdefault(
                    one,
                    f"may be the same memory as {written}, which {reasons[other]}: "
                    f"@{pair.caller} passes one for both",
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
    return frozenset[Root]().union(*map(roots, sources))


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


_NAMING_WHAT_THEY_WRITE = {
    *("arith", "bufferization", "cf", "dlc", "func", "math", "memref", "scf", "slc", "tensor"),
    "vector",
}
"""Dialects whose operations write only memrefs among their operands."""


def _is_unknown(op: Operation) -> bool:
    """Whether an operation may write memory that it does not name."""
    effects = get_effects(op)
    if effects is not None and all(effect.kind != MemoryEffectKind.WRITE for effect in effects):
        return False
    return op.dialect_name() not in _NAMING_WHAT_THEY_WRITE


def _clause(op: Operation, written: SSAValue, root: Root) -> str:
    how = "may be written" if isinstance(op, func.CallOp) else "is written"
    callee = f" of @{_callee(op)}" if isinstance(op, func.CallOp) else ""
    view = "" if written is root or isinstance(root, str) else f" through {_view(written)}"
    return f"{how} by '{op.name}'{callee}{view}"


def _view(value: SSAValue) -> str:
    owner = value.owner
    return f"'{owner.name}'" if isinstance(owner, Operation) else name_of(value)


def _globals(function: func.FuncOp) -> list[str]:
    return [
        f"@{op.name_.string_value()}"
        for op in function.walk()
        if isinstance(op, memref.GetGlobalOp)
    ]


def _callee(call: func.CallOp) -> str:
    return call.callee.string_value()


def _functions(op: Operation) -> Iterator[func.FuncOp]:
    """The functions of the module around `op`."""
    while not isinstance(op, ModuleOp):
        parent = op.parent_op()
        if parent is None:
            return
        op = parent
    yield from (function for function in op.walk() if isinstance(function, func.FuncOp))


def _writes_only_arguments(call: func.CallOp) -> bool:
    """Whether the function that is called is known, and knows no memory that it is not passed."""
    for function in _functions(call):
        if function.sym_name.data == _callee(call):
            calls = any(isinstance(op, func.CallOp) for op in function.walk())
            return bool(function.body.blocks) and not calls and not _globals(function)
    return False


@dataclass(frozen=True)
class _Shared:
    """Two names in a function, arguments or globals, that may be one memory, and who says so."""

    memories: tuple[Root, Root]
    caller: str


def _shared(function: func.FuncOp, seen: frozenset[str] = frozenset()) -> Iterator[_Shared]:
    """What callers in the module make one memory in `function`; `seen` are functions it calls."""
    name = function.sym_name.data
    if name in seen or not function.body.blocks:
        return
    arguments = function.body.block.args
    names = {symbol: frozenset[Root]({symbol}) for symbol in _globals(function)}
    for caller in _functions(function):
        calls = [op for op in caller.walk() if isinstance(op, func.CallOp) and _callee(op) == name]
        if not calls:
            continue
        pairs = [shared.memories for shared in _shared(caller, seen | {name})]
        for call in calls:
            given: dict[Root, frozenset[Root]] = {**names}
            for argument, operand in zip(arguments, call.operands, strict=True):
                if isinstance(operand.type, MemRefType):
                    given[argument] = roots(operand)
            for one, other in combinations(given, 2):
                if _may_share(given[one], given[other], pairs):
                    yield _Shared((one, other), caller.sym_name.data)


def _may_share(
    first: frozenset[Root], second: frozenset[Root], pairs: Sequence[tuple[Root, Root]]
) -> bool:
    if first & second or ANY in first | second:
        return True
    return any(
        (one in first and other in second) or (one in second and other in first)
        for one, other in pairs
    )
