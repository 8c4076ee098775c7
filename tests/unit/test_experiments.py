"""Experiments: rows that survive, values that are checked, tables, plots, and the command."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.cli.main import main
from headrace.experiments import registry
from headrace.experiments.experiment import (
    SIZES,
    Case,
    Cell,
    Cells,
    Drawing,
    Experiment,
    Row,
    Sizes,
    WrongValueError,
)
from headrace.experiments.fuseflow.fig15_sparsity import adjacency
from headrace.experiments.fuseflow.measure import TOLERANCE, difference
from headrace.experiments.fuseflow.published import caution, published
from headrace.experiments.journal import Journal, code_version
from headrace.experiments.lock import alone
from headrace.experiments.runner import Study


def squares(sizes: Sizes) -> list[Case]:
    return [Case({"n": n}) for n in range(3 if sizes == "reduced" else 5)]


def square(settings: Cells) -> Cells:
    n = settings["n"]
    assert isinstance(n, int)
    return {"cycles": n * n, "error": 0.0, "how": "simulated"}


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    return [
        {
            "n": row["n"],
            "cycles": row["cycles"],
            "published": None,
            "ratio": None,
            "error": row["error"],
            "how": row["how"],
            "note": "a square",
        }
        for row in rows
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.add_subplot().plot([line["cycles"] for line in lines])


SQUARES = Experiment("squares", "squares of numbers", "nowhere", squares, square, tabulate, plot)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(SQUARES, "reduced", tmp_path)


def measured(study: Study) -> list[Cell]:
    """What a run measures now."""
    return [case.settings["n"] for case, _ in study.measure()]


def test_a_run_measures_every_case_once(study: Study) -> None:
    assert measured(study) == [0, 1, 2]
    assert measured(study) == []
    assert [line["cycles"] for line in study.table()] == [0, 1, 4]


def test_a_run_that_was_stopped_goes_on_where_it_was(study: Study) -> None:
    running = study.measure()
    next(running)
    next(running)
    running.close()
    assert measured(study) == [2]


def test_a_broken_last_line_is_measured_again_and_swallows_no_row(study: Study) -> None:
    measured(study)
    path = study.journal.path
    path.write_bytes(path.read_bytes()[:-9])
    assert measured(study) == [2]
    assert measured(study) == []


def test_rows_of_other_code_and_other_settings_are_not_used(study: Study) -> None:
    old = Journal(study.journal.path, "another version")
    old.append(Row({"n": 0}, {"cycles": 7}))
    study.journal.append(Row({"n": 1, "density": 0.5}, {"cycles": 7}))
    assert measured(study) == [0, 1, 2]


def test_the_version_is_that_of_the_code_on_which_values_depend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("passes/__init__.py", "passes/lower.py", "tests/__init__.py", "out/lower.py"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    monkeypatch.setattr("headrace.__file__", str(tmp_path / "__init__.py"))
    before = code_version()
    for file in ("tests/__init__.py", "out/lower.py", "passes/notes.md"):
        (tmp_path / file).write_text("x = 2\n")
        assert code_version() == before, file
    (tmp_path / "passes/lower.py").write_text("x = 2\n")
    assert code_version() != before


def test_a_case_that_fails_is_no_row_and_the_others_go_on(study: Study) -> None:
    def wrong(settings: Cells) -> Cells:
        if settings["n"] == 1:
            raise WrongValueError("a value is wrong")
        return square(settings)

    failing = replace(study, experiment=replace(SQUARES, measure=wrong))
    outcomes = {case.settings["n"]: outcome for case, outcome in failing.measure()}
    assert isinstance(outcomes.pop(1), WrongValueError)
    assert all(isinstance(outcome, Row) for outcome in outcomes.values())
    assert measured(study) == [1]


def test_cases_run_in_processes_too(tmp_path: Path) -> None:
    def two(sizes: Sizes) -> list[Case]:
        return [Case({"order": order}) for order in ("ikjl", "ijkl")]

    chains = replace(registry.load("fig18"), cases=two)
    study = Study(chains, "reduced", tmp_path)
    assert all(isinstance(outcome, Row) for _, outcome in study.measure(jobs=2))
    assert [line["order"] for line in study.table()][:2] == ["ikjl", "ijkl"]


PARENT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from headrace.experiments.workers import end_with_parent

if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), end_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def test_a_worker_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, str(tmp_path / "parent.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        if not Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker goes on without its parent")


def test_table_and_plot_are_written(study: Study) -> None:
    measured(study)
    study.write()
    table, png, svg = study.files
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert [line["cycles"] for line in lines] == ["0", "1", "4"]
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in svg.read_text()


def test_values_are_compared_relative_to_the_largest() -> None:
    expected = np.array([1e6, 1.0])
    assert difference(expected, expected) == 0
    assert difference(expected * (1 + 1e-12), expected) < TOLERANCE
    for wrong in (expected + 1e-2, np.array([np.nan, 1.0]), expected[:1]):
        with pytest.raises(WrongValueError):
            difference(wrong, expected)


@pytest.mark.parametrize("name", registry.MODULES)
def test_every_experiment_has_different_cases_at_all_sizes(name: str) -> None:
    experiment = registry.load(name)
    assert experiment.name == name
    for sizes in SIZES:
        cases = experiment.cases(sizes)
        assert cases
        assert len({case.key for case in cases}) == len(cases)


@pytest.mark.parametrize("name", registry.MODULES)
def test_an_experiment_without_rows_has_no_results(name: str, tmp_path: Path) -> None:
    study = Study(registry.load(name), "reduced", tmp_path)
    study.write()
    assert study.table() == []
    assert not any(path.exists() for path in study.files)


@pytest.mark.parametrize("pattern", ["uniform", "block", "power law"])
def test_a_pattern_has_the_sparsity_asked_for(pattern: str) -> None:
    matrix = adjacency(200, pattern, 0.9, np.random.default_rng(0))
    assert matrix.diagonal().all()
    assert matrix.mean() == pytest.approx(0.1, rel=0.1)


def test_a_power_law_has_hubs() -> None:
    def squared_degrees(pattern: str) -> float:
        graph = adjacency(200, pattern, 0.9, np.random.default_rng(0))
        return float((graph.sum(axis=1) ** 2).sum())

    assert squared_degrees("power law") > 1.2 * squared_degrees("uniform")


def test_published_values_are_found_by_their_settings() -> None:
    assert published("fig12", model="GCN", data="Cora")["partial"] == 29_997_611
    assert published("fig12", model="GCN", data="Citeseer") == {}
    assert "1.94" in caution(model="SAE", data="ImageNet", schedule="full")
    assert caution(model="GCN", data="Cora", schedule="partial") == ""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["experiments", *arguments])
    streams = capsys.readouterr()
    return status, streams.out, streams.err


def replace_experiments(monkeypatch: pytest.MonkeyPatch, experiment: Experiment) -> None:
    def load(name: str) -> Experiment:
        assert name == "squares"
        return experiment

    monkeypatch.setattr("headrace.cli.experiments.MODULES", {"squares": ""})
    monkeypatch.setattr("headrace.cli.experiments.load", load)


def test_the_command_lists_runs_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_experiments(monkeypatch, SQUARES)
    out = ("--out", str(tmp_path), "--jobs", "1")
    assert "0 of 3" in run(capsys, *out)[1]
    status, text, _ = run(capsys, "run", "squares", *out)
    assert status == 0
    assert "note 1: a square" in text
    assert "largest error of a value: 0" in text
    assert "3 of 3" in run(capsys, "list", *out)[1]
    assert "0 of 5" in run(capsys, "--sizes", "published", *out)[1]
    report: dict[str, Any] = json.loads(
        run(capsys, "run", "all", "squares", "--again", "--json", *out)[1]
    )
    (one,) = report["experiments"]
    assert (one["cases"], one["measured"], report["failures"]) == (3, 3, 0)
    assert len(one["files"]) == 3


def test_the_command_fails_if_a_value_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(settings: Cells) -> Cells:
        raise WrongValueError("a value is wrong by 1")

    replace_experiments(monkeypatch, replace(SQUARES, measure=wrong))
    status, _, errors = run(capsys, "run", "squares", "--out", str(tmp_path), "--jobs", "1")
    assert status == 1
    assert errors.count("a value is wrong by 1") == 3


def test_a_second_run_in_a_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_experiments(monkeypatch, SQUARES)
    command = ("run", "squares", "--again", "--out", str(tmp_path), "--jobs", "1")
    run(capsys, *command)
    with alone(tmp_path / "squares"):
        status, _, errors = run(capsys, *command)
        assert "3 of 3" in run(capsys, "list", "--out", str(tmp_path))[1]
    assert (status, errors.count("\n")) == (2, 1)
    assert f"another run is measuring in folder '{tmp_path}/squares'; wait for it" in errors
    assert run(capsys, *command)[0] == 0


def test_a_run_that_is_interrupted_says_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(settings: Cells) -> Cells:
        if settings["n"] == 2:
            raise KeyboardInterrupt
        return square(settings)

    replace_experiments(monkeypatch, replace(SQUARES, measure=interrupted))
    status, _, errors = run(capsys, "run", "squares", "--out", str(tmp_path), "--jobs", "1")
    assert status == 130
    assert errors.endswith("stopped; 2 of 3 rows of squares kept, run again to go on\n")


def test_a_run_in_a_file_has_a_line_for_each_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_experiments(monkeypatch, SQUARES)
    command = ("run", "squares", "--out", str(tmp_path), "--jobs", "1")
    lines = run(capsys, *command)[2].splitlines()
    assert lines == ["squares: 1 of 3: 0", "squares: 2 of 3: 1", "squares: 3 of 3: 2"]
    assert run(capsys, *command, "--again", "--json")[2] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "name what to run"),
        (["run", "fig81"], "did you mean fig18?"),
        (["run", "all", "fig81"], "did you mean fig18?"),
        (["list", "fig18"], "takes no names"),
        (["list", "--again"], "--again goes with"),
        (["--out", "/etc/passwd"], "cannot be read: Not a directory"),
        (["run", "fig18", "--out", "/etc/passwd"], "cannot be written: Not a directory"),
        (["run", "fig18", "--out", "/proc/x"], "cannot be written: No such file or directory"),
        (["run", "fig18", "--jobs", "0"], "is not a number of 1 or more"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Study, "measure", None)
    status, _, errors = run(capsys, *arguments)
    assert status == 2
    assert said in errors
