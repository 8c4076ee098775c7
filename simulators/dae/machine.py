"""
Descriptions of access-execute machines: every number that the timing takes from hardware.

The defaults are the machine that Ember (CGO 2026) evaluates: 96 cores, each with a traversal unit
that reads ahead of it. A description is read from TOML:

    [dae]
    lanes = 16
    outstanding = 128

    [dae.core]
    loop_exit = 20.0

Clocks are counted in cycles of the core. docs/design/access_execute_timing.md says where the
numbers come from.
"""

import math
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from headrace.storage.errors import InputError

SECTIONS = ("memory", "step", "dae")
"""The sections that a file may have; those of other targets are left to them."""


def _number(default: Any, least: float, most: float) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True)
class CoreCosts:
    """
    Core cycles of what a case of the execute side does; `cost.py` counts, this prices.

    Raises `InputError` for a number out of bounds.
    """

    dispatch: float = _number(4.0, 0, 1e6)
    """To pop a control token and reach its case."""
    scalar_pop: float = _number(0.55, 0, 1e6)
    """To pop a word."""
    vector_pop: float = _number(0.1025, 0, 1e6)
    """To pop a vector at an aligned address of the queue."""
    misalignment: float = _number(1.39, 0, 1e6)
    """More, for a vector behind a scalar word."""
    scalar_operation: float = _number(0.22, 0, 1e6)
    """One scalar load, store or arithmetic operation that nothing waits for."""
    vector_operation: float = _number(0.1025, 0, 1e6)
    """One vector load, store or arithmetic operation that nothing waits for."""
    loop_exit: float = _number(28.3, 0, 1e6)
    """To leave a loop, of the access unit or of a case: a branch that is mispredicted."""
    reduction: float = _number(8.0, 0, 1e6)
    """To add the lanes of a vector into one scalar on which the case waits."""
    function: float = _number(12.0, 0, 1e6)
    """One division, root, exponential or other slow scalar operation."""

    def __post_init__(self) -> None:
        _check("dae.core", self)


@dataclass(frozen=True)
class DaeMachine:
    """
    An access-execute machine.

    Raises `InputError` for a number out of bounds.
    """

    cores: int = _number(96, 1, 2**16)
    """Each with an access unit and a private L2."""
    core_clock: float = _number(2.4, 1e-3, 1e3)
    """GHz."""
    access_clock: float = _number(1.0, 1e-3, 1e3)
    """GHz, of the access unit."""

    layers: int = _number(4, 1, 64)
    """Loops that an access unit can nest."""
    lanes: int = _number(8, 1, 64)
    """Elements of the longest vector."""
    storage_bytes: int = _number(8192, 64, 2**30)
    """Of the buffers of all streams of an access unit."""
    outstanding: int = _number(256, 1, 2**20)
    """Lines that an access unit may have requested and not yet received."""
    lines_per_cycle: float = _number(1.0, 1e-3, 1e3)
    """Lines that an access unit requests, per cycle of its clock."""
    words_per_cycle: float = _number(8.0, 1e-3, 1e3)
    """Words that an access unit writes into the data queue, per cycle of its clock."""
    latency_l2: float = _number(12.0, 0, 1e6)
    """Core cycles from the request of a line that L2 holds to its arrival in the access unit."""
    latency_llc: float = _number(60.0, 0, 1e6)
    latency_memory: float = _number(260.0, 0, 1e6)

    queue_words: int = _number(8192, 1, 2**30)
    """Words that the data queue holds; it lies in L2."""
    queue_chunks: int = _number(2, 1, 2**10)
    """Parts of the data queue that are filled and emptied in turn."""
    queue_tokens: int = _number(8192, 1, 2**30)
    """Tokens that the control queue holds."""

    line_bytes: int = _number(64, 8, 4096)
    l2_kib: float = _number(512.0, 0, 2**20)
    """Of each core."""
    l2_usable: float = _number(0.5, 0, 1)
    """Share of L2 that the queue and the outputs leave for lines that are read."""
    llc_kib: float = _number(1024.0, 0, 2**20)
    """Share of a core in the last-level cache."""
    memory_bandwidth: float = _number(3360.0, 1e-3, 1e9)
    """GB/s of all cores together."""

    cpu_latency_l2: float = _number(20.0, 0, 1e6)
    """Core cycles that the core alone, without an access unit, waits for a lookup that L2 holds."""
    cpu_latency_llc: float = _number(75.0, 0, 1e6)
    cpu_latency_memory: float = _number(265.0, 0, 1e6)
    cpu_lines: int = _number(8, 1, 1024)
    """Lines of one row that the core alone has in flight."""

    core: CoreCosts = field(default_factory=CoreCosts)

    def __post_init__(self) -> None:
        _check("dae", self)
        if self.queue_words < self.queue_chunks:
            raise InputError(
                f"dae.queue_chunks of a machine is {self.queue_chunks}, more than the "
                f"{self.queue_words} words of its queue; give fewer"
            )

    @property
    def chunk_words(self) -> int:
        """Words of one chunk of the data queue."""
        return self.queue_words // self.queue_chunks

    @property
    def clock_ratio(self) -> float:
        """Core cycles in a cycle of the access unit."""
        return self.core_clock / self.access_clock

    @property
    def line_issue(self) -> float:
        """Core cycles between two requests of an access unit."""
        return self.clock_ratio / self.lines_per_cycle

    @property
    def word_marshal(self) -> float:
        """Core cycles that an access unit takes to write a word into the data queue."""
        return self.clock_ratio / self.words_per_cycle

    @property
    def line_transfer(self) -> float:
        """Core cycles between two lines from memory, at the share of one core."""
        return self.line_bytes * self.cores * self.core_clock / self.memory_bandwidth

    @property
    def l2_lines(self) -> int:
        """Lines that are read and stay in L2."""
        return int(self.l2_kib * 1024 * self.l2_usable) // self.line_bytes

    @property
    def llc_lines(self) -> int:
        return int(self.llc_kib * 1024) // self.line_bytes

    @staticmethod
    def load(path: str | Path) -> "DaeMachine":
        """
        Read the section [dae] of a file; what is not named keeps its default.

        Raises `InputError` for a file that cannot be read or has no such section, for an unknown
        name and for a number out of bounds.
        """
        try:
            text = tomllib.loads(Path(path).read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"cannot read the machine description '{path}': {error}") from None
        if unknown := set(text) - set(SECTIONS):
            raise InputError(
                f"'{path}': there is no section '{min(unknown)}'; use "
                + ", ".join(f"[{name}]" for name in SECTIONS)
            )
        if "dae" not in text:
            raise InputError(
                f"'{path}' does not describe an access-execute machine; add the section [dae]"
            )
        section = _section("dae", text["dae"], path)
        core = _section("dae.core", section.pop("core", {}), path)
        _expect_names("dae.core", core, CoreCosts, path)
        _expect_names("dae", section, DaeMachine, path)
        try:
            return DaeMachine(**section, core=CoreCosts(**core))
        except InputError as error:
            raise InputError(f"'{path}': {error}") from None


def _section(name: str, section: object, path: str | Path) -> dict[str, Any]:
    if not isinstance(section, dict):
        raise InputError(f"'{path}': {name} must be a section; write [{name}] above its keys")
    return dict(cast(dict[str, Any], section))


def _expect_names(
    name: str, section: dict[str, Any], description: type[Any], path: str | Path
) -> None:
    names = [part.name for part in fields(description) if part.metadata]
    for key in section:
        if key not in names:
            raise InputError(f"'{path}': [{name}] has no '{key}'; it has {', '.join(names)}")


def _check(name: str, description: DaeMachine | CoreCosts) -> None:
    """That each number is a whole number where the default is one, and within its bounds."""
    for part in fields(description):
        if not part.metadata:
            continue
        value = getattr(description, part.name)
        whole = isinstance(part.default, int)
        kind = int if whole else int | float
        least, most = part.metadata["least"], part.metadata["most"]
        numeric = isinstance(value, kind) and not isinstance(value, bool)
        if not numeric or not math.isfinite(value) or not least <= value <= most:
            raise InputError(
                f"{name}.{part.name} of a machine is {value!r}; give a "
                f"{'whole ' if whole else ''}number from {least:g} to {most:g}"
            )
