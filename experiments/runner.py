"""Runs the cases of an experiment, keeps each row at once, and writes table and plot."""

import csv
import io
import multiprocessing
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from headrace.experiments.experiment import (
    Case,
    Cell,
    Cells,
    Drawing,
    Experiment,
    Row,
    Sizes,
)
from headrace.experiments.journal import Journal, code_version
from headrace.experiments.registry import load
from headrace.experiments.workers import end_with_parent
from headrace.storage.files import write_bytes

Outcome = Row | Exception


@dataclass(frozen=True)
class Study:
    """An experiment at some sizes whose rows and results are in a folder."""

    experiment: Experiment
    sizes: Sizes
    folder: Path
    """Here are `rows.jsonl` and `NAME.csv`, `NAME.png`, `NAME.svg`."""

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "rows.jsonl", code_version())

    @property
    def files(self) -> tuple[Path, ...]:
        """The results that `write` writes."""
        return tuple(self.folder / f"{self.experiment.name}.{end}" for end in ("csv", "png", "svg"))

    def cases(self) -> tuple[list[Case], list[Row]]:
        """The cases still to measure, and the rows of the others."""
        rows = self.journal.rows()
        cases = self.experiment.cases(self.sizes)
        left = [case for case in cases if case.key not in rows]
        return left, [rows[case.key] for case in cases if case.key in rows]

    def measure(self, jobs: int = 1) -> Generator[tuple[Case, Outcome]]:
        """
        Measure the cases that have no row yet, `jobs` at a time, and keep each row at once.

        A case that fails gives its error, and the others go on.
        """
        left, _ = self.cases()
        journal = self.journal
        for case, outcome in _outcomes(self.experiment, left, jobs):
            if isinstance(outcome, Row):
                journal.append(outcome)
            yield case, outcome

    def table(self) -> list[dict[str, Cell]]:
        """The table of the rows that there are."""
        _, rows = self.cases()
        return self.experiment.tabulate(rows)

    def write(self) -> None:
        """Write the table as CSV and the plot as PNG and SVG, if there are rows."""
        from matplotlib.figure import Figure

        lines = self.table()
        if not lines:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        figure: Drawing = Figure(layout="constrained")
        self.experiment.plot(lines, figure)
        to_csv, *drawings = self.files
        write_bytes(to_csv, text.getvalue().encode())
        for path in drawings:
            drawn = io.BytesIO()
            figure.savefig(drawn, format=path.suffix[1:], dpi=150)
            write_bytes(path, drawn.getvalue())


def _outcomes(
    experiment: Experiment, cases: Sequence[Case], jobs: int
) -> Iterator[tuple[Case, Outcome]]:
    if jobs == 1 or len(cases) < 2:
        for case in cases:
            yield case, _outcome(case, lambda: experiment.measure(case.settings))
        return
    # Workers are spawned, not forked: numba and torch have threads in this process.
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(jobs, len(cases)), context, end_with_parent) as pool:
        futures = {pool.submit(_measure, experiment.name, case.settings): case for case in cases}
        try:
            for future in as_completed(futures):
                case = futures[future]
                yield case, _outcome(case, future.result)
        except BaseException:
            # Whoever stops the run does not want to wait for the cases that are being measured.
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise


def _measure(name: str, settings: Cells) -> Cells:
    # torch calls its sparse layouts beta; whoever runs an experiment did not choose them.
    warnings.filterwarnings("ignore", message="Sparse ", category=UserWarning)
    return load(name).measure(settings)


def _outcome(case: Case, measure: Callable[[], Cells]) -> Outcome:
    try:
        return Row(case.settings, measure())
    except Exception as error:
        return error
