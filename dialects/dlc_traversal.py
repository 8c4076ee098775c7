"""
The units of a `dlc.access` as the tree that they are, each with its streams and what it pushes.

A stream belongs to the deepest unit among those of its operands; one of no unit is invariant.
Interpreter, counts and backend walk this tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from headrace.dialects import dlc, slc
from headrace.dialects.dlc import Event


@dataclass(eq=False)
class Unit:
    """A traversal unit: one loop of the access unit."""

    op: dlc.UnitOp
    outer: Unit | None
    variable: SSAValue | None = None
    """The stream of the loop's variable, if the program reads it."""
    inner: list[Unit] = field(default_factory=list["Unit"])
    """In the order in which they run."""
    streams: list[Operation] = field(default_factory=list[Operation])
    """What has another value in each iteration, in order; stores too."""
    pushed: dict[Event, list[SSAValue]] = field(default_factory=dict[Event, list[SSAValue]])
    cases: dict[Event, list[int]] = field(default_factory=dict[Event, list[int]])

    @property
    def bounds(self) -> tuple[SSAValue, SSAValue, SSAValue]:
        """Lower, upper, step."""
        return self.op.lower, self.op.upper, self.op.step

    @property
    def lanes(self) -> int:
        return self.op.lane_count

    @property
    def depth(self) -> int:
        """How many units this one is in; 0 for an outermost one."""
        return 0 if self.outer is None else self.outer.depth + 1

    @property
    def accumulations(self) -> Iterator[slc.AccumulateOp]:
        """The running sums that begin anew when the unit does."""
        return (op for op in self.streams if isinstance(op, slc.AccumulateOp))

    def operands(self, event: Event) -> list[SSAValue]:
        """The streams that are pushed at an event, in their order."""
        return self.pushed.get(event, [])

    def tokens(self, event: Event) -> list[int]:
        """The cases of which tokens are pushed at an event, after the operands."""
        return self.cases.get(event, [])

    def walk(self) -> Iterator[Unit]:
        """This unit and those inside, outer ones first."""
        yield self
        for unit in self.inner:
            yield from unit.walk()


@dataclass(eq=False)
class Traversal:
    """All units of an access program."""

    outermost: list[Unit] = field(default_factory=list[Unit])
    invariant: list[Operation] = field(default_factory=list[Operation])
    """Streams that have one value."""
    unit_of: dict[SSAValue, Unit] = field(default_factory=dict[SSAValue, Unit])
    """The unit of every stream that is not invariant."""

    @staticmethod
    def of(access: dlc.AccessOp) -> Traversal:
        """Read a program whose streams are defined before they are used."""
        traversal = Traversal()
        units: dict[SSAValue, Unit] = {}
        for op in access.body.block.ops:
            match op:
                case dlc.UnitOp():
                    outer = None if op.outer is None else units[op.outer]
                    units[op.result] = unit = Unit(op, outer)
                    (traversal.outermost if outer is None else outer.inner).append(unit)
                case dlc.VariableOp():
                    traversal.unit_of[op.result] = unit = units[op.unit]
                    unit.variable = op.result
                case dlc.OperandOp():
                    unit = units[op.unit]
                    unit.pushed.setdefault(op.event.data, []).append(op.stream)
                case dlc.TokenOp():
                    unit = units[op.unit]
                    unit.cases.setdefault(op.event.data, []).append(op.case.value.data)
                case dlc.DoneOp():
                    pass
                case _:
                    traversal._add(op)
        return traversal

    def walk(self) -> Iterator[Unit]:
        """All units, in the order of their begin events."""
        for unit in self.outermost:
            yield from unit.walk()

    def _add(self, op: Operation) -> None:
        owners = [self.unit_of[value] for value in op.operands if value in self.unit_of]
        if not owners:
            self.invariant.append(op)
            return
        owner = max(owners, key=lambda unit: unit.depth)
        owner.streams.append(op)
        self.unit_of.update((result, owner) for result in op.results)
