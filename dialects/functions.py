"""What is asked of functions before anything else: their operations are one straight line."""

from xdsl.dialects.func import FuncOp
from xdsl.ir import Block

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
