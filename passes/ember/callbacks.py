"""
Code of the core: what is left between two loops of the access unit becomes a callback.

A callback reads as few streams as it can. Numbers that need nothing but streams are computed where
they are used, once more if several callbacks use them; others that a later callback uses, and those
that a loop carries from iteration to iteration, wait in memory of one element (a slot).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.builder import Builder
from xdsl.dialects import arith, memref
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.traits import is_side_effect_free

from headrace.dialects import slc
from headrace.dialects.memory_writes import name_of
from headrace.passes.ember.candidates import ARITHMETIC, DIVISIONS, Choice, is_number
from headrace.passes.ember.fewest_words import fewest
from headrace.passes.ember.refusal import fail


@dataclass
class Section:
    """What the core does between two loops of the access unit, in order."""

    ops: list[Operation] = field(default_factory=list[Operation])
    carried: list[tuple[SSAValue, SSAValue]] = field(
        default_factory=list[tuple[SSAValue, SSAValue]]
    )
    """Slots and what is stored to them at the end, for the loop that follows or the next trip."""


@dataclass
class Values:
    """What the values of a nest have become."""

    choice: Choice
    top: Block
    """The body of the function: its values are invariant."""
    streams: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """In the order in which the access unit makes them."""
    slots: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """Memory of one element, for numbers that wait for another callback."""
    simple: set[SSAValue] = field(default_factory=set[SSAValue])
    """Numbers that need nothing but streams."""

    def is_invariant(self, value: SSAValue) -> bool:
        block = value.owner if isinstance(value.owner, Block) else value.owner.parent_block()
        return block is self.top

    def keep_simple(self, op: Operation) -> bool:
        """
        Whether the core may compute `op` wherever it has the streams; its results are then simple.

        Operations are asked in their order.
        """
        if op.regions or not is_side_effect_free(op):
            return False
        if not all(map(self._is_given, op.operands)):
            return False
        self.simple.update(op.results)
        return True

    def _is_given(self, value: SSAValue) -> bool:
        return self.is_invariant(value) or value in self.choice.streams or value in self.simple

    def slot(self, value: SSAValue, before: Operation) -> SSAValue:
        """Memory for `value`, made before the outermost loop `before`."""
        if value not in self.slots:
            if not is_number(value.type):
                raise fail(
                    "ember-decouple",
                    before,
                    f"{name_of(value)} of type {value.type} is used before and after a loop of the "
                    "access unit; make it before all loops",
                )
            op = memref.AllocaOp.get(value.type, shape=[])
            self.top.insert_op_before(op, before)
            op.memref.name_hint = value.name_hint
            self.slots[value] = op.memref
        return self.slots[value]


def callback(
    section: Section, values: Values, outermost: Operation, consumers: Iterable[Operation]
) -> slc.CallbackOp | None:
    """
    The callback of a section, None for one that does nothing.

    `consumers` are operations that take values of the section through `carried`.
    """
    if not section.ops and not section.carried:
        return None
    for op in section.ops:
        for result in op.results:
            if any(_is_outside(use.operation, section.ops, consumers) for use in result.uses):
                values.slot(result, outermost)
    sent = _sent(section, values)
    block = Block(arg_types=[slc.argument_type(values.streams[value].type) for value in sent])
    emit = _Emit(values, block, dict(zip(sent, block.args, strict=True)))
    for value, argument in emit.given.items():
        argument.name_hint = value.name_hint
    for op in section.ops:
        emit.copy(op)
    stored = [(slot, emit.value(value)) for slot, value in section.carried]
    for slot, value in stored:
        emit.builder.insert(memref.StoreOp.get(value, slot, []))
    return slc.CallbackOp([values.streams[value] for value in sent], Region(block))


def _is_outside(user: Operation, ops: Sequence[Operation], consumers: Iterable[Operation]) -> bool:
    return user not in consumers and not any(op.is_ancestor(user) for op in ops)


def _sent(section: Section, values: Values) -> list[SSAValue]:
    """The streams that a section reads, in the order in which the access unit makes them."""
    needed: dict[SSAValue, None] = {}
    waiting, seen = list(_read(section)), set[SSAValue]()
    while waiting:
        value = waiting.pop()
        if value in seen or values.is_invariant(value) or value in values.slots:
            continue
        seen.add(value)
        if value in values.choice.streams:
            needed[value] = None
        else:
            assert isinstance(value.owner, Operation)
            waiting.extend(value.owner.operands)
    chosen = set(fewest(list(needed), lambda value: _made_of(value, values)))
    return [value for value in values.streams if value in chosen]


def _read(section: Section) -> Iterable[SSAValue]:
    """The values from outside of a section."""
    made = {result for op in section.ops for result in op.results}
    for op in section.ops:
        for inner in op.walk():
            for operand in inner.operands:
                if operand not in made and not op.is_ancestor(operand.owner):
                    yield operand
    yield from (value for _, value in section.carried if value not in made)


def _made_of(value: SSAValue, values: Values) -> list[SSAValue]:
    """The streams of which the core can compute `value`; none if it cannot."""
    op = value.owner
    if not isinstance(op, (*ARITHMETIC, *DIVISIONS, arith.IndexCastOp)):
        return []
    return [operand for operand in op.operands if operand in values.choice.streams]


class _Emit:
    """Copies operations into a callback, and what they need before them."""

    def __init__(self, values: Values, block: Block, given: dict[SSAValue, SSAValue]):
        self.values = values
        self.builder = Builder(InsertPoint.at_end(block))
        self.given = given

    def copy(self, op: Operation) -> None:
        """An operation of the section; results that later callbacks use are kept."""
        for operand in _read(Section([op])):
            self.value(operand)
        self.builder.insert(op.clone(self.given))
        for result in op.results:
            slot = self.values.slots.get(result)
            if slot is not None:
                self.builder.insert(memref.StoreOp.get(self.given[result], slot, []))

    def value(self, value: SSAValue) -> SSAValue:
        """What a value from outside, or of the section, is here."""
        if value in self.given or self.values.is_invariant(value):
            return self.given.get(value, value)
        slot = self.values.slots.get(value)
        if slot is not None:
            op = self.builder.insert(memref.LoadOp.get(slot, []))
            op.res.name_hint = value.name_hint
            self.given[value] = op.res
            return op.res
        made = value.owner
        assert isinstance(made, Operation)
        for operand in made.operands:
            self.value(operand)
        self.builder.insert(made.clone(self.given))
        return self.given[value]
