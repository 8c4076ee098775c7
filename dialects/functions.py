"""What is asked of a module before anything else: one function, whose operations are a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, SSAValue

from headrace.storage.errors import InputError


def only_block(function: FuncOp) -> Block:
    """
    The one block of a function.

    Raises `InputError` for a function with branches or without a body: a dataflow graph has
    no control flow.
    """
    if len(function.body.blocks) != 1:
        raise InputError(
            f"@{function.sym_name.data} has {len(function.body.blocks)} blocks, but only "
            "functions of one block can be compiled and run; replace its branches by arith.select"
        )
    return function.body.block


def main_function(module: ModuleOp) -> FuncOp:
    """
    The function to compile: `main`, or the only one.

    Raises `InputError` if there is none, and if it has branches.
    """
    functions = [op for op in module.body.block.ops if isinstance(op, FuncOp) and op.body.blocks]
    for function in functions:
        if function.sym_name.data == "main" or len(functions) == 1:
            only_block(function)
            return function
    raise InputError("the module has no function to compile; name one 'main'")


def argument_names(function: FuncOp) -> list[str]:
    """The names of the arguments: those that the frontend gave, else those of the IR."""
    names: list[str] = []
    for number, value in enumerate(function.body.block.args):
        name = None
        if function.arg_attrs is not None:
            name = function.arg_attrs.data[number].data.get("headrace.name")
        fallback = value.name_hint or f"arg{number}"
        names.append(name.data if isinstance(name, StringAttr) else fallback)
    return names


@dataclass(frozen=True)
class Part:
    """What an argument is of a sparse tensor of the user."""

    name: str
    """One of `headrace.storage.parts.PARTS`."""
    shape: tuple[int, ...] | None
    """The shape of the whole; a size known only at run time is negative."""


def argument_part(function: FuncOp, position: int) -> Part | None:
    """Which part of the user's tensor of that name an argument is; None if it is all of it."""
    if function.arg_attrs is None:
        return None
    attributes = function.arg_attrs.data[position].data
    name, shape = attributes.get("headrace.part"), attributes.get("headrace.matrix")
    if not isinstance(name, StringAttr):
        return None
    sizes = shape.get_values() if isinstance(shape, DenseArrayBase) else None
    return Part(name.data, None if sizes is None else tuple(int(size) for size in sizes))


def returned(function: FuncOp) -> Sequence[SSAValue]:
    """What the function gives."""
    last = function.body.block.last_op
    return last.arguments if isinstance(last, ReturnOp) else ()
