"""The graphs of a module, and what passes that rewrite them have in common."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue
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


def add_input(graph: step.GraphOp, tensor: SSAValue) -> BlockArgument:
    """Let a graph read one more tensor; what stands for it inside."""
    graph.operands = (*graph.operands, tensor)
    block = graph.body.block
    return block.insert_arg(tensor.type, len(block.args))


def stream(value: SSAValue) -> step.StreamType:
    """The type of a value that is a stream."""
    assert isinstance(value.type, step.StreamType), value.type
    return value.type


def share(build: Builder, value: SSAValue, readers: int) -> Sequence[SSAValue]:
    """The stream once for each reader: a stream is read once, so that several have copies."""
    if readers == 1:
        return [value]
    return build.insert(step.BroadcastOp(value, consumers=readers)).outputs


def erase(ops: Sequence[Operation]) -> None:
    """Erase operations that only each other use, in any order."""
    readers = {use.operation for op in ops for result in op.results for use in result.uses}
    assert readers <= set(ops), readers - set(ops)
    for op in ops:
        op.detach()
        op.drop_all_references()
    for op in ops:
        op.erase(safe_erase=False)
