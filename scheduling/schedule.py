"""
A schedule as data: how products are bracketed, where regions end, and what each region does.

Written as a pass pipeline it is what `headrace-opt`, `headrace run` and a pipeline file take.

Source: "FuseFlow", ASPLOS 2026, section 7 (the schedule's choices).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.storage.files import write_bytes


@dataclass(frozen=True)
class Lanes:
    """Axis number `axis` of a region dealt to `factor` lanes."""

    axis: int
    factor: int
    balance: str = "turns"


@dataclass(frozen=True)
class RegionSchedule:
    """How one region is computed; by default in its legal order, by one lane, with its zeros."""

    priority: tuple[int, ...] | None = None
    """The order of the axes, taken literally."""
    lanes: tuple[Lanes, ...] = ()
    drops: bool = False
    """Whether zeros that functions make are dropped before they are read."""

    def passes(self, region: int) -> Iterator[str]:
        """The passes that give region number `region` this schedule."""
        if self.priority:
            order = ",".join(map(str, self.priority))
            yield f"sam-order{{region={region} priority={order} copies=any}}"
        for lanes in self.lanes:
            yield (
                f"sam-parallelize{{region={region} axis={lanes.axis} factor={lanes.factor} "
                f"balance={lanes.balance}}}"
            )


@dataclass(frozen=True)
class Schedule:
    """Everything that the passes are told about one function."""

    forms: tuple[int, ...]
    """The bracketing of each chain of products, by its number; see `sam-associate`."""
    cuts: tuple[int, ...]
    """The numbers of the operations that begin a region, in program order."""
    drops: tuple[int, ...]
    """The numbers of the operations whose zeros are dropped."""
    regions: tuple[RegionSchedule, ...]

    @property
    def passes(self) -> tuple[str, ...]:
        """The passes with their options, in the order in which they run."""
        associate = [f"sam-associate{{forms={_numbers(self.forms)}}}"] if self.forms else []
        drops = [f"sam-drop-zeros{{which={_numbers(self.drops)}}}"] if self.drops else []
        cuts = f" cuts={_numbers(self.cuts)}" if self.cuts else ""
        chosen = [one for n, region in enumerate(self.regions) for one in region.passes(n)]
        return *associate, *drops, f"sam-fuse{{regions=all{cuts}}}", *chosen, "sam-lower"

    @property
    def pipeline(self) -> str:
        """The pass spec, as in `headrace run --pipeline`."""
        return ",".join(self.passes)

    def save(self, path: str | Path) -> None:
        """Write a pipeline file (TOML), whole or not at all."""
        lines = ",\n".join(f'  "{one}"' for one in self.passes)
        write_bytes(Path(path), f"[pipeline]\npasses = [\n{lines},\n]\n".encode())


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
