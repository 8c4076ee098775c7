"""`headrace experiments`: lists the experiments, runs them, compares with what is published."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headrace.cli.report import print_json, print_table
from headrace.experiments.experiment import Cell
from headrace.experiments.lock import alone
from headrace.experiments.registry import MODULES, load
from headrace.experiments.runner import Study
from headrace.storage.errors import InputError


def experiments(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status, 1 if a case failed."""
    names: list[str] = options.names
    if options.action == "list":
        if names:
            raise InputError(f"'experiments list' takes no names; run {' '.join(names)} instead")
        if options.again:
            raise InputError("'experiments list' forgets no rows; --again goes with 'run NAME'")
        _list(options)
        return 0
    if not names:
        raise InputError(f"name what to run: all, or some of {', '.join(MODULES)}")
    studies = _studies(names, options)
    for study in studies:
        study.journal.prepare()
    failures = 0
    reports: list[dict[str, Any]] = []
    for study in studies:
        with alone(study.folder):
            failures += _run(study, options)
            study.write()
        reports.append(_report(study))
        if not options.json:
            _print(study)
    if options.json:
        print_json({"experiments": reports, "failures": failures})
    return 1 if failures else 0


def _studies(names: Sequence[str], options: argparse.Namespace) -> list[Study]:
    """What to run: `all` leaves out, saying so, what needs data that are absent."""
    studies: dict[str, Study] = {}
    for name in names:
        for one in MODULES if name == "all" else [name]:
            study = _study(one, options)
            try:
                study.experiment.available()
            except InputError as error:
                if name != "all":
                    raise
                print(f"skipped: {one}: {error}", file=sys.stderr)
            else:
                studies[one] = study
    return list(studies.values())


def _study(name: str, options: argparse.Namespace) -> Study:
    folder = Path(options.out) / name
    if options.sizes == "published":
        folder /= "published"
    return Study(load(name), options.sizes, folder)


def _run(study: Study, options: argparse.Namespace) -> int:
    """Measure what is missing; returns how many cases failed."""
    if options.again:
        study.journal.clear()
    try:
        return _measure(study, options)
    except KeyboardInterrupt:
        left, done = study.cases()
        kept = f"{len(done)} of {len(done) + len(left)} rows of {study.experiment.name} kept"
        print(f"stopped; {kept}, run again to go on", file=sys.stderr)
        raise


def _measure(study: Study, options: argparse.Namespace) -> int:
    """Measure with a bar for a person, or a line for each row in a file."""
    failed = 0
    left, done = study.cases()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    in_lines = not options.json and not console.is_terminal
    quiet = options.json or in_lines
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=quiet
    ) as bar:
        total = len(left) + len(done)
        task = bar.add_task(study.experiment.name, total=total, completed=len(done))
        for measured, (case, outcome) in enumerate(study.measure(options.jobs), len(done) + 1):
            bar.update(task, advance=1, description=f"{study.experiment.name}: {case}")
            if isinstance(outcome, Exception):
                failed += 1
                text = " ".join(str(outcome).split())
                print(f"error: {study.experiment.name}: {case}: {text}", file=sys.stderr)
            elif in_lines:
                place = f"{measured} of {total}"
                print(f"{study.experiment.name}: {place}: {case}", file=sys.stderr, flush=True)
    return failed


def _list(options: argparse.Namespace) -> None:
    studies = [_study(name, options) for name in MODULES]
    if options.json:
        print_json({"experiments": [_report(study) for study in studies]})
        return
    rows: list[Sequence[object]] = []
    for study in studies:
        left, done = study.cases()
        files = ", ".join(path.name for path in study.files if path.exists()) or "-"
        measured = f"{len(done)} of {len(done) + len(left)}"
        one = study.experiment
        rows.append((one.name, one.source, one.title, measured, files))
    print_table("Experiments", ("name", "source", "what", "measured", "files"), rows)
    print(f"sizes: {options.sizes}; folder: {options.out}")


def _report(study: Study) -> dict[str, Any]:
    left, done = study.cases()
    one = study.experiment
    return {
        "name": one.name,
        "source": one.source,
        "title": one.title,
        "sizes": study.sizes,
        "cases": len(left) + len(done),
        "measured": len(done),
        "files": [str(path) for path in study.files if path.exists()],
        "table": json.loads(json.dumps(study.table())),
    }


def _print(study: Study) -> None:
    """The table; what is the same on every line and notes, which are sentences, stand below it."""
    lines = study.table()
    if not lines:
        print(f"{study.experiment.name}: nothing is measured")
        return
    notes: dict[Cell, int] = {}
    for line in lines:
        if line["note"]:
            notes.setdefault(line["note"], len(notes) + 1)
    names = [name for name in lines[0] if name not in ("note", "error")]
    varying = [name for name in names if len({line[name] for line in lines}) > 1 or len(lines) == 1]
    columns = [*varying, "note"] if notes else varying
    shown = [
        [str(notes.get(line[name], "")) if name == "note" else line[name] for name in columns]
        for line in lines
    ]
    print_table(f"{study.experiment.source}: {study.experiment.title}", columns, shown)
    for note, number in notes.items():
        print(f"note {number}: {note}")
    same = {name: lines[0][name] for name in names if name not in varying}
    if same:
        print(f"on every line: {', '.join(f'{name} {value}' for name, value in same.items())}")
    errors = [line["error"] for line in lines if isinstance(line["error"], float)]
    if errors:
        print(f"largest error of a value: {max(errors):.2g}")
    print(f"written: {', '.join(str(path) for path in study.files)}")
