"""Where in the model an operation comes from, for the refusals of passes."""

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation


def source_of(op: Operation) -> str:
    """` (layer.py:12)`, where the operation or what is around it came from; "" if unknown."""
    found: Operation | None = op
    while found is not None and "headrace.source" not in found.attributes:
        found = found.parent_op()
    source = None if found is None else found.attributes["headrace.source"]
    return f" ({source.data})" if isinstance(source, StringAttr) else ""
