"""
What travels on the streams of a tensor program, as far as time depends on it.

Tiles have a shape and a number of valid rows, but no numbers: a timing simulation needs those only
of addresses, lengths and selectors.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, TypeAlias

from headrace.simulators.stream.reference_step_process import Element

INTEGER_BYTES = 8


@dataclass(frozen=True)
class Tile:
    """`rows` x `columns`; rows from `valid` on are padding."""

    rows: int
    columns: int
    element_bytes: int
    valid: int
    resident: bool = False
    """Whether it lies in a memory unit, from where an operator must read it."""

    @property
    def bytes(self) -> int:
        return self.elements * self.element_bytes

    @property
    def elements(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class Integer:
    """An address, an index or a length."""

    value: int
    resident: bool = False

    @property
    def bytes(self) -> int:
        return INTEGER_BYTES


@dataclass(frozen=True)
class Selector:
    """Which of `count` are selected, in ascending order."""

    hot: tuple[int, ...]
    count: int
    resident: bool = False

    @property
    def bytes(self) -> int:
        return self.count


@dataclass(frozen=True)
class Buffer:
    """A handle to elements that lie in a memory unit; handing it on costs nothing."""

    elements: tuple[Element, ...]
    resident: bool = False

    @property
    def bytes(self) -> int:
        return 0


Value: TypeAlias = Tile | Integer | Selector | Buffer


def placed(value: Value, resident: bool) -> Value:
    """The value in a memory unit, or not."""
    return value if value.resident == resident else replace(value, resident=resident)


@dataclass(frozen=True)
class Costs:
    """Cycles to move values to and from memory units of `bandwidth` bytes per cycle."""

    bandwidth: int
    element_bytes: int

    def load(self, value: Value) -> int:
        return ceil(value.bytes / self.bandwidth) if value.resident else 0

    def store(self, value: Value, write_back: bool) -> int:
        return ceil(value.bytes / self.bandwidth) if write_back else 0


def compute_cycles(operations: int, bandwidth: int) -> int:
    """Cycles of `operations` at `bandwidth` per cycle; a bandwidth of 0 is free."""
    return ceil(operations / bandwidth) if bandwidth else 0


UNARY_OPERATIONS = {"Silu": 8, "Exp": 4}
"""Per element."""


def unary(fn: str, x: Tile, bandwidth: int) -> tuple[Tile, int]:
    """The result of a unary function, and its cycles."""
    if fn == "RowWiseSum":
        return replace(x, columns=1), compute_cycles(x.elements, bandwidth)
    return x, compute_cycles(UNARY_OPERATIONS[fn] * x.elements, bandwidth)


ONE_CYCLE = ("SetOffset", "RowWiseAppend", "CacheWriteAddrGen", "SignalReqAllRead")
"""Functions that take a cycle whatever the bandwidth is."""


def binary(fn: dict[str, Any], a: Value, b: Value, bandwidth: int) -> tuple[Value, int]:
    """The result of a binary function, and its cycles."""
    match fn["fn"]:
        case "Matmul" | "DynMatmul":
            assert isinstance(a, Tile)
            assert isinstance(b, Tile)
            columns = b.rows if fn["weight_transposed"] else b.columns
            operations = 2 * a.rows * a.columns * columns
            return replace(a, columns=columns), compute_cycles(operations, bandwidth)
        case "SetOffset":
            assert isinstance(a, Tile)
            assert isinstance(b, Integer)
            return replace(a, valid=b.value), 1
        case "RowWiseAppend":
            assert isinstance(a, Tile)
            return replace(a, valid=a.valid + 1), 1
        case "CacheWriteAddrGen":
            assert isinstance(a, Integer)
            assert isinstance(b, Integer)
            return Integer(a.value * fn["row_offset"] + b.value - 1), 1
        case _:
            assert isinstance(a, Tile)
            assert isinstance(b, Tile)
            taller = b if a.rows == 1 != b.rows else a
            out = replace(taller, columns=b.columns if a.columns == 1 else a.columns)
            return out, compute_cycles(out.elements, bandwidth)
