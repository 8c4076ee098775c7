"""The stream graphs of a module, for what prints and draws them."""

from xdsl.dialects.builtin import ModuleOp

from headrace.dialects import sam
from headrace.storage.errors import InputError


def stream_graphs(module: ModuleOp) -> list[sam.GraphOp]:
    """Every `sam.graph`, in the order of the IR."""
    return [op for op in module.walk() if isinstance(op, sam.GraphOp)]


def expect_stream_graphs(module: ModuleOp) -> list[sam.GraphOp]:
    """The stream graphs; raises `InputError` if there is none, as before lowering."""
    graphs = stream_graphs(module)
    if not graphs:
        raise InputError(
            "the module has no sam.graph to print; make one with -p sam-fuse{regions=all},sam-lower"
        )
    return graphs
