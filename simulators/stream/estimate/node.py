"""What a rule of the cost model is given, and what it says about a node."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.estimate.levels import LevelStatistics, Statistics
from headrace.simulators.stream.estimate.nest import Nest, Profile
from headrace.simulators.stream.program import Parameter, Slot


@dataclass(frozen=True, slots=True)
class Node:
    """A node with the profiles of its input streams."""

    name: str
    kind: str
    parameters: Mapping[str, Parameter]
    inputs: tuple[Profile, ...]
    statistics: Statistics
    lanes: dict[object, list[Nest]]
    """The lanes of the structures that were dealt out, so that streams line up in them."""

    def level(self, parameter: str) -> LevelStatistics:
        """The compressed level that a parameter reads."""
        name = self._slot(parameter).rpartition(".")[0]
        found = self.statistics.get(name)
        if not isinstance(found, LevelStatistics):
            raise ProgramError(
                f"node '{self.name}' scans level '{name}', of which there are no statistics; give "
                "those of the tensor"
            )
        return found

    def integer(self, parameter: str, default: int = 0) -> int:
        """A size."""
        value = self.parameters.get(parameter, default)
        if isinstance(value, Slot):
            return int(self._number(value))
        assert isinstance(value, int), f"{parameter} of '{self.name}' is no whole number"
        return value

    def integers(self, parameter: str) -> tuple[int, ...]:
        """Several sizes."""
        value = self.parameters.get(parameter, ())
        parts = value if isinstance(value, tuple) else ()
        return tuple(int(self._number(p)) if isinstance(p, Slot) else p for p in parts)

    def nonzero(self) -> float:
        """The share of the stored values that are not 0."""
        found = self.statistics.get(self._slot("values"), 1)
        return 1 if isinstance(found, LevelStatistics) else found

    @property
    def tile(self) -> int:
        """Entries of a value."""
        return self.integer("rows", 1) * self.integer("columns", 1)

    def _slot(self, parameter: str) -> str:
        value = self.parameters.get(parameter)
        return value.name if isinstance(value, Slot) else ""

    def _number(self, slot: Slot) -> float:
        found = self.statistics.get(slot.name)
        if found is None or isinstance(found, LevelStatistics):
            raise ProgramError(f"node '{self.name}' needs '{slot.name}', which is not given")
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What a node does."""

    outputs: tuple[Profile, ...]
    steps: float
    """Cycles that it is busy."""
    operations: float = 0
    words: float = 0
    """Words moved to or from memory."""
    flushes: float = 0
    """In how many bursts the outputs come, each after its share of the input; 0: as inputs come."""
    latency: float = 1
    """Cycles from the last operand of a token to the token."""
    closing: float = 0
    """Cycles that D takes."""
    written: Profile | None = None
    """What a writer writes."""


Rule = Callable[[Node], Cost]
