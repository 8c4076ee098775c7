"""The graphs of a module, for passes that rewrite each of them."""

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step


def graphs(module: ModuleOp, name: str, **sizes: int) -> list[step.GraphOp]:
    """
    The graphs in the order of the module, for the pass `name` with the given sizes as options.

    Raises `PassFailedException` for sizes below 0, for none at all, and without graphs.
    """
    given = " ".join(f"{option}={size}" for option, size in sizes.items())
    if min(sizes.values(), default=0) < 0:
        raise PassFailedException(f"{name}: {given} is not possible; sizes are 1 or more")
    if sizes and not any(sizes.values()):
        raise PassFailedException(f"{name}: {given} changes nothing; give one of them")
    found = [op for op in module.walk() if isinstance(op, step.GraphOp)]
    if not found:
        raise PassFailedException(
            f"{name}: the module has no step.graph; lower a model to it first"
        )
    return found


def add_input(graph: step.GraphOp, tensor: SSAValue) -> SSAValue:
    """Let a graph read one more tensor; what stands for it inside."""
    graph.operands = (*graph.operands, tensor)
    block = graph.body.block
    return block.insert_arg(tensor.type, len(block.args))
