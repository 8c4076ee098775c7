"""A study: what it asks, what it may be told, and what its file keeps."""

import itertools
import json
import math
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from headrace.autotune import lease
from headrace.autotune.parameter import Categorical, Integer, Ordinal, Permutation, Real
from headrace.autotune.space import Space
from headrace.autotune.store import MIGRATIONS, Store
from headrace.autotune.strategy import SpaceExhausted, listed
from headrace.autotune.study import Study, minimize
from headrace.autotune.study_settings import StudySettings
from headrace.autotune.trial import Trial
from headrace.storage.errors import InputError
from headrace.tests.killing import CHAINED, SPACE, value_of
from headrace.tests.objectives import bowl

RANDOM = StudySettings(strategy="random")
CHEAP = StudySettings(
    options={"candidates": 60, "starts": 1, "incumbents": 1, "coupled": 4, "steps": 3, "spread": 40}
)
NAMES = ("headrace", "random", "walk", "exhaustive")


def ten() -> Space:
    return Space([Integer("x", low=0, high=9)])


def tied() -> Space:
    chunk = Ordinal("chunk", values=(2, 4, 8), transform="log")
    return Space([chunk, Ordinal("unroll", values=(2, 4, 8))], ["unroll < chunk"])


def run(study: Study, count: int) -> list[dict[str, Any]]:
    """Ask and tell, by the function of the killed searches."""
    asked: list[dict[str, Any]] = []
    for _ in range(count):
        trial = study.ask()
        asked.append(dict(trial.configuration))
        value = value_of(trial.configuration)
        study.tell(trial, value, failure="" if value is not None else "run")
    return asked


def test_ask_gives_numbers_in_order_and_feasible_configurations() -> None:
    study = Study.open(None, tied(), settings=RANDOM)
    trials = study.ask(2)
    assert [trial.number for trial in trials] == [0, 1]
    assert all(trial.configuration["unroll"] < trial.configuration["chunk"] for trial in trials)
    assert all(trial.state == "pending" for trial in study.history())


@pytest.mark.parametrize("strategy", NAMES)
def test_every_strategy_asks_each_configuration_once_and_then_says_so(strategy: str) -> None:
    study = Study.open(None, tied(), settings=StudySettings(strategy=strategy))
    trials = study.ask(5)
    assert sorted((one.configuration["chunk"], one.configuration["unroll"]) for one in trials) == [
        (4, 2),
        (8, 2),
        (8, 4),
    ]
    with pytest.raises(SpaceExhausted, match="all 3 configurations"):
        study.ask()


@pytest.mark.parametrize("strategy", NAMES)
def test_a_space_smaller_than_the_budget_ends_the_search(strategy: str) -> None:
    study = Study.open(None, ten(), settings=StudySettings(strategy=strategy))
    summary = study.optimize(bowl, 30)
    assert (summary.reason, summary.charged) == ("exhausted", 10)
    assert summary.best is not None
    assert summary.best.configuration == {"x": 5}


def test_told_configurations_are_not_asked() -> None:
    study = Study.open(None, tied(), settings=RANDOM)
    study.tell({"chunk": 8, "unroll": 4}, 1.0)
    assert {8, 4} not in [set(one.configuration.values()) for one in study.ask(2)]
    with pytest.raises(SpaceExhausted):
        study.ask()


def test_exhaustive_lists_in_order() -> None:
    study = Study.open(None, tied(), settings=StudySettings(strategy="exhaustive"))
    asked = [tuple(one.configuration.values()) for one in study.ask(3)]
    assert asked == [(4, 2), (8, 2), (8, 4)]


def test_listing_a_space_gives_every_point_once() -> None:
    space = Space([*tied().parameters, Permutation("p", length=4)], ["unroll < chunk", "p_0 < p_1"])
    points = listed(space)
    assert len(points) == space.count == len(set(space.keys(points))) == 3 * 12
    assert space.contains(points).all()


def test_a_space_that_cannot_be_listed_is_refused() -> None:
    study = Study.open(None, Space([Real("x")]), settings=StudySettings(strategy="exhaustive"))
    with pytest.raises(InputError, match="the space has too many points"):
        study.ask()


def test_the_same_seed_and_history_ask_the_same(tmp_path: Path) -> None:
    first = Study.open(None, SPACE, 7, CHEAP)
    second = Study.open(tmp_path / "s.db", SPACE, 7, CHEAP)
    asked = run(first, 14)
    # Other random numbers must not matter, nor a restart in between.
    np.random.default_rng().normal()
    found = run(second, 8)
    second.close()
    found += run(Study.open(tmp_path / "s.db", SPACE, 7, CHEAP), 6)
    assert found == asked


def test_another_seed_asks_something_else() -> None:
    assert run(Study.open(None, SPACE, 1, RANDOM), 5) != run(Study.open(None, SPACE, 2, RANDOM), 5)


def test_results_may_come_in_any_order() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trials = study.ask(3)
    for trial, value in zip(reversed(trials), (3.0, 1.0, 2.0), strict=True):
        study.tell(trial, value)
    assert [trial.value for trial in study.history()] == [2.0, 1.0, 3.0]
    best = study.best()
    assert best is not None
    assert best.number == 1


def test_telling_the_same_again_has_no_effect() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    study.tell(trial, 1.5, measurements={"bytes": 8})
    before = study.history()
    study.tell(trial, 1.5, measurements={"bytes": 8})
    assert study.history() == before


@pytest.mark.parametrize(
    "other",
    [{"value": 2.5}, {"failure": "run"}, {"censored_at": 1.5}],
    ids=["value", "fail", "cut"],
)
def test_telling_something_else_is_refused(other: dict[str, Any]) -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    study.tell(trial, 1.5)
    with pytest.raises(InputError, match=r"trial 0 was told the value 1\.5 before"):
        study.tell(trial, **other)
    assert study.history()[0].value == 1.5


def test_a_foreign_configuration_is_a_trial_that_no_budget_counts() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    told = study.tell({"x": 3}, 0.5)
    assert (told.origin, told.state, study.charged()) == ("told", "done", 0)
    assert study.best() == told


def test_a_configuration_that_is_pending_may_be_told_by_its_values() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    # 4.0 is 4: configurations are compared in the canonical form.
    study.tell({"x": float(trial.configuration["x"])}, 0.5)
    assert [one.state for one in study.history()] == ["done"]


def test_foreign_configurations_must_be_feasible() -> None:
    study = Study.open(None, tied(), settings=RANDOM)
    with pytest.raises(InputError, match="breaks a known constraint"):
        study.tell({"chunk": 2, "unroll": 8}, 1.0)
    with pytest.raises(InputError, match="no value for parameter 'unroll'"):
        study.tell({"chunk": 2}, 1.0)


def test_a_trial_of_another_study_is_refused() -> None:
    one, other = (Study.open(None, SPACE, seed, RANDOM) for seed in (0, 1))
    trial = one.ask()
    with pytest.raises(InputError, match="has no trial 0"):
        other.tell(trial, 1.0)
    other.ask()
    with pytest.raises(InputError, match="is of another study"):
        other.tell(trial, 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_refused_with_advice(value: float) -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    wrong: list[dict[str, Any]]
    wrong = [{"value": value}, {"censored_at": value}, {"value": 1.0, "cost": value}]
    for told in wrong:
        with pytest.raises(InputError, match="tell a failure"):
            study.tell(trial, **told)
    with pytest.raises(InputError, match="tell a failure"):
        study.tell(trial, 1.0, measurements={"bytes": value})
    assert study.history()[0].state == "pending"


def test_one_result_is_told_at_a_time() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    wrong: list[dict[str, Any]]
    wrong = [{}, {"value": 1.0, "failure": "run"}, {"value": 1.0, "censored_at": 2.0}]
    for told in wrong:
        with pytest.raises(InputError, match="a trial is told one of"):
            study.tell(trial, **told)


def test_a_logarithm_that_was_asked_for_must_exist() -> None:
    study = Study.open(None, ten(), settings=StudySettings(strategy="random", log_objective=True))
    with pytest.raises(InputError, match="has no logarithm"):
        study.tell(study.ask(), 0.0)


def test_failures_have_any_class_and_keep_their_message() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    trial = study.ask()
    study.tell(trial, failure="out-of-registers", message="37 of 32", cost=0.25)
    assert study.history()[0].failure == "out-of-registers"
    assert study.history()[0].cost == 0.25
    assert study.reports("failure") == [(0, {"message": "37 of 32"})]
    assert study.best() is None


def test_a_censored_trial_is_never_the_best() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    study.tell({"x": 1}, censored_at=0.5)
    assert study.best() is None
    study.tell({"x": 2}, 3.0)
    best = study.best()
    assert best is not None
    assert best.value == 3.0
    assert study.ask().state == "pending"


def test_free_failures_are_not_charged_and_do_not_go_on_for_ever() -> None:
    def fails(configuration: Mapping[str, Any]) -> float:
        if configuration["x"] % 2:
            raise RuntimeError("odd")
        return float(configuration["x"])

    free = StudySettings(strategy="random", free=("run",))
    study = Study.open(None, ten(), settings=free)
    summary = study.optimize(fails, 5)
    assert summary.charged == 5
    assert summary.best is not None
    assert summary.best.configuration == {"x": 0}

    def always(_: Mapping[str, Any]) -> float:
        raise RuntimeError("always")

    summary = Study.open(None, Space([Real("x")]), settings=free).optimize(always, 3)
    assert (summary.best, summary.charged, summary.reason) == (None, 0, "free failures")


def test_a_cheaper_fidelity_is_kept_apart() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    study.tell({"x": 1}, 0.1, fidelity=0.5)
    study.tell({"x": 1}, 4.0)
    best = study.best()
    assert best is not None
    assert best.value == 4.0


def test_several_objectives_are_kept_and_their_front_is_known() -> None:
    study = Study.open(
        None, ten(), settings=StudySettings(strategy="random", objectives=("time", "kB"))
    )
    for x, (seconds, size) in enumerate([(1, 9), (2, 5), (3, 6), (2, 5), (4, 1)]):
        study.tell({"x": x}, seconds, measurements={"kB": size})
    assert [study.costs(trial) for trial in study.front()] == [(1, 9), (2, 5), (2, 5), (4, 1)]
    with pytest.raises(InputError, match="without the objective 'kB'"):
        study.tell({"x": 8}, 1.0)


def test_first_configurations_are_asked_first_if_they_are_feasible() -> None:
    first = ({"chunk": 2, "unroll": 8}, {"chunk": 8, "unroll": 4})
    with pytest.warns(UserWarning, match="breaks the constraint 'unroll < chunk'"):
        study = Study.open(None, tied(), settings=StudySettings(strategy="random", first=first))
    trial = study.ask()
    assert (trial.origin, trial.configuration) == ("given", {"chunk": 8, "unroll": 4})
    assert study.ask().origin == "random"


def test_the_default_of_the_space_is_asked_first() -> None:
    parameters = [
        Integer("x", low=0, high=9, default=4),
        Categorical("c", values=("a", "b"), default="b"),
    ]
    trial = Study.open(None, Space(parameters), settings=RANDOM).ask()
    assert (trial.origin, trial.configuration) == ("given", {"x": 4, "c": "b"})
    with pytest.warns(UserWarning, match="breaks the constraint 'x < 4'"):
        study = Study.open(None, Space(parameters, ["x < 4"]), settings=RANDOM)
    assert study.ask().origin == "random"


def test_a_report_says_why_a_point_was_asked_and_what_that_took() -> None:
    study = Study.open(None, ten())
    report = study.suggest_report(study.ask())
    assert report["origin"] == "design"
    assert report["seconds"] >= 0
    assert report["cpu_seconds"] >= 0
    assert study.suggest_report(study.tell({"x": 3}, 1.0)) in ({}, report)


def test_unknown_strategies_and_options_are_refused() -> None:
    with pytest.raises(InputError, match="no strategy 'magic'; choose from headrace"):
        Study.open(None, ten(), settings=StudySettings(strategy="magic"))
    with pytest.raises(InputError, match="does not take these options"):
        Study.open(None, ten(), settings=StudySettings(options={"magic": 1}))
    with pytest.raises(InputError, match="the seed is -1"):
        Study.open(None, ten(), -1)
    with pytest.raises(InputError, match="must be at least 1"):
        Study.open(None, ten()).optimize(bowl, 0)


# C9: with little to learn from, a search still works.

MIXED = Space(
    [
        Real("r", low=0.1, high=2.0, transform="log"),
        Integer("i", low=0, high=20),
        Ordinal("o", values=(1, 2, 4)),
        Categorical("c", values=("a", "b")),
        Permutation("p", length=3),
    ],
    ["i < 18"],
)


def only(valid: int) -> Any:
    """A function of which the first `valid` calls have a value."""
    calls = itertools.count()

    def function(configuration: Mapping[str, Any]) -> float:
        if next(calls) >= valid:
            raise RuntimeError("invalid")
        return 1.0 + configuration["i"]

    return function


@pytest.mark.parametrize("valid", [0, 1, 2])
def test_few_valid_points(valid: int) -> None:
    study = minimize(only(valid), MIXED, 14, settings=CHEAP)
    assert [trial.state for trial in study.history()] == ["done"] * valid + ["failed"] * (
        14 - valid
    )
    assert (study.best() is None) == (valid == 0)


def test_a_constant_objective() -> None:
    study = minimize(lambda _: 1.0, MIXED, 14, settings=CHEAP)
    best = study.best()
    assert best is not None
    assert (study.charged(), best.number) == (14, 0)


def test_an_objective_of_any_sign() -> None:
    study = minimize(lambda one: one["i"] - 9.0, MIXED, 14, settings=CHEAP)
    assert study.charged() == 14


@pytest.mark.parametrize("strategy", NAMES)
def test_one_feasible_configuration(strategy: str) -> None:
    space = Space([Integer("x", low=0, high=9), Categorical("c", values=("a",))], ["x > 8"])
    study = minimize(bowl, space, 5, strategy=strategy)
    assert [trial.configuration for trial in study.history()] == [{"x": 9, "c": "a"}]


def test_only_reals() -> None:
    space = Space([Real("a"), Real("b")])
    study = minimize(lambda one: 1 + one["a"] + one["b"], space, 15, settings=CHEAP)
    assert study.charged() == 15


@pytest.mark.parametrize("strategy", NAMES)
def test_a_budget_of_one(strategy: str) -> None:
    study = minimize(bowl, ten(), 1, strategy=strategy)
    assert study.charged() == 1


# C11: leases.


def test_a_worker_that_is_gone_loses_its_trials(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    ask = (
        "from headrace.tests.killing import *; "
        f"print(Study.open({str(path)!r}, SPACE, 3, CHAINED).ask().number); import os; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", ask], check=True)
    study = Study.open(path, SPACE, 3, CHAINED)
    assert study.history()[0].state == "pending"
    trial = study.ask()
    assert trial.number == 0
    assert len(study.reports("abandoned")) == 1
    assert study.ask().number == 1


def test_a_worker_of_elsewhere_keeps_its_trial_while_its_heart_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.db"
    with monkeypatch.context() as patched:
        patched.setattr(lease, "_machine", lambda: "elsewhere")
        there = Study.open(path, ten(), settings=RANDOM)
        first = there.ask()
    here = Study.open(path, ten(), settings=RANDOM)
    assert here.ask().number == 1
    age = "UPDATE trial SET heartbeat = heartbeat - 3600 WHERE number = 0"
    with sqlite3.connect(path) as connection:
        connection.execute(age)
    connection.close()
    again = here.ask()
    assert (again.number, again.configuration) == (0, first.configuration)
    # It was only slow: the first result holds, and another is refused.
    there.tell(first, 1.0)
    with pytest.raises(InputError, match="a trial has one result"):
        here.tell(again, 2.0)


def test_released_trials_are_asked_again() -> None:
    study = Study.open(None, ten(), settings=RANDOM)
    first, second = study.ask(2)
    study.release([first])
    assert [trial.state for trial in study.history()] == ["abandoned", "pending"]
    assert study.ask().configuration == first.configuration
    study.tell(second, 1.0)


def test_a_search_that_is_interrupted_gives_its_trial_back() -> None:
    def interrupted(_: Mapping[str, Any]) -> float:
        raise KeyboardInterrupt

    study = Study.open(None, ten(), settings=RANDOM)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(interrupted, 3)
    assert [trial.state for trial in study.history()] == ["abandoned"]
    assert study.optimize(bowl, 3).charged == 3
    assert len(study.history()) == 3


# The file.


def test_a_result_is_there_when_tell_returns(tmp_path: Path) -> None:
    one = Study.open(tmp_path / "s.db", ten(), settings=RANDOM)
    other = Study.open(tmp_path / "s.db", ten(), settings=RANDOM)
    trial = one.ask()
    assert [each.state for each in other.history()] == ["pending"]
    one.tell(trial, 1.5, measurements={"bytes": 4.0}, cost=0.5)
    found = other.history()[0]
    assert (found.value, found.measurements, found.cost) == (1.5, {"bytes": 4.0}, 0.5)
    assert other.ask().number == 1


def test_several_processes_share_a_file_and_ask_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    script = f"from headrace.tests.killing import *; search({str(path)!r}, 60)"
    children = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    trials = Study.open(path, SPACE, 3, CHAINED).history()
    # Each may begin one trial before it sees that the others have reached the budget.
    assert 60 <= len(trials) <= 62
    assert len({json.dumps(trial.configuration) for trial in trials}) == len(trials)
    told = [line for line in journal(path) if line.startswith("told")]
    assert len(told) == len(set(told)) == len(trials)


def journal(path: Path) -> list[str]:
    return Path(f"{path}.journal").read_text().splitlines()


def expect_nothing_lost(path: Path) -> None:
    """The file has what the journal says, and what a search has that nobody kills."""
    lines = journal(path)
    trials = Study.open(path, SPACE, 3, CHAINED).history()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    known = {trial.number: trial for trial in trials}
    for line in lines:
        word, number, result = line.split(" ", 2)
        trial = known[int(number)]
        assert result == f"{dict(trial.configuration) if word == 'asked' else trial.value}"
    told = [line for line in lines if line.startswith("told")]
    assert len(told) == len(set(told))
    whole = Study.open(None, SPACE, 3, CHAINED)
    assert run(whole, len(trials)) == [dict(trial.configuration) for trial in trials]
    assert [one.value for one in whole.history()] == [trial.value for trial in trials]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def expect_killed(path: Path, kills: int) -> None:
    command = [sys.executable, "-m", "headrace.tests.killing", str(path), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Every fifth was killed in an evaluation, the others anywhere.
    assert int(done.stdout.removesuffix(" trials lost their worker\n")) >= kills // 5
    expect_nothing_lost(path)


def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    expect_killed(tmp_path / "s.db", 100)


@pytest.mark.slow
def test_a_thousand_kills_lose_nothing(tmp_path: Path) -> None:
    expect_killed(tmp_path / "s.db", 1000)


def test_another_space_setting_or_seed_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Study.open(path, tied(), settings=RANDOM).close()
    values = Ordinal("unroll", values=(2, 4))
    chunk = Ordinal("chunk", values=(2, 4, 8), transform="log")
    with pytest.raises(InputError, match="has another parameter 'unroll'"):
        Study.open(path, Space([chunk, values], ["unroll < chunk"]), settings=RANDOM)
    values = Ordinal("unroll", values=(2, 4, 8))
    with pytest.raises(InputError, match="has another space's constraints"):
        Study.open(path, Space([chunk, values]), settings=RANDOM)
    with pytest.raises(InputError, match="has another order of the parameters"):
        Study.open(path, Space([values, chunk], ["unroll < chunk"]), settings=RANDOM)
    with pytest.raises(InputError, match="another setting 'strategy': random there, headrace here"):
        Study.open(path, tied())
    with pytest.raises(InputError, match="another seed: 0 there, 5 here"):
        Study.open(path, tied(), 5, settings=RANDOM)
    Study.open(path, ten(), name="another").close()
    with Study.open(path, tied(), settings=RANDOM) as study:
        assert study.ask().number == 0


def test_a_file_that_is_no_study_file_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but longer than the header of one " * 40)
    with pytest.raises(InputError, match=r"cannot use .*notes\.txt as a study file"):
        Store(text)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(InputError, match="is a database of another program"):
        Store(other)
    with pytest.raises(InputError, match="cannot open the study file"):
        Store(tmp_path / "missing" / "s.db")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(InputError, match="written by a newer headrace"):
        Store(path)


def test_budgets_add_up_over_calls_and_processes(tmp_path: Path) -> None:
    first = minimize(bowl, ten(), 3, strategy="random", path=tmp_path / "s.db")
    first.close()
    second = minimize(bowl, ten(), 5, strategy="random", path=tmp_path / "s.db")
    assert second.charged() == 5
    assert second.optimize(bowl, 5).reason == "budget"
    assert len(second.history()) == 5


@given(orders=st.lists(st.sampled_from(["ask", "tell", "fail", "release", "reopen"]), max_size=30))
@hypothesis_settings(max_examples=30, deadline=None)
def test_whatever_is_done_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, orders: list[str]
) -> None:
    """Nothing is asked twice, and what was told stays."""
    path = tmp_path_factory.mktemp("study") / "s.db"
    study = Study.open(path, ten(), settings=RANDOM)
    open_: list[Trial] = []
    told: dict[int, float | None] = {}
    for order in orders:
        if order == "ask" and len(open_) + len(told) < 10:
            open_.append(study.ask())
        elif order in ("tell", "fail") and open_:
            trial = open_.pop()
            told[trial.number] = 1.5 if order == "tell" else None
            study.tell(trial, told[trial.number], failure="" if order == "tell" else "run")
        elif order == "release":
            study.release()
            open_ = []
        elif order == "reopen":
            study.close()
            study, open_ = Study.open(path, ten(), settings=RANDOM), []
    trials = study.history()
    assert len({trial.configuration["x"] for trial in trials}) == len(trials)
    assert {one.number: one.value for one in trials if one.finished is not None} == told
    study.close()
