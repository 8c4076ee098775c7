"""Evaluations: whatever they do is an outcome."""

import concurrent.futures
import shlex
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from headrace.autotune.command import Command
from headrace.autotune.executors import InProcess, LocalProcesses, Pool, dask
from headrace.autotune.parameter import Integer
from headrace.autotune.space import Space
from headrace.autotune.study import Study
from headrace.autotune.study_settings import StudySettings
from headrace.autotune.trial import Outcome, Trial, evaluate
from headrace.storage.errors import InputError
from headrace.tests.objectives import bowl, misbehaving

TEN = Space([Integer("x", low=0, high=9)])
LISTED = StudySettings(strategy="exhaustive")


def test_what_a_function_does_is_an_outcome() -> None:
    found = {x: evaluate(misbehaving, {"x": x}) for x in range(3, 9)}
    assert [one.failure for one in found.values()] == ["memory", "compile", "run", "", "", "run"]
    assert found[4].message == "no such register"
    assert found[5].message == "the function returned nan, which is no value"
    assert found[6].censored_at == 9.0
    assert (found[7].value, found[7].measurements) == (2.0, {"bytes": 64.0})
    assert found[8].message == "ValueError: x is too large"
    assert all(one.cost is not None for one in found.values())


@pytest.mark.parametrize("result", ["1", None, float("inf"), Outcome(value=float("nan"))])
def test_what_is_no_number_is_a_failure(result: Any) -> None:
    assert evaluate(lambda _: result, {}).failure == "run"


def command(code: str, failures: Mapping[int, str] | None = None) -> Command:
    """Python code with x as its argument."""
    return Command(f"{sys.executable} -c {shlex.quote(code)} {{x}}", failures or {})


def test_a_command_prints_its_value() -> None:
    study = Study.open(None, TEN, settings=LISTED)
    bowl_of_text = command("import sys; print('warming up'); print((int(sys.argv[1]) - 1) ** 2)")
    assert study.optimize(bowl_of_text, 3).best == study.history()[1]
    assert [trial.value for trial in study.history()] == [1.0, 0.0, 1.0]
    assert Command("run --order={p} {p}").arguments({"p": (2, 0, 1)}) == [
        "run",
        "--order=2,0,1",
        "2,0,1",
    ]


@pytest.mark.parametrize(
    ("code", "failure", "message"),
    [
        ("import sys; print('bad', file=sys.stderr); sys.exit(3)", "verify", "bad"),
        ("import sys; sys.exit(4)", "run", ""),
        ("import os; os.kill(os.getpid(), 9)", "memory", ""),
        ("print('fast')", "run", "the command printed no value but 'fast'"),
        ("pass", "run", "the command printed no value but ''"),
        ("print('nan')", "run", "the function returned nan, which is no value"),
    ],
)
def test_a_command_that_fails_has_a_class(code: str, failure: str, message: str) -> None:
    found = evaluate(command(code, {3: "verify"}), {"x": 1})
    assert (found.value, found.failure, found.message) == (None, failure, message)


def test_a_command_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="names 'tile', which is no parameter; there are x"):
        Command("run {tile}").arguments({"x": 1})
    with pytest.raises(InputError, match="cannot be read: No closing quotation"):
        Command("run 'x")


def test_a_search_that_stops_leaves_nothing_in_an_executor() -> None:
    def stop(_: Trial) -> None:
        raise KeyboardInterrupt

    with closing(LocalProcesses(2)) as executor:
        study = Study.open(None, TEN, settings=LISTED)
        with pytest.raises(KeyboardInterrupt):
            study.optimize(bowl, 10, executor=executor, progress=stop)
        other = Study.open(None, TEN, settings=LISTED)
        other.optimize(misbehaving, 9, executor=executor, timeout=2.0)
        assert other.history()[1].failure == "run"
        assert other.history()[7].value == 2.0


def test_a_time_out_needs_a_process_to_kill() -> None:
    study = Study.open(None, TEN, settings=LISTED)
    with pytest.raises(InputError, match="use local processes for a time-out"):
        study.optimize(bowl, 3, executor=InProcess(), timeout=1.0)
    assert study.history()[0].state == "abandoned"


def test_processes_that_hang_or_die_are_failures_and_the_search_goes_on() -> None:
    study = Study.open(None, TEN, settings=LISTED)
    summary = study.optimize(misbehaving, 10, workers=2, timeout=3.0)
    assert summary.charged == 10
    failures = [trial.failure for trial in study.history()]
    assert failures == [
        "timeout",
        "run",
        "memory",
        "memory",
        "compile",
        "run",
        "",
        "",
        "run",
        "run",
    ]
    assert study.history()[0].cost == 3.0
    messages = {number: report["message"] for number, report in study.reports("failure")}
    assert messages[0] == "it took longer than 3 s"
    assert messages[1] == "the process of the evaluation ended with status 3"
    assert summary.best is not None
    assert summary.best.number == 7


def test_a_function_that_cannot_be_sent_is_refused() -> None:
    study = Study.open(None, TEN, settings=LISTED)
    with pytest.raises(InputError, match="define it at the top level of a module"):
        study.optimize(lambda _: 1.0, 3, workers=2)
    assert all(trial.state == "abandoned" for trial in study.history())


def test_processes_are_gone_when_a_search_ends() -> None:
    with closing(LocalProcesses(1)) as executor:
        Study.open(None, TEN, settings=LISTED).optimize(bowl, 2, executor=executor)
        processes = [worker.process for worker in executor._idle]  # pyright: ignore[reportPrivateUsage]
        assert len(processes) == 1
        assert processes[0].is_alive()
    assert not processes[0].is_alive()


def test_a_pool_runs_as_many_as_it_has_workers() -> None:
    running = threading.Semaphore(3)
    both = threading.Barrier(2, timeout=60)

    def function(configuration: Mapping[str, Any]) -> float:
        assert running.acquire(blocking=False), "more run than there are workers"
        both.wait()
        running.release()
        return bowl(configuration)

    study = Study.open(None, TEN, settings=LISTED)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        summary = study.optimize(function, 10, executor=Pool(threads, 2))
    assert [trial.failure for trial in study.history()] == [""] * 10
    assert summary.best is not None
    assert summary.best.configuration == {"x": 5}


def test_what_a_pool_takes_too_long_for_fails() -> None:
    go_on = threading.Event()

    def function(configuration: Mapping[str, Any]) -> float:
        if configuration["x"] == 0:
            go_on.wait(60)
        return bowl(configuration)

    study = Study.open(None, TEN, settings=LISTED)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        study.optimize(function, 4, executor=Pool(threads, 2), timeout=0.5)
        go_on.set()
    assert [trial.failure for trial in study.history()] == ["timeout", "", "", ""]


def test_a_pool_whose_worker_dies_reports_a_failure() -> None:
    broken = concurrent.futures.Future[Outcome]()
    broken.set_exception(OSError("the worker is gone"))

    class Broken(concurrent.futures.Executor):
        def submit(self, *_: Any, **__: Any) -> concurrent.futures.Future[Any]:
            return broken

    study = Study.open(None, TEN, settings=LISTED)
    study.optimize(bowl, 1, executor=Pool(Broken(), 1))
    assert study.reports("failure") == [(0, {"message": "OSError: the worker is gone"})]


def test_a_dask_cluster_needs_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'dask\[distributed\]'"):
        dask("tcp://localhost:8786")


def test_a_dask_cluster_evaluates() -> None:
    distributed: Any = pytest.importorskip("distributed", reason="Dask is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as one:
        study = Study.open(None, TEN, settings=LISTED)
        summary = study.optimize(bowl, 10, executor=dask(one.scheduler_address))
    assert summary.best is not None
    assert summary.best.configuration == {"x": 5}
