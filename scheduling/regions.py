"""
The runs of operations of a function that may become one region.

A run is a sequence of units in program order; the operations of one composed function (softmax,
layer norm, ..) are one unit. A run ends where `sam-fuse` would end it: at an operation that needs
something which is computed outside from inside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue

from headrace.passes.sam.sam_drop_zeros import makes_zeros
from headrace.passes.sam.sam_fuse import Group, SamFusePass, region_of, results_of

Unit = tuple[Operation, ...]
"""Operations that stay together."""


@dataclass(frozen=True, eq=False)
class Run:
    """The units `start` to `stop` (exclusive) of a function as one region."""

    start: int
    stop: int
    ops: tuple[Operation, ...]
    inputs: tuple[SSAValue, ...]
    """What the run reads of the function around it."""
    results: tuple[SSAValue, ...]
    """What the run computes for the function around it."""
    module: ModuleOp
    """
    A module whose function takes `inputs` and holds the region.

    It says nothing of where the operations came from, so that equal layers are equal modules.
    """

    @cached_property
    def zeros(self) -> tuple[int, ...]:
        """The operations, by their places in `ops`, that make zeros which the run itself reads."""
        return tuple(
            place
            for place, op in enumerate(self.ops)
            if makes_zeros(op)
            and any(use.operation in self.ops for result in op.results for use in result.uses)
        )

    @cached_property
    def text(self) -> str:
        """Runs of equal text are the same region."""
        return str(self.module)


def run_of(start: int, stop: int, ops: Sequence[Operation]) -> Run:
    """The run that consists of `ops`, which stay where they are."""
    region = region_of(ops)
    inputs = tuple(region.inputs)
    types = [value.type for value in inputs], [value.type for value in region.results]
    block = Block(arg_types=types[0])
    copy = region.clone(dict(zip(inputs, block.args, strict=True)))
    # What it reads would otherwise count as used by one more operation.
    region.erase()
    block.add_ops([copy, ReturnOp(*copy.results)])
    attributes = ArrayAttr(_without_origin(attributes_of(value).data) for value in inputs)
    function = FuncOp("main", types, Region(block), arg_attrs=attributes)
    for op in function.walk():
        op.attributes = dict(_without_origin(op.attributes).data)
        for value in op.results:
            value.name_hint = None
    return Run(start, stop, tuple(ops), inputs, tuple(results_of(ops)), ModuleOp([function]))


def _without_origin(attributes: Mapping[str, Attribute]) -> DictionaryAttr:
    return DictionaryAttr({k: v for k, v in attributes.items() if k not in _ORIGIN})


_ORIGIN = frozenset(
    f"headrace.{name}" for name in ("composite", "module", "name", "phase", "region", "source")
)
"""Attributes that say where something came from, and nothing about what it is."""


def units_of(block: Block) -> list[Unit]:
    """The units of a function's block, in program order."""
    return [tuple(group.ops) for group in SamFusePass("none").groups(block)]


def longer_runs(
    block: Block, units: Sequence[Unit], start: int
) -> Iterator[tuple[int, Sequence[Operation]]]:
    """The ends (exclusive) and operations of the legal runs of unit `start` and more."""
    unit_of = {op: number for number, unit in enumerate(units) for op in unit}
    group = Group("")
    for op in block.ops:
        number = unit_of.get(op)
        if number is not None and number >= start:
            if not group.accepts(op):
                return
            group.add(op)
            if number > start and op is units[number][-1]:
                yield number + 1, tuple(group.ops)
        elif group.ops and group.reaches(op):
            group.dependent.append(op)


def attributes_of(value: SSAValue) -> DictionaryAttr:
    """The attributes of a function's argument; none for what is computed."""
    function = value.block.parent_op() if isinstance(value, BlockArgument) else None
    if not isinstance(function, FuncOp) or function.arg_attrs is None:
        return DictionaryAttr({})
    assert isinstance(value, BlockArgument)
    return function.arg_attrs.data[value.index]
