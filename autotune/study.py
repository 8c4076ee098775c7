"""
A study: a search with a budget, asked for configurations and told what became of them.

    study = Study.open("tune.sqlite", space, seed=0)
    trial = study.ask()
    study.tell(trial, value=1.25)

The next proposal is a function of the space, the settings, the seed and the trials so far in the
order of their numbers; its random numbers come from `default_rng([seed, trials asked so far])`.
So a study goes on after a restart as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, overload

import numpy as np

from headrace.autotune.executors import Executor, InProcess, LocalProcesses
from headrace.autotune.history import History
from headrace.autotune.lease import is_alive, this_worker
from headrace.autotune.optimize import Progress, Summary, run
from headrace.autotune.parameter import Floats, Value
from headrace.autotune.same_study import expect_same
from headrace.autotune.space import Space
from headrace.autotune.store import Store, StudyRow
from headrace.autotune.strategy import Proposal, SpaceExhausted, Strategy, preset
from headrace.autotune.study_settings import StudySettings
from headrace.autotune.telling import check, is_result, said
from headrace.autotune.trial import Function, Outcome, State, Trial
from headrace.storage.errors import InputError


class Study:
    """See the module; make one with `open`."""

    def __init__(
        self, store: Store, row: StudyRow, space: Space, settings: StudySettings, lease: float
    ):
        self.space = space
        self.settings = settings
        self.seed = row.seed
        self.name = row.name
        self._store = store
        self._row = row
        self._lease = lease
        self._worker = this_worker()
        self._trials: dict[int, Trial] = {}
        self._points: dict[int, Floats] = {}
        self._revision = 0
        self._strategies: dict[bool, Strategy] = {}
        self._heart: threading.Thread | None = None
        self._closed = threading.Event()
        self._first = self._feasible_first()

    @classmethod
    def open(
        cls,
        path: str | Path | None,
        space: Space,
        seed: int = 0,
        settings: StudySettings | None = None,
        *,
        name: str = "default",
        lease: float = 60.0,
    ) -> Study:
        """
        The study `name` of a file, made if there is none; without a path it is in memory.

        A worker that gave no sign of life for `lease` seconds, or whose process is known to be
        gone, loses its trials, which are asked again. Raises `InputError` if the study exists with
        another space, seed or settings, and for settings that make no sense.
        """
        settings = settings or StudySettings()
        if seed < 0:
            raise InputError(f"the seed is {seed}; give one that is not negative")
        if not settings.objectives or len(set(settings.objectives)) < len(settings.objectives):
            raise InputError("the objectives of a study are one or more distinct names")
        preset(settings.strategy, space, True, settings.options)
        wanted = StudyRow(
            0,
            name,
            json.loads(json.dumps(space.description)),
            space.identity,
            json.loads(json.dumps(settings.description())),
            seed,
            time.time(),
        )
        store = Store(path)
        try:
            with store.writing():
                if store.study(name) is None:
                    store.add_study(wanted, _version())
                row = store.study(name)
            assert row is not None
            expect_same(row, wanted, path)
            return cls(store, row, space, settings, lease)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Give back the trials that this process did not tell, and close the file."""
        if not self._closed.is_set():
            self._closed.set()
            if self._heart is not None:
                self._heart.join()
            self.release()
            self._store.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def ask(self) -> Trial: ...

    @overload
    def ask(self, count: int) -> list[Trial]: ...

    def ask(self, count: int | None = None) -> Trial | list[Trial]:
        """
        The next trial, or up to `count` of them; on disk before this returns.

        It is feasible, and neither told nor pending. Trials of workers that are gone come first.
        Raises `SpaceExhausted` if there is nothing left.
        """
        found: list[Trial] = []
        for _ in range(1 if count is None else count):
            try:
                found.append(self._ask())
            except SpaceExhausted:
                if not found:
                    raise
                break
        self._start_heart()
        return found[0] if count is None else found

    def tell(
        self,
        trial: Trial | int | Mapping[str, Value],
        value: float | None = None,
        *,
        failure: str = "",
        censored_at: float | None = None,
        cost: float | None = None,
        measurements: Mapping[str, float] | None = None,
        message: str = "",
        fidelity: float = 1.0,
    ) -> Trial:
        """
        What became of a trial, or of a configuration that was never asked; on disk on return.

        One of `value`, `failure` (a class) and `censored_at` (the value is above that) is given.
        Telling the same again has no effect. Raises `InputError` for another result than was told
        before, for values that are not finite, and for configurations that break a constraint.
        """
        measured = {name: float(one) for name, one in (measurements or {}).items()}
        told = Outcome(value, failure, message, censored_at, cost, measured)
        check(told, self.settings)
        with self._store.writing():
            self._refresh()
            known = self._find(trial, fidelity)
            if known.state not in ("pending", "abandoned"):
                if not is_result(known, told):
                    raise InputError(
                        f"trial {known.number} was told {said(known)} before and is told "
                        f"{said(told)} now; a trial has one result"
                    )
                return known
            state: State = "done" if value is not None else "failed" if failure else "censored"
            after = replace(
                known,
                state=state,
                value=None if value is None else float(value),
                failure=failure,
                censored_at=censored_at,
                cost=cost,
                measurements=measured,
                finished=time.time(),
            )
            self._put(after)
            if message:
                self._store.note(self._row.id, after.number, "failure", {"message": message})
        self._refresh()
        return after

    def release(self, trials: Iterable[Trial] | None = None) -> None:
        """Give back pending trials of this process, all by default, to be asked again."""
        wanted = None if trials is None else {trial.number for trial in trials}
        with self._store.writing():
            self._refresh()
            for trial in list(self._trials.values()):
                if trial.state == "pending" and trial.worker == self._worker:
                    if wanted is None or trial.number in wanted:
                        self._put(replace(trial, state="abandoned"))
        self._refresh()

    def optimize(
        self,
        function: Function,
        budget: int,
        *,
        workers: int = 1,
        executor: Executor | None = None,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Summary:
        """
        Ask, evaluate and tell until the study has `budget` trials.

        Trials of earlier calls count, also of other processes; those that were told without being
        asked and the free classes of failure do not. A function that raises is a failure, see
        `trial.evaluate`. With `workers` above 1 or a `timeout` in seconds evaluations run in local
        processes, and one that takes longer is killed and fails with class `timeout`.
        """
        if budget < 1 or workers < 1:
            raise InputError(
                f"a search of {budget} evaluations with {workers} workers does nothing; "
                "both must be at least 1"
            )
        if executor is not None:
            return run(self, function, budget, executor, timeout, progress)
        apart = workers > 1 or timeout is not None
        own = LocalProcesses(workers) if apart else InProcess()
        with closing(own):
            return run(self, function, budget, own, timeout, progress)

    def history(self) -> list[Trial]:
        """All trials, by number."""
        self._refresh()
        return [self._trials[number] for number in sorted(self._trials)]

    def find(self, configuration: Mapping[str, Value]) -> Trial | None:
        """The trial of a configuration; None if there is none."""
        self._refresh()
        values = self.space.configurations(self.space.point(configuration)[None])[0]
        number = self._store.find(self._row.id, _key(values), 1.0)
        return None if number is None else self._trials[number]

    def best(self) -> Trial | None:
        """The trial of the least value, the first of equals; None while there is no value."""
        done = [trial for trial in self.history() if trial.state == "done" and trial.fidelity == 1]
        return min(done, key=lambda trial: (trial.value, trial.number), default=None)

    def front(self) -> list[Trial]:
        """The trials that no other is at least as good as in all objectives and better in one."""
        done = [trial for trial in self.history() if trial.state == "done" and trial.fidelity == 1]
        if not done:
            return []
        costs = np.array([self.costs(trial) for trial in done])
        kept = [
            trial
            for trial, cost in zip(done, costs, strict=True)
            if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()
        ]
        return sorted(kept, key=self.costs)

    def costs(self, trial: Trial) -> tuple[float, ...]:
        """The objectives of a trial that has a value."""
        assert trial.value is not None
        further = (trial.measurements[name] for name in self.settings.objectives[1:])
        return (trial.value, *further)

    def charged(self) -> int:
        """Trials that a budget counts."""
        return sum(self.is_charged(trial) for trial in self.history())

    def is_charged(self, trial: Trial) -> bool:
        """Whether a budget counts a trial."""
        ended = trial.state in ("done", "failed", "censored")
        free = trial.failure in self.settings.free or trial.origin == "told"
        return ended and not free

    def is_running(self, trial: Trial) -> bool:
        """Whether a trial is pending and its worker lives, as far as can be known."""
        return trial.state == "pending" and self._is_held(trial)

    def suggest_report(self, trial: Trial | int) -> Mapping[str, Any]:
        """Why a trial was proposed, and the seconds that took; empty if it was not proposed."""
        number = trial if isinstance(trial, int) else trial.number
        found = self._store.events(self._row.id, "proposal", number)
        return found[-1][1] if found else {}

    def reports(self, kind: str = "proposal") -> list[tuple[int, Mapping[str, Any]]]:
        """All that is known of one kind ("proposal", "failure"), with the numbers of trials."""
        return self._store.events(self._row.id, kind)

    def _ask(self) -> Trial:
        with self._store.writing():
            self._refresh()
            again = self._lost()
            now = time.time()
            if again is not None:
                trial = replace(again, state="pending", worker=self._worker, started=now)
                self._put(trial)
            else:
                trial = self._new(now)
        self._refresh()
        return trial

    def _new(self, now: float) -> Trial:
        proposal, seconds = self._propose()
        trial = Trial(
            max(self._trials, default=-1) + 1,
            self.space.configurations(proposal.point[None])[0],
            proposal.origin,
            "pending",
            now,
            worker=self._worker,
            started=now,
        )
        self._put(trial)
        report = {"origin": proposal.origin, **seconds, **proposal.report}
        self._store.note(self._row.id, trial.number, "proposal", report)
        return trial

    def _propose(self) -> tuple[Proposal, dict[str, float]]:
        wall, cpu = time.perf_counter(), time.process_time()
        history = self._history()
        known = set(self.space.keys(history.points))
        for point in self._first:
            if self.space.keys(point[None])[0] not in known:
                proposal = Proposal(point, "given")
                break
        else:
            if self.space.count is not None and len(known) >= self.space.count:
                raise SpaceExhausted(
                    f"all {self.space.count} configurations of the space have been asked or told; "
                    "widen a parameter or relax a constraint"
                )
            asked = sum(trial.origin != "told" for trial in self._trials.values())
            random = np.random.default_rng([self.seed, asked])
            proposal = self._strategy(history).propose(history, random)
        took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        return proposal, took

    def _strategy(self, history: History) -> Strategy:
        values = history.values[history.of("done", "censored")]
        wanted = self.settings.log_objective
        logarithm = bool((values > 0).all()) if wanted is None else wanted
        if logarithm not in self._strategies:
            self._strategies[logarithm] = preset(
                self.settings.strategy, self.space, logarithm, self.settings.options
            )
        return self._strategies[logarithm]

    def _history(self) -> History:
        trials = [self._trials[number] for number in sorted(self._trials)]
        trials = [trial for trial in trials if trial.fidelity == 1]
        if not trials:
            return History.empty(self.space.columns)
        for trial in trials:
            if trial.number not in self._points:
                self._points[trial.number] = self.space.point(trial.configuration)
        values = [one.censored_at if one.value is None else one.value for one in trials]
        return History(
            np.stack([self._points[trial.number] for trial in trials]),
            np.array([math.nan if value is None else value for value in values]),
            np.array(["pending" if one.state == "abandoned" else one.state for one in trials]),
            np.array([trial.failure for trial in trials]),
        )

    def _lost(self) -> Trial | None:
        """The first trial whose worker is gone."""
        beats = self._store.heartbeats(self._row.id)
        for number in sorted(self._trials):
            trial = self._trials[number]
            if trial.state == "abandoned":
                return trial
            if trial.state == "pending" and not self._is_held(trial, beats.get(number)):
                data = {"worker": trial.worker}
                self._store.note(self._row.id, number, "abandoned", data)
                return trial
        return None

    def _is_held(self, trial: Trial, beat: float | None = None) -> bool:
        """Whether the worker of a pending trial lives, as far as can be known."""
        alive = is_alive(trial.worker)
        if alive is not None:
            return alive
        if beat is None:
            beat = self._store.heartbeats(self._row.id).get(trial.number)
        return beat is not None and time.time() - beat < self._lease

    def _find(self, trial: Trial | int | Mapping[str, Value], fidelity: float) -> Trial:
        """The trial that is meant, made if it is a configuration that is not known."""
        if isinstance(trial, Mapping):
            point = self.space.point(trial)
            if not self.space.contains(point[None])[0]:
                raise InputError(
                    f"the configuration {dict(trial)} breaks a known constraint of the space, so "
                    "its result says nothing of what is searched; leave it out"
                )
            configuration = self.space.configurations(point[None])[0]
            number = self._store.find(self._row.id, _key(configuration), fidelity)
            if number is not None:
                return self._trials[number]
            after = max(self._trials, default=-1) + 1
            return Trial(after, configuration, "told", "pending", time.time(), fidelity=fidelity)
        number = trial if isinstance(trial, int) else trial.number
        if number not in self._trials:
            raise InputError(f"the study has no trial {number}; it has {len(self._trials)}")
        known = self._trials[number]
        if isinstance(trial, Trial) and _key(known.configuration) != _key(trial.configuration):
            raise InputError(
                f"trial {number} is of another study: its configuration is not the one that this "
                "study asked; tell the configuration instead"
            )
        return known

    def _feasible_first(self) -> list[Floats]:
        """The default of the space and what the settings want first, as far as it is feasible."""
        default = [] if self.space.default is None else [self.space.default]
        found: list[Floats] = []
        for point in (*default, *map(self.space.point, self.settings.first)):
            broken = self.space.broken(point)
            if broken:
                configuration = self.space.configurations(point[None])[0]
                warnings.warn(
                    f"{configuration} was to be asked first, but breaks the constraint "
                    f"'{broken[0]}' and is left out",
                    stacklevel=3,
                )
            elif self.space.contains(point[None])[0]:
                found.append(point)
        return found

    def _put(self, trial: Trial) -> None:
        self._store.put(self._row.id, trial, _key(trial.configuration))

    def _refresh(self) -> None:
        changed, self._revision = self._store.changed(self._row.id, self._revision)
        self._trials.update((trial.number, trial) for trial in changed)

    def _start_heart(self) -> None:
        if self._heart is None and self._store.path is not None:
            self._heart = threading.Thread(target=self._beat, daemon=True)
            self._heart.start()

    def _beat(self) -> None:
        while not self._closed.wait(self._lease / 4):
            self._store.beat(self._row.id, self._worker)


def minimize(
    function: Function,
    space: Space,
    budget: int,
    seed: int = 0,
    *,
    strategy: str = "headrace",
    path: str | Path | None = None,
    settings: StudySettings | None = None,
    workers: int = 1,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Study:
    """
    Search for the least value of a function of configurations; `study.best()` is what was found.

    With a path the study is kept there, and goes on where it was. Arguments are those of
    `Study.open` and `Study.optimize`; `strategy` is that of the settings where these are not given.
    """
    settings = settings or StudySettings(strategy=strategy)
    study = Study.open(path, space, seed, settings)
    study.optimize(function, budget, workers=workers, timeout=timeout, progress=progress)
    return study


def _key(configuration: Mapping[str, Value]) -> str:
    """A hash, equal for configurations of the space that are equal."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()


def _version() -> str:
    try:
        return version("headrace")
    except PackageNotFoundError:
        return "unknown"
