"""The loop nests of a module."""

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc


def nests(module: ModuleOp, name: str) -> list[func.FuncOp]:
    """
    The functions with a loop that reads memory, in the order of the module, for the pass `name`.

    Raises `PassFailedException` if there are none.
    """
    found = [op for op in module.walk() if isinstance(op, func.FuncOp) and _is_nest(op)]
    if not found:
        raise PassFailedException(
            f"{name}: the module has no function with an scf.for that reads memory; import a model "
            "with an embedding operation"
        )
    return found


def access_nests(module: ModuleOp, name: str) -> list[func.FuncOp]:
    """
    The functions with a loop of the access unit, in the order of the module, for the pass `name`.

    Raises `PassFailedException` if there are none.
    """
    found = [
        op
        for op in module.walk()
        if isinstance(op, func.FuncOp) and any(isinstance(inner, slc.ForOp) for inner in op.walk())
    ]
    if not found:
        raise PassFailedException(
            f"{name}: the module has no loop of the access unit; use ember-decouple first"
        )
    return found


def _is_nest(function: func.FuncOp) -> bool:
    loops = (op for op in function.walk() if isinstance(op, scf.ForOp))
    return any(isinstance(op, memref.LoadOp) for loop in loops for op in loop.walk())
