"""The lines of the tables: one measure of one point beside its published value."""

from collections.abc import Iterable, Mapping, Sequence

from headrace.experiments.experiment import Cell, Cells, Row, ratio

Line = dict[str, Cell]


def line(
    point: Cells,
    measure: str,
    value: Cell,
    known: Cell = None,
    note: str = "",
    error: Cell = None,
) -> Line:
    """
    A measure of a point.

    `point` has the columns that say where; all points of a table must have the same. `known` is
    the published value, `error` that of the values, where they are compared.
    """
    return {
        **point,
        "measure": measure,
        "value": value,
        "published": known,
        "ratio": ratio(value, known),
        "error": error,
        "how": "simulated",
        "note": note,
    }


def summary(columns: Iterable[str], **known: Cell) -> dict[str, Cell]:
    """A point of some columns, of which only some are `known`."""
    return {**dict.fromkeys(columns), **known}


def chosen(lines: Iterable[Mapping[str, Cell]], **key: Cell) -> list[Mapping[str, Cell]]:
    """The lines that have all of `key`."""
    return [one for one in lines if key.items() <= one.items()]


def selected(rows: Sequence[Row], **key: Cell) -> list[Row]:
    """The rows whose settings have all of `key`."""
    return [row for row in rows if key.items() <= row.settings.items()]


def sources(rows: Sequence[Row]) -> list[Cell]:
    """Where the measured graphs are from, each once."""
    return list(dict.fromkeys(row["source"] for row in rows))
