"""Names of sizes that a pass makes new."""

from collections.abc import Iterator

from headrace.dialects import step
from headrace.dialects.step_operation import StepOperation


def fresh_names(graph: step.GraphOp, stem: str) -> Iterator[str]:
    """Names stem0, stem1, .. that no size of the graph has."""
    known = {
        name for op in graph.body.block.ops if isinstance(op, StepOperation) for name in op.named
    }
    number = 0
    while True:
        name = f"{stem}{number}"
        if name not in known:
            yield name
        number += 1
