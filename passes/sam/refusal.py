"""The exception with which a pass of the family refuses an operation."""

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import PassFailedException


def fail(op: Operation, reason: str) -> PassFailedException:
    """What cannot be lowered, where (the line of the model it came from, if known), and why."""
    found: Operation | None = op
    while found is not None and "headrace.source" not in found.attributes:
        found = found.parent_op()
    source = None if found is None else found.attributes["headrace.source"]
    where = f" ({source.data})" if isinstance(source, StringAttr) else ""
    return PassFailedException(f"not lowered: '{op.name}'{where}: {reason}")
