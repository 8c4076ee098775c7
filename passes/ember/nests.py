"""The loop nests of a module."""

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import dlc, slc
from headrace.passes.ember.refusal import fail


def nests(module: ModuleOp, name: str) -> list[func.FuncOp]:
    """
    The functions with a loop that reads memory, in the order of the module, for the pass `name`.

    Raises `PassFailedException` if there are none, and for loops that stand in anything else than
    the only block of a function.
    """
    loops = [op for op in module.walk() if isinstance(op, scf.ForOp) and _is_outermost(op)]
    for loop in loops:
        function = loop.parent_op()
        if not isinstance(function, func.FuncOp) or len(function.body.blocks) > 1:
            where = "nothing" if function is None else f"'{function.name}'"
            raise fail(
                name,
                loop,
                f"it stands in {where}; the access unit runs loops that always run, in the only "
                "block of a function",
            )
    found = [loop.parent_op() for loop in loops]
    if not found:
        if any(isinstance(op, slc.ForOp | dlc.AccessOp) for op in module.walk()):
            raise PassFailedException(
                f"{name}: the loops of the module are decoupled already; leave this pass out"
            )
        raise PassFailedException(
            f"{name}: the module has no function with an scf.for that reads memory; import a model "
            "with an embedding operation"
        )
    return list(dict.fromkeys(op for op in found if isinstance(op, func.FuncOp)))


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


def _is_outermost(loop: scf.ForOp) -> bool:
    """Whether a loop reads memory, and is not in another one or in code of the core already."""
    around = loop.parent_op()
    while around is not None:
        if isinstance(around, scf.ForOp | slc.CallbackOp | dlc.CaseOp):
            return False
        around = around.parent_op()
    return any(isinstance(op, memref.LoadOp) for op in loop.walk())
