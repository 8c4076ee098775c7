"""What may be told of a trial."""

from __future__ import annotations

import math

from headrace.autotune.study_settings import StudySettings
from headrace.autotune.trial import Outcome, Trial
from headrace.storage.errors import InputError


def check(told: Outcome, settings: StudySettings) -> None:
    """Raise `InputError` for what is no result under these settings."""
    given = [told.value is not None, bool(told.failure), told.censored_at is not None]
    if sum(given) != 1:
        raise InputError(
            "a trial is told one of a value, a class of failure and a limit that it passed "
            f"(censored_at), not {said(told)}"
        )
    numbers = {"value": told.value, "limit": told.censored_at, "cost": told.cost}
    for name, number in (numbers | dict(told.measurements)).items():
        if number is not None and not math.isfinite(number):
            raise InputError(
                f"the {name} of a trial is {number}, which is no result; tell a failure, such "
                'as failure="run"'
            )
    value = told.censored_at if told.value is None else told.value
    if settings.log_objective and value is not None and value <= 0:
        raise InputError(
            f"the value {value} has no logarithm, which the settings ask for; tell a failure, "
            "or set log_objective to False"
        )
    missing = [one for one in settings.objectives[1:] if one not in told.measurements]
    if told.value is not None and missing:
        raise InputError(
            f"a value was told without the objective '{missing[0]}'; give it in `measurements`"
        )


def is_result(trial: Trial, told: Outcome) -> bool:
    """Whether this is what a trial was told before; its cost may differ."""
    return (trial.value, trial.failure, trial.censored_at, dict(trial.measurements)) == (
        told.value,
        told.failure,
        told.censored_at,
        dict(told.measurements),
    )


def said(result: Trial | Outcome) -> str:
    """A result, in words."""
    parts = [
        *([f"the value {result.value}"] if result.value is not None else []),
        *([f"the failure '{result.failure}'"] if result.failure else []),
        *([f"more than {result.censored_at}"] if result.censored_at is not None else []),
        *(f"{name} {value}" for name, value in result.measurements.items()),
    ]
    return " and ".join(parts) or "nothing"
