"""What an experiment is: cases to measure one by one, a table of them all, and a plot of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Sizes: TypeAlias = Literal["reduced", "published"]
SIZES: tuple[Sizes, ...] = ("reduced", "published")

Cell: TypeAlias = str | int | float | bool | None
Cells: TypeAlias = Mapping[str, Cell]

Drawing: TypeAlias = Any
"""A figure or axes of matplotlib, whose types are incomplete."""


@dataclass(frozen=True)
class Case:
    """One configuration. Its settings and the code determine what is measured."""

    settings: Cells

    @property
    def key(self) -> str:
        """The settings as one line of text, by which a finished case is found again."""
        return json.dumps(dict(self.settings), sort_keys=True)

    def __str__(self) -> str:
        return " ".join(str(value) for value in self.settings.values())


@dataclass(frozen=True)
class Row:
    """What was measured of one case."""

    settings: Cells
    measured: Cells

    def __getitem__(self, name: str) -> Cell:
        return self.measured[name] if name in self.measured else self.settings[name]

    def number(self, name: str) -> float:
        """A cell that holds a number."""
        return real(self[name])


@dataclass(frozen=True)
class Experiment:
    """
    The counterpart of a figure or table of the literature.

    `measure` takes the settings of one case and returns what it found, or raises `WrongValueError`;
    it may run in another process, which finds it by `name`. `tabulate` gets the rows
    that there are, in the order of the cases, and returns lines with equal columns, among them
    `published`, `ratio` (ours to the published value), `how` (simulated or estimated) and `note`.
    `available` raises `InputError` where something that the experiment needs is absent.
    """

    name: str
    title: str
    source: str
    cases: Callable[[Sizes], Sequence[Case]]
    measure: Callable[[Cells], Cells]
    tabulate: Callable[[Sequence[Row]], list[dict[str, Cell]]]
    plot: Callable[[Sequence[Mapping[str, Cell]], Drawing], None]
    available: Callable[[], None] = lambda: None


class WrongValueError(Exception):
    """A simulated value differs from the expected one, so that the cycles mean nothing."""


def real(cell: Cell) -> float:
    """A cell that holds a number."""
    assert isinstance(cell, int | float)
    return cell


def integer(cell: Cell) -> int:
    """A cell that holds a whole number."""
    assert isinstance(cell, int)
    return cell


def ratio(ours: Cell, published: Cell) -> float | None:
    """Ours to the published value, where there is one."""
    if isinstance(ours, int | float) and isinstance(published, int | float):
        return ours / published
    return None
