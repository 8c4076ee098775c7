"""What the arbiter of a memory sees of the nodes of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.memory import MemoryModel
from headrace.simulators.stream.primitive import OUTPUT_KINDS, Primitive
from headrace.simulators.stream.primitives.step_arbiter import ENTRY_WORDS, PORT_WORDS

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ServedNode:
    """A node: the address of its record, and what decides when it is served."""

    address: int
    primitive: Primitive
    rank: int
    dispatch: int
    """Requests that it makes at most in a cycle."""
    inputs: tuple[int, ...]
    """The addresses of the records of its input channels."""


def seen_by_arbiter(memory: MemoryModel, nodes: Sequence[ServedNode]) -> dict[str, Array]:
    """
    The arrays that arbiters read, by parameter.

    `nodes`: the records of all nodes. `clients`: those that touch memory, readers by rank, then
    writers by rank; `dispatch`: how many requests each makes in a cycle. `merges`: those that
    merge by time; `merge_starts`, `merge_inputs`: the channels that each reads. `ports`,
    `asking`: memory to work with.
    """
    touching, merging = set(memory.clients.values()), set(memory.merges)
    clients = [node for node in nodes if node.primitive in touching]
    clients.sort(key=lambda node: (writes(memory, node.primitive), node.rank))
    merges = [node for node in nodes if node.primitive in merging]
    arrays: dict[str, list[int]] = {
        "nodes": [node.address for node in nodes],
        "clients": [node.address for node in clients],
        "dispatch": [node.dispatch for node in clients],
        "merges": [node.address for node in merges],
        "merge_starts": np.cumsum([0, *(len(node.inputs) for node in merges)]).tolist(),
        "merge_inputs": [channel for node in merges for channel in node.inputs],
        "ports": [0] * (PORT_WORDS * len(clients)),
        "asking": [0] * (ENTRY_WORDS * len(clients)),
    }
    return {name: np.array(values, dtype=np.int64) for name, values in arrays.items()}


def writes(memory: MemoryModel | None, primitive: Primitive) -> bool:
    """Whether a primitive writes to memory or makes an array."""
    writers = memory.writers if memory else ()
    return primitive in writers or any(
        parameter.kind in OUTPUT_KINDS for parameter in primitive.parameters
    )
