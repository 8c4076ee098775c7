"""
Which loops of a nest the access unit can run, and which of their operations it can do.

A loop is a candidate if its bounds are invariant or computed by the access unit, and if it, or a
loop inside, reads what is never written at places of its own iterations. The first rule keeps what
the core computes away from the access unit; the second leaves loops over temporaries to the core.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import AnyFloat, IndexType, IntegerType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from headrace.dialects.access_rules import constant
from headrace.dialects.memory_writes import Writes, name_of

ARITHMETIC = (arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.MinSIOp)
"""Operations on indices that access unit and core do alike."""

DIVISIONS = (arith.DivUIOp, arith.DivSIOp, arith.FloorDivSIOp)
"""These are the same only for what is not negative, by constants."""


@dataclass(frozen=True)
class RunningSum:
    """A number that a loop carries: the sum of the lengths of the iterations so far."""

    initial: SSAValue
    length: SSAValue
    begin: SSAValue
    """What the loop carries into an iteration."""
    end: SSAValue
    """`begin` plus `length`."""


@dataclass
class Choice:
    """What the access unit does of a nest."""

    loops: set[scf.ForOp] = field(default_factory=set[scf.ForOp])
    streams: set[SSAValue] = field(default_factory=set[SSAValue])
    """Variables of loops and results of operations that it computes."""
    sums: dict[SSAValue, RunningSum] = field(default_factory=dict[SSAValue, RunningSum])
    """By their `begin` and `end`."""
    refused: dict[scf.ForOp, str] = field(default_factory=dict[scf.ForOp, str])
    """The outermost loops that stay on the core, and why."""


def choose(function: func.FuncOp, writes: Writes) -> Choice:
    """Decide for every loop of a function that no other loop or branch is around."""
    chooser = _Chooser(function, writes)
    for op in function.body.block.ops:
        if isinstance(op, scf.ForOp):
            chooser.loop(op)
    return chooser.choice


class _Chooser:
    def __init__(self, function: func.FuncOp, writes: Writes):
        self.top = function.body.block
        self.writes = writes
        self.choice = Choice()

    def loop(self, loop: scf.ForOp) -> bool:
        """Whether a loop is chosen; those around it are looked at first."""
        reason = self._bounds(loop) or self._carried(loop)
        if reason is None and not self._body(loop):
            reason = self._nothing_new(loop)
        if reason is None:
            self.choice.loops.add(loop)
            return True
        self.choice.refused = {
            other: why for other, why in self.choice.refused.items() if not loop.is_ancestor(other)
        }
        self.choice.refused[loop] = reason
        return False

    def _bounds(self, loop: scf.ForOp) -> str | None:
        variable = loop.body.block.args[0]
        if variable.type != IndexType():
            return f"its variable is of type {variable.type}, and the access unit counts indices"
        if not self._invariant(loop.step):
            return f"its step {self._why(loop.step)}"
        for which, bound in (("lower", loop.lb), ("upper", loop.ub)):
            if not self._known(bound):
                return f"its {which} bound {self._why(bound)}"
        return None

    def _carried(self, loop: scf.ForOp) -> str | None:
        for argument in loop.body.block.args[1:]:
            if not is_number(argument.type):
                return f"it carries {argument.type} from iteration to iteration"
        return None

    def _body(self, loop: scf.ForOp) -> bool:
        """Find the streams of a body; whether it reads anything, itself or in a loop inside."""
        body = loop.body.block
        own: set[SSAValue] = {body.args[0]}
        self.choice.streams.add(body.args[0])
        sums = _running_sums(loop)
        reads = False
        for op in body.ops:
            if isinstance(op, scf.ForOp):
                reads |= self.loop(op)
                continue
            if self._computes(op) or (isinstance(op, memref.LoadOp) and self._loads(op, own)):
                reads |= isinstance(op, memref.LoadOp)
                self.choice.streams.add(op.results[0])
                if own.intersection(op.operands):
                    own.add(op.results[0])
            for total in sums:
                if total.length in op.results and self._sums(total):
                    own |= {total.begin, total.end}
                    self.choice.streams |= {total.begin, total.end}
                    self.choice.sums |= {total.begin: total, total.end: total}
        return reads

    def _sums(self, total: RunningSum) -> bool:
        return total.length in self.choice.streams and self._invariant(total.initial)

    def _loads(self, op: memref.LoadOp, own: set[SSAValue]) -> bool:
        """
        Whether the access unit may load this, in a loop with the streams `own`.

        A place that is the same in all iterations of the loop is left to the core: the access unit
        would read it once for all of them, also for none, where it may be outside of the memory.
        """
        return (
            self._invariant(op.memref)
            and self.writes.why(op.memref) is None
            and all(map(self._known, op.indices))
            and not own.isdisjoint(op.indices)
        )

    def _computes(self, op: Operation) -> bool:
        """Whether the access unit may compute this."""
        if not all(map(self._known, op.operands)):
            return False
        if not any(operand in self.choice.streams for operand in op.operands):
            return False
        if isinstance(op, arith.IndexCastOp):
            return op.result.type == IndexType()
        if not op.results or op.results[0].type != IndexType():
            return False
        if isinstance(op, DIVISIONS):
            divisor = constant(op.rhs)
            return divisor is not None and divisor > 0 and not_negative(op.lhs)
        return isinstance(op, ARITHMETIC)

    def _known(self, value: SSAValue) -> bool:
        return self._invariant(value) or value in self.choice.streams

    def _invariant(self, value: SSAValue) -> bool:
        block = value.block if isinstance(value, BlockArgument) else value.owner.parent_block()
        return block is self.top

    def _nothing_new(self, loop: scf.ForOp) -> str:
        loads = [op for op in loop.walk() if isinstance(op, memref.LoadOp)]
        if not loads:
            return "it reads no memory, so there is nothing to send"
        return f"it reads nothing for the access unit to send: {self._not_loaded(loads[0])}"

    def _not_loaded(self, load: memref.LoadOp) -> str:
        """Why the access unit does not load this: a clause."""
        name = name_of(load.memref)
        written = self.writes.why(load.memref)
        if written is not None:
            return written
        if not self._invariant(load.memref):
            return f"{name} is made in the loop; make it before all loops"
        if not isinstance(load.parent_op(), scf.ForOp):
            return f"{name} is read only in some iterations"
        for index in load.indices:
            if not self._known(index):
                return f"the index into {name} {self._why(index)}"
        if all(map(self._invariant, load.indices)):
            return f"{name} is read at one place only; read it before all loops"
        return f"{name} is read at one place in all iterations of a loop; read it before that loop"

    def _why(self, value: SSAValue) -> str:
        """Why the access unit does not know a value."""
        for made in self._made_by_core(value):
            op = made.owner
            if not isinstance(op, Operation):
                return f"depends on {name_of(made)}, which the core carries between iterations"
            if isinstance(op, memref.LoadOp):
                return f"is read from memory: {self._not_loaded(op)}"
            return f"is computed by the core ({op.name})"
        return "changes between iterations"

    def _made_by_core(self, value: SSAValue) -> Iterator[SSAValue]:
        """Values on which `value` depends that the access unit lacks, the first ones first."""
        if self._known(value):
            return
        if isinstance(value.owner, Operation) and not value.owner.regions:
            for operand in value.owner.operands:
                yield from self._made_by_core(operand)
        yield value


def _running_sums(loop: scf.ForOp) -> list[RunningSum]:
    """The carried numbers that only grow, by something else in each iteration."""
    found: list[RunningSum] = []
    body = loop.body.block
    last = body.last_op
    assert last is not None
    for initial, begin, end, result in zip(
        loop.iter_args, body.args[1:], last.operands, loop.results, strict=True
    ):
        op = end.owner
        if begin.type != IndexType() or not isinstance(op, arith.AddiOp) or result.uses:
            continue
        if op.parent_block() is body and begin in op.operands and op.lhs is not op.rhs:
            length = op.rhs if op.lhs is begin else op.lhs
            if _is_used_only_after(length, begin, body):
                found.append(RunningSum(initial, length, begin, end))
    return found


def _is_used_only_after(length: SSAValue, begin: SSAValue, body: Block) -> bool:
    """Whether what reads `begin` stands behind what gives `length`, both in `body`."""
    users = [use.operation for use in begin.uses]
    for op in body.ops:
        if length in op.results:
            return True
        if any(op.is_ancestor(user) for user in users):
            return False
    return False


def is_number(type: Attribute) -> bool:
    """Whether values of a type are single numbers."""
    return isinstance(type, IndexType | IntegerType | AnyFloat)


def not_negative(value: SSAValue) -> bool:
    """Whether an index is certainly not negative."""
    waiting, seen = [value], set[SSAValue]()
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        op = found.owner
        if not isinstance(op, Operation):
            loop = op.parent_op()
            if not isinstance(loop, scf.ForOp) or found is not loop.body.block.args[0]:
                return False
            waiting.append(loop.lb)
        elif isinstance(op, arith.AddiOp | arith.MuliOp | arith.MinSIOp | arith.FloorDivSIOp):
            waiting.extend(op.operands)
        elif not isinstance(op, memref.DimOp):
            number = constant(found)
            if number is None or number < 0:
                return False
    return True
