"""
The meaning of stream graphs of `step`: what they compute, and in which shapes.

Every operation is a process on streams of tokens (`step_processes`), and a graph the Kahn network
of them (`step_network`): what it computes depends on no time, but for the order in which units
arrive at `eager_merge` and `reassemble`. A record of that order (of a simulator, say) is replayed;
without one the lowest input goes first.

Tiles are computed in the type of the arrays that are given. The sizes of all streams are compared
with their types: what is declared equal by name must be equal.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.step_operation import named
from headrace.interpreters import linalg
from headrace.interpreters.step_memory import Memory
from headrace.interpreters.step_network import run
from headrace.interpreters.step_processes import Wires, process_of
from headrace.interpreters.step_routing import Arrivals
from headrace.interpreters.step_sizes import Measured, check_sizes
from headrace.interpreters.step_values import Array

Arbitration = Mapping[int, Arrivals]
"""
The orders of arrival in one graph, by the position of the operation in the graph's block.

Of an `eager_merge` the input of every unit; of a `reassemble` those of one selector after another.
"""


def interpret(
    module: ModuleOp,
    args: Sequence[npt.ArrayLike],
    arbitration: Sequence[Arbitration | None] = (),
) -> list[Array]:
    """
    Run the first function of `module`: its graphs, and entry IR between them in double precision.

    `arbitration` has a record for each graph in order, or none. Raises `InputError` as
    `interpret_graph` and `linalg.interpret` do.
    """
    records = iter(arbitration)

    def graph(op: Operation, inputs: Sequence[Array]) -> list[Array]:
        assert isinstance(op, step.GraphOp)
        return interpret_graph(op, inputs, next(records, None))

    graphs: linalg.Operations = {step.GraphOp: graph}
    return linalg.interpret(module, args, graphs)


def interpret_graph(
    graph: step.GraphOp, inputs: Sequence[npt.ArrayLike], arbitration: Arbitration | None = None
) -> list[Array]:
    """
    The tensors that a graph yields for the given tensors.

    Raises `InputError`, which names the operation, for streams of different lists that are read
    together, selectors and addresses out of range, a record that does not fit, cycles that cannot
    go on, and sizes that differ from what the types declare.
    """
    block = graph.body.block
    channels: dict[SSAValue, Measured] = {}
    memories: dict[SSAValue, Memory] = {}
    for argument, array in zip(block.args, inputs, strict=True):
        memories[argument] = Memory(array)
    operations = {named(op, position): op for position, op in enumerate(block.ops)}
    for name, op in operations.items():
        for result in op.results:
            if isinstance(result.type, step.StreamType):
                channels[result] = Measured(name, result.type.rank)
            else:
                _enter(result, memories)
    records = arbitration or {}
    run(
        {
            name: process_of(op, Wires(name, channels, memories, records.get(position)))
            for position, (name, op) in enumerate(operations.items())
            if not isinstance(op, step.YieldOp)
        }
    )
    check_sizes(channels)
    last = block.last_op
    assert isinstance(last, step.YieldOp)
    return [memories[operand].array for operand in last.operands]


def _enter(tensor: SSAValue, memories: dict[SSAValue, Memory]) -> Memory:
    """
    The memory of a tensor that a graph makes.

    A random store changes that of another in place, so that what waits for its acknowledgement
    reads the new tile; the arguments of the graph stay as they are.
    """
    if tensor in memories:
        return memories[tensor]
    if isinstance(store := tensor.owner, step.RandomStoreOp):
        before = _enter(store.tensor, memories)
        first = isinstance(store.tensor, BlockArgument)
        memories[tensor] = Memory(np.array(before.array, order="C")) if first else before
    else:
        memories[tensor] = Memory()
    return memories[tensor]
