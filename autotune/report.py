"""
What a study found: as plain data, as text, as pictures, and as one page that needs no other file.

The pictures: convergence (values by trial, and the best so far), slices (values by each parameter),
importance (inverse lengthscales, where the strategy reports them), and the front of two objectives.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from headrace.autotune.study import Study
from headrace.autotune.trial import Trial
from headrace.storage.atomic import replace_file

Axes = Any
"""Of matplotlib, whose types are incomplete."""

COLUMNS = 4
"""Slices side by side."""


def summary(study: Study) -> dict[str, Any]:
    """The outcome of a study as plain data; times in seconds."""
    trials = study.history()
    best, front = study.best(), study.front()
    seconds = [report["cpu_seconds"] for _, report in study.reports()]
    return {
        "study": study.name,
        "strategy": study.settings.strategy,
        "seed": study.seed,
        "configurations": study.space.count,
        "trials": dict(Counter(trial.state for trial in trials)),
        "failures": dict(Counter(trial.failure for trial in trials if trial.failure)),
        "charged": study.charged(),
        "best": None if best is None else _found(study, best),
        "front": [_found(study, trial) for trial in front] if _has_front(study) else [],
        "importance": importance(study),
        "evaluation_seconds": sum(trial.cost for trial in trials if trial.cost is not None),
        "proposal_cpu_seconds": median(seconds) if seconds else None,
    }


def text(study: Study) -> str:
    """The outcome of a study for a terminal."""
    found = summary(study)
    states = ", ".join(f"{count} {state}" for state, count in found["trials"].items())
    lines = [f"study {found['study']}: {states or 'no trials'}"]
    for kind, count in found["failures"].items():
        lines.append(f"failure {kind}: {count}")
    if found["best"] is None:
        lines.append("no trial has a value yet")
    else:
        best = found["best"]
        costs = ", ".join(f"{name} {cost:g}" for name, cost in best["objectives"].items())
        lines.append(f"best (trial {best['number']}): {costs}")
        lines += [f"  {name} = {value}" for name, value in best["configuration"].items()]
    for one in found["front"]:
        costs = ", ".join(f"{name} {cost:g}" for name, cost in one["objectives"].items())
        lines.append(f"front (trial {one['number']}): {costs}")
    for name, share in found["importance"].items():
        lines.append(f"importance of {name}: {share:.0%}")
    return "\n".join(lines)


def importance(study: Study) -> dict[str, float]:
    """
    The share of each parameter in the sum of inverse lengthscales, largest first.

    From the latest proposal that reports "lengthscales"; empty if none does.
    """
    reported = [one["lengthscales"] for _, one in study.reports() if "lengthscales" in one]
    if not reported:
        return {}
    inverse = {name: 1 / length for name, length in reported[-1].items()}
    total = sum(inverse.values())
    ranked = sorted(inverse.items(), key=lambda item: -item[1])
    return {name: one / total for name, one in ranked}


def pictures(study: Study) -> dict[str, bytes]:
    """The pictures there are, as PNG, by name."""
    found = {"convergence": _convergence(study), "slices": _slices(study)}
    if importance(study):
        found["importance"] = _importance(study)
    if _has_front(study):
        found["front"] = _front(study)
    return found


def write_pictures(study: Study, folder: str | Path) -> list[Path]:
    """Write the pictures to NAME.png in a folder, which is made; their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, picture in pictures(study).items():
        paths.append(folder / f"{name}.png")
        replace_file(paths[-1], picture)
    return paths


def write_page(study: Study, path: str | Path) -> None:
    """Write the outcome, the pictures and all trials as one HTML file."""
    shown = "".join(
        f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,'
        f'{base64.b64encode(picture).decode()}">\n'
        for name, picture in pictures(study).items()
    )
    title = html.escape(f"study {study.name}")
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font-family:sans-serif;margin:2em;max-width:75em}img{max-width:100%}"
        "table{border-collapse:collapse;font-size:small}"
        "td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left}</style></head>\n"
        f"<body><h1>{title}</h1>\n<pre>{html.escape(text(study))}</pre>\n"
        f"{shown}<h2>trials</h2>\n{_table(study)}</body></html>\n"
    )
    replace_file(path, page.encode())


def _found(study: Study, trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "objectives": dict(zip(study.settings.objectives, study.costs(trial), strict=True)),
        "configuration": dict(trial.configuration),
    }


def _has_front(study: Study) -> bool:
    return len(study.settings.objectives) > 1


def _table(study: Study) -> str:
    names = study.space.names
    further = study.settings.objectives[1:]
    first = study.settings.objectives[0]
    head = ["trial", "origin", "state", first, *further, "cost / s", *names]
    rows = [
        [
            trial.number,
            trial.origin,
            trial.failure or trial.state,
            trial.value,
            *(trial.measurements.get(name) for name in further),
            trial.cost,
            *(trial.configuration.get(name) for name in names),
        ]
        for trial in study.history()
    ]
    return (
        "<table>" + "\n".join([_row("th", head), *(_row("td", row) for row in rows)]) + "</table>"
    )


def _row(tag: str, cells: list[Any]) -> str:
    shown = ("" if one is None else f"{one:g}" if isinstance(one, float) else one for one in cells)
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(one))}</{tag}>" for one in shown) + "</tr>"


def _valued(study: Study) -> list[Trial]:
    return [one for one in study.history() if one.state == "done" and one.fidelity == 1]


def _scale(axes: Axes, values: list[float]) -> None:
    if values and min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")


def _convergence(study: Study) -> bytes:
    figure, axes = _figure(7, 4)
    trials = _valued(study)
    numbers, values = [one.number for one in trials], [one.value or 0.0 for one in trials]
    best = [min(values[: place + 1]) for place in range(len(values))]
    axes.plot(numbers, values, "o", markersize=4, color="#999999", label="value")
    axes.step(numbers, best, where="post", color="#4c72b0", label="best so far")
    ended = {"failed": "#c44e52", "censored": "#dd8452"}
    for state, colour in ended.items():
        wrong = [one.number for one in study.history() if one.state == state]
        if wrong:
            low = [0.02] * len(wrong)
            placed = axes.get_xaxis_transform()
            axes.plot(wrong, low, "x", color=colour, transform=placed, label=state)
    _scale(axes, values)
    axes.set_xlabel("trial")
    axes.set_ylabel(study.settings.objectives[0])
    axes.legend()
    return _png(figure)


def _slices(study: Study) -> bytes:
    trials, names = _valued(study), study.space.names
    rows = math.ceil(len(names) / COLUMNS)
    figure, _ = _figure(3 * COLUMNS, 2.6 * rows, empty=True)
    values = [one.value or 0.0 for one in trials]
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, COLUMNS, place + 1)
        here = [
            (one.configuration[name], value, one.number)
            for one, value in zip(trials, values, strict=True)
            if name in one.configuration
        ]
        labels = [one for one, _, _ in here]
        if any(isinstance(one, str | tuple) for one in labels):
            ordered = sorted(set(labels))
            axes.set_xticks(range(len(ordered)), [_short(one) for one in ordered], rotation=90)
            places = [ordered.index(one) for one in labels]
        else:
            places = labels
            if getattr(study.space.parameters[place], "transform", "none") == "log":
                axes.set_xscale("log", base=2)
        numbers = [number for _, _, number in here]
        axes.scatter(places, [value for _, value, _ in here], c=numbers, s=12, cmap="viridis")
        _scale(axes, values)
        axes.set_title(name, fontsize=9)
    return _png(figure)


def _short(label: str | tuple[int, ...]) -> str:
    """Permutations without commas."""
    return label if isinstance(label, str) else "".join(map(str, label))


def _importance(study: Study) -> bytes:
    shares = importance(study)
    figure, axes = _figure(6, 0.5 + 0.35 * len(shares))
    axes.barh(list(shares)[::-1], list(shares.values())[::-1], color="#4c72b0")
    axes.set_xlabel("share of the inverse lengthscales")
    return _png(figure)


def _front(study: Study) -> bytes:
    figure, axes = _figure(6, 4)
    first, second = study.settings.objectives[:2]
    for trials, style, label in ((_valued(study), "o", "trials"), (study.front(), "s-", "front")):
        costs = [study.costs(trial) for trial in trials]
        colour = "#999999" if label == "trials" else "#4c72b0"
        axes.plot(
            [one[0] for one in costs],
            [one[1] for one in costs],
            style,
            markersize=4,
            color=colour,
            label=label,
        )
    axes.set_xlabel(first)
    axes.set_ylabel(second)
    axes.legend()
    return _png(figure)


def _figure(width: float, height: float, *, empty: bool = False) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, None if empty else figure.add_subplot()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # Without the version of matplotlib, so that equal studies give equal files.
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
