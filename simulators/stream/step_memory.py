"""The memory of streaming tensor programs: whole tiles, in the order of time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.memory import MemoryModel, MemoryState
from headrace.simulators.stream.primitive import Primitive
from headrace.simulators.stream.primitives import step_arbiter, step_memory, step_routing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class StepMemory(MemoryModel):
    """
    Off-chip memory that is asked for tiles, and the order of time for nodes that merge by it.

    Addresses do not matter: the requests of a cycle go to channels in a fixed pattern, and every
    request pays the start-up. Source: "Streaming Tensor Programs" (ASPLOS 2026), its simulator.
    """

    machine: StepMachine = field(default_factory=StepMachine)

    @property
    def bytes_per_word(self) -> int:
        return self.machine.request_bytes

    @property
    def clients(self) -> Mapping[str, Primitive]:
        return {
            primitive.name: primitive
            for primitive in (
                step_memory.step_load,
                step_memory.step_load_by,
                step_memory.step_random_load,
                *self.writers,
            )
        }

    @property
    def writers(self) -> Collection[Primitive]:
        return (step_memory.step_store, step_memory.step_random_store)

    @property
    def merges(self) -> Collection[Primitive]:
        return (step_routing.step_merge,)

    @property
    def arbiter(self) -> Primitive:
        return step_arbiter.step_arbiter

    def start(self) -> "StepState":
        return StepState(self.machine)


class StepState(MemoryState):
    """The channels, the transaction of each port, and the numbers of the machine."""

    def __init__(self, machine: StepMachine) -> None:
        self.parameters: dict[str, Array | int] = {
            "free": np.zeros(machine.channels + 2, dtype=np.int64),
            "channels": machine.channels,
            "interval": machine.interval,
            "latency": machine.latency + machine.startup,
            "bandwidth": machine.on_chip_bandwidth,
            "request_bytes": machine.request_bytes,
        }

    def parameter(self, name: str, array: str) -> Array | int | str | None:
        return self.parameters.get(name)
