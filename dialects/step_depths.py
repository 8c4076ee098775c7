"""
How many elements the channels of a `step` graph hold, where the program says so.

The depth of a channel is no part of what a graph computes: an operation has, as the attribute
`step.depths`, one number for each of its results, 0 for the depth that the machine gives all
channels. A graph needs more in places where streams that parted meet again: see
`passes/step/step_size_fifos.py`.
"""

from collections.abc import Iterable, Sequence

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_types import StreamType

ATTRIBUTE = "step.depths"


def depths_of(op: Operation) -> tuple[int, ...]:
    """
    The depth of each result's channel, 0 for that of the machine.

    Raises `VerifyException` where there is not one number for each result.
    """
    given = op.attributes.get(ATTRIBUTE)
    if given is None:
        return (0,) * len(op.results)
    depths = tuple(map(int, given.get_values())) if isinstance(given, DenseArrayBase) else ()
    if len(depths) != len(op.results) or min(depths, default=0) < 0:
        raise VerifyException(
            f"'{op.name}' has {ATTRIBUTE} = {given}, but needs {len(op.results)} integers of 0 or "
            "more, one for each result; 0 is the depth of the machine"
        )
    return depths


def has_depths(*ops: Operation) -> bool:
    """Whether a channel of one of the operations has a depth of its own."""
    return any(ATTRIBUTE in op.attributes for op in ops)


def set_depths(op: Operation, depths: Sequence[int]) -> None:
    """Give the channels of the results these depths; without any, those of the machine."""
    if any(depths):
        op.attributes[ATTRIBUTE] = DenseArrayBase.from_list(i64, depths)
    else:
        op.attributes.pop(ATTRIBUTE, None)


def channels(ops: Iterable[Operation]) -> list[tuple[Operation, int]]:
    """The streams of a graph in its order: operation and number of the result."""
    return [
        (op, result.index)
        for op in ops
        for result in op.results
        if isinstance(result.type, StreamType)
    ]
