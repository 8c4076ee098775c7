"""How passes of the family refuse: a whole module, or one operation, which then stays."""

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import PassFailedException

from headrace.passes.source import source_of


class NotPossible(Exception):
    """Why a pass leaves an operation unchanged: a clause about it, for `refuse`."""


def fail(name: str, op: Operation, reason: str) -> PassFailedException:
    """Which pass stops at what, where (the line of the model it came from, if known), and why."""
    return PassFailedException(f"{name}: '{op.name}'{source_of(op)}: {reason}")


def refuse(name: str, op: Operation, reason: str) -> None:
    """Write on an operation that a pass leaves unchanged why it does, behind what others wrote."""
    before = op.attributes.get("headrace.refused")
    written = f"{before.data}; " if isinstance(before, StringAttr) else ""
    op.attributes["headrace.refused"] = StringAttr(f"{written}{name}: {reason}")
