"""The loop of a search: every free worker gets the next trial at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from headrace.autotune.executors import Executor
from headrace.autotune.strategy import SpaceExhausted
from headrace.autotune.study_settings import StudySettings
from headrace.autotune.trial import Function, Trial

MOST_FREE = 10
"""Failures that are not charged end a search once they are this many times its budget."""

Progress = Callable[[Trial], None]
"""Called with each trial that was told."""


class Searched(Protocol):
    """What a search needs of a `Study`."""

    settings: StudySettings

    def ask(self) -> Trial: ...

    def tell(
        self,
        trial: Trial,
        value: float | None = None,
        *,
        failure: str = "",
        censored_at: float | None = None,
        cost: float | None = None,
        measurements: Mapping[str, float] | None = None,
        message: str = "",
    ) -> Trial: ...

    def release(self, trials: Iterable[Trial] | None = None) -> None: ...

    def history(self) -> list[Trial]: ...

    def best(self) -> Trial | None: ...

    def charged(self) -> int: ...

    def is_charged(self, trial: Trial) -> bool: ...

    def is_running(self, trial: Trial) -> bool: ...


@dataclass(frozen=True)
class Summary:
    """How a search ended."""

    best: Trial | None
    charged: int
    """Trials that count, of all searches of the study."""
    reason: str
    """Why it ended: "budget", "exhausted" (the space) or "free failures"."""


def run(
    study: Searched,
    function: Function,
    budget: int,
    executor: Executor,
    timeout: float | None,
    progress: Progress | None,
) -> Summary:
    """
    Ask, evaluate and tell until a study has `budget` trials that count.

    Whatever ends it early, the trials that were not told are given back, and what runs is stopped.
    """
    running: dict[int, Trial] = {}
    reason = ""
    try:
        while True:
            while not reason and len(running) < executor.workers:
                reason = _why_stop(study, budget)
                if reason:
                    break
                try:
                    trial = study.ask()
                except SpaceExhausted:
                    reason = "exhausted"
                    break
                running[trial.number] = trial
                executor.submit(function, trial.number, trial.configuration, timeout)
            if not running:
                return Summary(study.best(), study.charged(), reason)
            for number, outcome in executor.wait():
                told = study.tell(
                    running[number],
                    outcome.value,
                    failure=outcome.failure,
                    censored_at=outcome.censored_at,
                    cost=outcome.cost,
                    measurements=outcome.measurements,
                    message=outcome.message,
                )
                del running[number]
                if progress is not None:
                    progress(told)
    finally:
        if running:
            executor.close()
            study.release(running.values())


def _why_stop(study: Searched, budget: int) -> str:
    """Why no further trial is to be asked; empty if one is."""
    trials = study.history()
    free = sum(trial.failure in study.settings.free for trial in trials)
    if free >= MOST_FREE * budget:
        return "free failures"
    # Trials of workers that are gone count when they are asked again, before any new one.
    count = sum(study.is_charged(trial) or study.is_running(trial) for trial in trials)
    return "budget" if count >= budget else ""
