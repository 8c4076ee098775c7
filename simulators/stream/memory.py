"""
Memory models of the stream engine.

Without a model, memory answers at once and only its traffic is counted. A model substitutes the
primitives that touch memory by clients of its own, and may have an arbiter, which the scheduler
calls when no node can move.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.machine import MemoryDescription
from headrace.simulators.stream.primitive import Primitive
from headrace.simulators.stream.primitives import banked_memory, parity_memory

Array = npt.NDArray[Any]


class MemoryModel(ABC):
    """What a run needs to know about its memory."""

    @property
    @abstractmethod
    def clients(self) -> Mapping[str, Primitive]:
        """The primitives to use instead of those of the catalogue."""

    @property
    @abstractmethod
    def arbiter(self) -> Primitive | None:
        """What serves the clients when no node can move."""

    @property
    def writers(self) -> Collection[Primitive]:
        """The clients that write but have no array for it."""
        return ()

    @property
    def merges(self) -> Collection[Primitive]:
        """The primitives that wait for the arbiter to tell which of their inputs is earliest."""
        return ()

    @property
    @abstractmethod
    def bytes_per_word(self) -> int:
        """Bytes of one word of traffic."""

    @abstractmethod
    def start(self) -> "MemoryState":
        """The memory at the beginning of a run."""


class MemoryState(ABC):
    """A memory during one run: it binds the parameters that programs do not know."""

    @abstractmethod
    def parameter(self, name: str, array: str) -> Array | int | str | None:
        """
        The value of parameter `name` of a client or the arbiter.

        `array` is the name of the array that it is about, for addresses. `None` leaves it to the
        program.
        """


@dataclass(frozen=True)
class ParityMemory(MemoryModel):
    """
    The memory of the published simulators, to compare cycles with theirs.

    Addresses do not matter: words go to the channels in turn, and every word pays the start-up.
    """

    channels: int = 8
    latency: int = 2
    interval: int = 2
    startup: int = 14
    word_bytes: int = 4

    @property
    def bytes_per_word(self) -> int:
        return self.word_bytes

    @property
    def clients(self) -> Mapping[str, Primitive]:
        return {
            "scan_compressed": parity_memory.scan_compressed,
            "array": parity_memory.array,
            "write_coordinates": parity_memory.write_coordinates,
            "write_values": parity_memory.write_values,
        }

    @property
    def arbiter(self) -> Primitive:
        return parity_memory.parity_arbiter

    def start(self) -> "ParityState":
        return ParityState(self)


class ParityState(MemoryState):
    def __init__(self, model: ParityMemory) -> None:
        self.parameters: dict[str, Array | int] = {
            "free": np.zeros(model.channels + 1, dtype=np.int64),
            "channels": model.channels,
            "interval": model.interval,
            "latency": model.latency + model.startup,
        }

    def parameter(self, name: str, array: str) -> Array | int | str | None:
        return self.parameters.get(name)


@dataclass(frozen=True)
class BankedMemory(MemoryModel):
    """
    A memory of lines on channels that are chosen by address.

    `exact` serves requests in the order of time. Otherwise nodes book their lines in a ledger of
    32-cycle intervals, which is faster. It is within 1 % of the exact cycles for the default
    description but up to 27 % off for slow memories, mostly below (docs/machines.md), since a line
    does not wait for those before it in its interval. Raises `ProgramError` for lines that the
    ledger cannot count at all, because an interval does not hold a whole number of them.
    """

    description: MemoryDescription = field(default_factory=MemoryDescription)
    exact: bool = False

    def __post_init__(self) -> None:
        interval = self.description.interval
        if not self.exact and banked_memory.BUCKET % interval != 0:
            raise ProgramError(
                f"the ledger counts lines in {banked_memory.BUCKET} cycles, which are no multiple "
                f"of memory.interval = {interval}; give 1, 2, 4, 8, 16 or 32, or the exact memory"
            )

    @property
    def clients(self) -> Mapping[str, Primitive]:
        return {
            "scan_compressed": banked_memory.scan_compressed,
            "array": banked_memory.array,
            "write_coordinates": banked_memory.write_coordinates,
            "write_values": banked_memory.write_values,
            "store": banked_memory.store,
        }

    @property
    def arbiter(self) -> Primitive | None:
        return banked_memory.line_arbiter if self.exact else None

    @property
    def bytes_per_word(self) -> int:
        return self.description.word_bytes

    def start(self) -> "BankedState":
        return BankedState(self)


class BankedState(MemoryState):
    """Places every array at a line of its own, `REGION` words apart."""

    REGION = 1 << 36

    def __init__(self, model: BankedMemory) -> None:
        memory = model.description
        self.open_requests = banked_memory.OPEN + memory.outstanding
        self.places: dict[str, int] = {}
        self.parameters: dict[str, Array | int | str] = {
            "model": "exact" if model.exact else "ledger",
            "free": np.zeros(memory.channels, dtype=np.int64),
            "ledger": np.zeros(2 * memory.channels * banked_memory.BUCKETS, dtype=np.int64),
            "machine": np.array(
                [
                    memory.channels,
                    memory.interval,
                    memory.latency,
                    memory.startup,
                    memory.outstanding,
                    max(1, memory.line_bytes // memory.word_bytes),
                ],
                dtype=np.int64,
            ),
        }

    def parameter(self, name: str, array: str) -> Array | int | str | None:
        if name.endswith("port"):
            return np.zeros(self.open_requests, dtype=np.int64)
        if name.endswith("_at"):
            return self.places.setdefault(array, len(self.places) * self.REGION)
        return self.parameters.get(name)
