"""
Selectors that a graph makes of the values of its tiles (`fn to_selector`).

They decide when things happen, and a simulation of time has no values of tiles. But they do not
depend on time themselves, unless what they are made of comes in the order in which it arrives. So
the interpreter finds them before a simulation, from the part of the graph that makes them.
"""

from collections.abc import Collection, Sequence

from xdsl.ir import BlockArgument, Operation, SSAValue

from headrace.analyses.step_symbols import Arguments, Made
from headrace.dialects import step
from headrace.dialects.step_types import SelectorType
from headrace.interpreters.step import interpret_streams, makers
from headrace.storage.errors import InputError


def selectors_of_tiles(
    graph: step.GraphOp, streams: Sequence[SSAValue], arguments: Arguments
) -> Made:
    """
    The selectors of some streams of a graph.

    Raises `InputError` where arguments that they need are None, for rows that select more or fewer
    than their type says, and where time decides the order of the tiles.
    """
    _expect_timeless(makers(streams))
    found = interpret_streams(graph, arguments, streams)
    return {
        stream: [tuple(sorted(selector)) for selector in selectors]
        for stream, selectors in zip(streams, found, strict=True)
    }


def _expect_timeless(operations: Collection[Operation]) -> None:
    for operation in operations:
        if _waits_for_the_first(operation):
            raise InputError(
                f"'step.map' makes selectors (fn to_selector) of what '{operation.name}' hands on "
                "in the order of arrival, which a simulation finds only with the selectors: let "
                "the graph take them as an argument (step.select), or compute it without time "
                "(headrace.interpreters.step.interpret)"
            )


def _waits_for_the_first(operation: Operation) -> bool:
    """Whether what an operation makes depends on what comes first."""
    match operation:
        case step.EagerMergeOp():
            return len(operation.inputs) > 1
        case step.ReassembleOp():
            stream = operation.selector.type
            assert isinstance(stream, step.StreamType)
            assert isinstance(stream.element_type, SelectorType)
            width = stream.element_type.width
            return min(width, stream.element_type.hot or width) > 1
        case step.RandomLoadOp():
            # It may read a tile before or after it is replaced.
            return not isinstance(operation.tensor, BlockArgument)
        case _:
            return False
