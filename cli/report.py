"""What the commands print: tables for people, one JSON object for programs."""

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from headrace.storage.errors import InputError
from headrace.storage.files import write_bytes

FILE_WIDTH = 120
"""Columns of a table that goes to a file or another program."""


def print_json(report: object) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(report, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table whose numbers are aligned and grouped by thousands."""
    table = Table(title=title, title_justify="left")
    listed = [list(row) for row in rows]
    for number, column in enumerate(columns):
        present = [row[number] for row in listed if row[number] is not None]
        numeric = bool(present) and all(isinstance(value, int | float) for value in present)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=number == 0)
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(table)


@contextmanager
def progress(quiet: bool) -> Generator[Progress]:
    """Show a progress bar on stderr while work goes on, if a person is looking."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        yield bar


def write_text(path: str | Path, text: str) -> None:
    """Write a text file at once."""
    write_bytes(Path(path), text.encode())


def make_folder(path: str) -> Path:
    """Return the folder, made if it is missing."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder '{path}' cannot be made: {error.strerror}") from None
    return folder


def _cell(value: object) -> str:
    match value:
        case bool() | None:
            return {None: "-", True: "yes", False: "no"}[value]
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.3g}"
        case _:
            return str(value)
