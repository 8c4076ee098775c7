"""Studies as CSV, in the columns of the reference, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from headrace.autotune.rows import configuration, joined, number, split
from headrace.autotune.study import Study
from headrace.autotune.trial import Trial
from headrace.storage.atomic import replace_file
from headrace.storage.errors import InputError

VALID, TIMESTAMP = "Valid", "Timestamp"
"""Columns that the reference writes: "True" or "False", and milliseconds since the start."""

OURS = ("failure", "censored_at", "cost")
"""Columns that only we write: what a trial was told besides."""


@dataclass(frozen=True)
class Reading:
    """What became of the lines of a file."""

    told: int
    repeated: int
    """Lines of configurations that the study has told already; the first result is kept."""
    infeasible: int
    """Lines of configurations that break a constraint of the space; they are left out."""


def write_csv(study: Study, path: str | Path) -> None:
    """Write one line for each trial that was told: parameters, objectives, validity, time."""
    first, *others = study.settings.objectives
    names = [*study.space.names, first, *others, VALID, TIMESTAMP, *OURS]
    lines = [joined(names)]
    trials = [trial for trial in study.history() if trial.finished is not None]
    start = min((trial.asked for trial in trials), default=0.0)
    for trial in trials:
        assert trial.finished is not None
        lines.append(
            joined(
                [
                    *(trial.configuration.get(name) for name in study.space.names),
                    trial.value,
                    *(trial.measurements.get(name) for name in others),
                    trial.state == "done",
                    round((trial.finished - start) * 1000),
                    trial.failure or None,
                    trial.censored_at,
                    trial.cost,
                ]
            )
        )
    replace_file(path, ("\n".join(lines) + "\n").encode())


def read_csv(study: Study, path: str | Path, *, valid: str = VALID, true: str = "True") -> Reading:
    """
    Tell a study the evaluations of a file of the reference, or of one that `write_csv` wrote.

    Lines of which column `valid`, if there is one, is not `true` are failures of class `run`.
    Columns that the study has no use for are ignored. Raises `InputError` with the line that cannot
    be read; lines before it were told.
    """
    path = Path(path)
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if not lines:
        raise InputError(f"{path} is empty; the first line must name the columns")
    names = split(lines[0])
    counts = {"told": 0, "repeated": 0, "infeasible": 0}
    for place, line in enumerate(lines[1:], start=2):
        if line.strip():
            try:
                counts[_read(study, names, line, valid, true)] += 1
            except InputError as error:
                raise InputError(f"{path}:{place}: {error}") from error
    return Reading(**counts)


def write_json(study: Study, path: str | Path) -> None:
    """Write all that is known of a study: its space, settings, trials and the reports of them."""
    content = {
        "name": study.name,
        "seed": study.seed,
        "settings": study.settings.description(),
        "space": study.space.description,
        "trials": [asdict(trial) for trial in study.history()],
        "reports": {str(number): report for number, report in study.reports()},
        "failures": {str(number): report["message"] for number, report in study.reports("failure")},
    }
    replace_file(path, (json.dumps(content, indent=1) + "\n").encode())


def _read(study: Study, names: list[str], line: str, valid: str, true: str) -> str:
    """Tell one line; what became of it, as a field of `Reading`."""
    fields = dict(zip(names, _as_many(split(line), names), strict=True))
    values = configuration(study.space, fields)
    if not study.space.contains(study.space.point(values)[None])[0]:
        return "infeasible"
    if _is_told(study.find(values)):
        return "repeated"
    cost = number(fields["cost"], "cost") if fields.get("cost") else None
    first, *others = study.settings.objectives
    if fields.get("censored_at"):
        study.tell(values, censored_at=number(fields["censored_at"], "censored_at"), cost=cost)
    elif valid in fields and fields[valid] != true:
        study.tell(values, failure=fields.get("failure") or "run", cost=cost)
    else:
        for name in study.settings.objectives:
            if name not in fields:
                raise InputError(f"there is no column '{name}' for the objective")
        measured = {name: number(fields[name], name) for name in others}
        study.tell(values, number(fields[first], first), cost=cost, measurements=measured)
    return "told"


def _as_many(fields: list[str], names: list[str]) -> list[str]:
    if len(fields) != len(names):
        raise InputError(f"{len(fields)} fields where there are {len(names)} columns")
    return fields


def _is_told(trial: Trial | None) -> bool:
    return trial is not None and trial.finished is not None
