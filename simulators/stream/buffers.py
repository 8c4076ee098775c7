"""
That every reference to a buffer leads to one.

A reference is the place of a record in memory, and an element does not say what it carries. What
replays buffers reads whatever memory it is told to, so a program in which something else could
arrive there is refused.
"""

from collections.abc import Iterator

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.program import Program

READERS = ("step_streamify", "step_streamify_by")
"""Primitives that follow the references on their first input."""

HANDS_ON = {
    "step_broadcast": 1,
    "step_deal": 1,
    "step_expand": 1,
    "step_flatten": 1,
    "step_merge": None,
    "step_partition": 1,
    "step_promote": 1,
    "step_reassemble": -1,
    "step_repeat": 1,
    "step_reshape": 1,
}
"""Primitives that pass elements on, with how many of their inputs (from the end if negative)."""


def check_buffers(program: Program) -> None:
    """Raises `ProgramError` where something else than a buffer could be replayed."""
    readers = [node for node, kind in enumerate(program.kinds.tolist()) if kind in READERS]
    if not readers:
        return
    writers = {
        channel: node
        for node in range(len(program.kinds))
        for channel in program.node_outputs(node)
    }
    seen: set[int] = set()
    waiting = [program.node_inputs(node)[0] for node in readers]
    while waiting:
        channel = waiting.pop()
        if channel in seen:
            continue
        seen.add(channel)
        waiting += _handed_on(program, channel, writers[channel])


def _handed_on(program: Program, channel: int, node: int) -> Iterator[int]:
    """The channels from which the elements of a channel come, none if they are new buffers."""
    kind, name = str(program.kinds[node]), program.names[node]
    start, end = program.initial_starts[channel : channel + 2]
    is_first = program.node_outputs(node)[0] == channel
    numbers = kind in ("step_merge", "step_reshape") and not is_first
    fills = kind == "step_reshape" and "pad_rows" in program.node_parameters(node)
    if start < end or numbers or fills or kind not in (*HANDS_ON, "step_bufferize"):
        raise ProgramError(
            f"node '{name}' ({kind}) sends something else than buffers to a node that replays "
            "buffers; make them with step_bufferize"
        )
    if kind != "step_bufferize":
        yield from program.node_inputs(node)[: HANDS_ON[kind]]
