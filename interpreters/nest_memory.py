"""Places in memrefs: which elements indices name, and the error where there are none."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from xdsl.dialects import func, scf
from xdsl.ir import BlockArgument, Operation, SSAValue

from headrace.dialects import slc
from headrace.storage.errors import InputError


def name_of(value: SSAValue) -> str:
    """How a message calls a value: `%table`, or by its place in the block that has it."""
    if value.name_hint is not None:
        return f"%{value.name_hint}"
    if isinstance(value, BlockArgument):
        return f"argument {value.index}"
    return f"the result of {value.owner.name}" if isinstance(value.owner, Operation) else "a value"


def place(
    op: Operation, buffer: SSAValue, indices: Sequence[SSAValue], values: Mapping[SSAValue, Any]
) -> npt.NDArray[Any]:
    """
    The element of `buffer` at `indices` as a view without dimensions.

    Raises `InputError` naming buffer, index and loops for an index outside.
    """
    at = tuple(int(values[index]) for index in indices)
    check_inside(op, buffer, at, values)
    return values[buffer][(*at, ...)]


def check_inside(
    op: Operation, buffer: SSAValue, at: Sequence[int], values: Mapping[SSAValue, Any]
) -> None:
    """Raise `InputError` unless `buffer` has an element at `at`."""
    shape = values[buffer].shape
    for dimension, (index, size) in enumerate(zip(at, shape, strict=True)):
        if not 0 <= index < size:
            raise InputError(
                f"index {index} lies outside of dimension {dimension} of size {size} of "
                f"{name_of(buffer)}{_iteration(op, values)}"
            )


def _iteration(op: Operation, values: Mapping[SSAValue, Any]) -> str:
    """Which iteration of which loops `op` is in, and of which function."""
    loops: list[str] = []
    function = ""
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp | slc.ForOp):
            variable = parent.body.block.args[0]
            loops.insert(0, f"{name_of(variable)} = {values[variable]}")
        if isinstance(parent, func.FuncOp):
            function = f" of @{parent.sym_name.data}"
        parent = parent.parent_op()
    return f" in loop {', '.join(loops)}{function}" if loops else function
