"""
`ember-batch-tables`: nests with the same outer loop, such as bags of several tables, become one.

    call @bag_0(.., %out0)          call @bag_0_bag_1(.., %out0, .., %out1)
    call @bag_1(.., %out1)    ->      for b { for p { .. out0 .. }; for p { .. out1 .. } }

The access unit then has one program in place of one for each table, and never waits between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import FunctionType, MemRefType, ModuleOp, SymbolRefAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import MemoryEffectKind, get_effects, is_side_effect_free

from headrace.dialects.access_rules import constant
from headrace.dialects.memory_writes import name_of, writes_of
from headrace.passes.ember.refusal import NotPossible, refuse


@dataclass(frozen=True)
class EmberBatchTablesPass(ModulePass):
    """
    Merges each call of a nest into an earlier one of the same function, before `ember-decouple`.

    Both nests are one loop of the same constant bounds; the later one reads nothing that depends
    on the earlier one, and what either writes is memory of its own. A call that is not merged has
    the reason as attribute `headrace.refused`.
    """

    name = "ember-batch-tables"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = {one.sym_name.data: one for one in op.ops if isinstance(one, func.FuncOp)}
        for caller in list(functions.values()):
            first: func.CallOp | None = None
            for call in [one for one in caller.body.ops if isinstance(one, func.CallOp)]:
                if call.callee.string_value() not in functions:
                    continue
                try:
                    first = call if first is None else _merge(first, call, functions)
                except NotPossible as reason:
                    refuse(self.name, call, str(reason))


def _merge(
    first: func.CallOp, second: func.CallOp, functions: dict[str, func.FuncOp]
) -> func.CallOp:
    """One call in place of two. Raises `NotPossible` before anything is changed."""
    nests = [functions[call.callee.string_value()] for call in (first, second)]
    loops = [_only_loop(nest) for nest in nests]
    if len({_bounds(loop) for loop in loops}) > 1:
        raise NotPossible("its loop has other bounds than that of the call before")
    for call, nest in ((first, nests[0]), (second, nests[1])):
        _expect_own_results(call, nest, second if call is first else first)
    between = _independent(first, second, functions)
    for op in between:
        op.detach()
        Rewriter.insert_op(op, InsertPoint.before(first))
    operands = list(dict.fromkeys([*first.operands, *second.operands]))
    name = "_".join(nest.sym_name.data for nest in nests)
    while name in functions:
        name += "_"
    merged = _function(name, nests, [first, second], operands)
    Rewriter.insert_op(merged, InsertPoint.before(nests[0]))
    call = func.CallOp(SymbolRefAttr(name), operands, [])
    call.attributes |= first.attributes
    Rewriter.insert_op(call, InsertPoint.before(first))
    functions[name] = merged
    for one in (first, second):
        Rewriter.erase_op(one)
    module = merged.parent_op()
    assert module is not None
    called = {one.callee.string_value() for one in module.walk() if isinstance(one, func.CallOp)}
    for nest in dict.fromkeys(nests):
        if nest.sym_name.data not in called:
            Rewriter.erase_op(nest)
    return call


def _only_loop(nest: func.FuncOp) -> scf.ForOp:
    """The loop of a nest. Raises `NotPossible` for another form."""
    loops = [op for op in nest.body.ops if isinstance(op, scf.ForOp)]
    others = [op for op in nest.body.ops if op not in loops]
    if len(loops) != 1 or loops[0].iter_args or None in _bounds(loops[0]):
        raise NotPossible(
            f"@{nest.sym_name.data} is not one loop of constant bounds that carries nothing"
        )
    if not all(
        isinstance(op, func.ReturnOp | memref.AllocOp | memref.AllocaOp | memref.DimOp)
        or is_side_effect_free(op)
        for op in others
    ):
        raise NotPossible(f"@{nest.sym_name.data} does more than its loop")
    return loops[0]


def _bounds(loop: scf.ForOp) -> tuple[int | None, ...]:
    return tuple(map(constant, (loop.lb, loop.ub, loop.step)))


def _expect_own_results(call: func.CallOp, nest: func.FuncOp, other: func.CallOp) -> None:
    """What a call writes is memory that is made for it, and that the other one does not take."""
    writes = writes_of(nest)
    for operand, argument in zip(call.operands, nest.body.block.args, strict=True):
        if not isinstance(operand.type, MemRefType) or writes.why(argument) is None:
            continue
        if not isinstance(operand.owner, memref.AllocOp) or operand in other.operands:
            raise NotPossible(f"@{nest.sym_name.data} writes memory that the other call may access")


def _independent(
    first: func.CallOp, second: func.CallOp, functions: dict[str, func.FuncOp]
) -> list[Operation]:
    """What may move from between the calls to before them. Raises `NotPossible`."""
    waits: set[SSAValue] = {
        operand for operand in first.operands if isinstance(operand.owner, memref.AllocOp)
    }
    found: list[Operation] = []
    op = first.next_op
    while op is not None:
        used = {operand for inner in op.walk() for operand in inner.operands}
        depends = bool(used & waits)
        if op is second:
            if depends:
                raise NotPossible("it reads what the call before computes")
            return found
        for written in _written(op, functions):
            if not isinstance(written.owner, memref.AllocOp):
                raise NotPossible(
                    f"'{op.name}' in front of it may write {name_of(written)}, which the calls "
                    "may read"
                )
        if depends:
            waits.update(op.results)
            waits |= {value for value in used if isinstance(value.owner, memref.AllocOp)}
        else:
            found.append(op)
        op = op.next_op
    raise NotPossible("it is in another block than the call before")


def _written(op: Operation, functions: dict[str, func.FuncOp]) -> Iterator[SSAValue]:
    """The memrefs that an operation may write."""
    for inner in op.walk():
        memrefs = [value for value in inner.operands if isinstance(value.type, MemRefType)]
        if isinstance(inner, func.CallOp) and inner.callee.string_value() in functions:
            callee = functions[inner.callee.string_value()]
            if callee.body.blocks:
                writes = writes_of(callee)
                for operand, argument in zip(inner.operands, callee.body.block.args, strict=True):
                    if operand in memrefs and writes.why(argument) is not None:
                        yield operand
                continue
        effects = get_effects(inner)
        if effects is None or any(one.kind == MemoryEffectKind.WRITE for one in effects):
            yield from memrefs


def _function(
    name: str, nests: list[func.FuncOp], calls: list[func.CallOp], operands: list[SSAValue]
) -> func.FuncOp:
    """Both nests as one, of which `operands` are the arguments."""
    types = [operand.type for operand in operands]
    block = Block(arg_types=types)
    body: Block | None = None
    loop: scf.ForOp | None = None
    given = dict(zip(operands, block.args, strict=True))
    for nest, call in zip(nests, calls, strict=True):
        values: dict[SSAValue, SSAValue] = {}
        for operand, argument in zip(call.operands, nest.body.block.args, strict=True):
            values[argument] = given[operand]
            given[operand].name_hint = given[operand].name_hint or argument.name_hint
        for op in nest.body.block.ops:
            if isinstance(op, func.ReturnOp):
                continue
            copy = op.clone(values)
            if not isinstance(copy, scf.ForOp):
                Rewriter.insert_op(
                    copy, InsertPoint.at_end(block) if loop is None else InsertPoint.before(loop)
                )
            elif body is None:
                loop, body = copy, copy.body.block
                block.add_op(copy)
            else:
                _append(copy, body)
    block.add_op(func.ReturnOp())
    merged = func.FuncOp(
        name, FunctionType.from_lists(types, []), Region(block), visibility="private"
    )
    merged.attributes |= nests[0].attributes
    return merged


def _append(loop: scf.ForOp, body: Block) -> None:
    """Run the body of a loop, which is in no block, at the end of another one."""
    old, end = loop.body.block, body.last_op
    assert end is not None
    old.args[0].replace_all_uses_with(body.args[0])
    for op in list(old.ops):
        if isinstance(op, scf.YieldOp):
            continue
        op.detach()
        body.insert_op_before(op, end)
    loop.erase()
