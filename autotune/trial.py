"""One evaluation of a study: what was asked, and what became of it."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

State = Literal["pending", "abandoned", "done", "failed", "censored"]
"""Abandoned trials were asked by a worker that is gone; they are asked again."""

KNOWN_FAILURES = ("rewrite", "verify", "compile", "run", "wrong-result", "timeout", "memory")
"""Classes of failure with a meaning; any other name may be used too."""


@dataclass(frozen=True)
class Trial:
    """A configuration with its state. Times are seconds since 1970."""

    number: int
    configuration: Mapping[str, Any]
    """Numbers, names and tuples by the names of parameters."""
    origin: str
    """Why it was asked: "given", "told" if it never was, or what the strategy says."""
    state: State
    asked: float
    value: float | None = None
    failure: str = ""
    """The class of failure, empty if it did not fail."""
    censored_at: float | None = None
    """The value is above this; only of a censored trial."""
    cost: float | None = None
    """What the evaluation took, in seconds if `optimize` ran it."""
    fidelity: float = 1.0
    """Below 1: from a cheaper, less exact evaluation."""
    worker: str = ""
    started: float | None = None
    finished: float | None = None
    measurements: Mapping[str, float] = field(default_factory=dict[str, float])
    """What else was measured, by name; further objectives among it."""


@dataclass(frozen=True)
class Outcome:
    """What an evaluation gave: a value, a class of failure, or a limit that it passed."""

    value: float | None = None
    failure: str = ""
    message: str = ""
    """What a failure said."""
    censored_at: float | None = None
    cost: float | None = None
    measurements: Mapping[str, float] = field(default_factory=dict[str, float])


class Failure(Exception):
    """Raised by an evaluation that failed, with the class of failure: `Failure("compile", ..)`."""

    def __init__(self, kind: str, message: str = ""):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


Function = Callable[[Mapping[str, Any]], Any]
"""Takes a configuration, gives a number or an `Outcome`."""


def evaluate(function: Function, configuration: Mapping[str, Any]) -> Outcome:
    """
    Call a function; whatever it does is an outcome.

    An exception is a failure of class `run`; `MemoryError` is `memory`, `TimeoutError` is
    `timeout`, `Failure` says its own. So is a result that is no finite number.
    """
    start = time.perf_counter()
    try:
        result = function(configuration)
    except Failure as error:
        found = Outcome(failure=error.kind, message=error.message)
    except MemoryError as error:
        found = Outcome(failure="memory", message=str(error))
    except TimeoutError as error:
        found = Outcome(failure="timeout", message=str(error))
    except Exception as error:
        found = Outcome(failure="run", message=f"{type(error).__name__}: {error}")
    else:
        found = result if isinstance(result, Outcome) else _outcome(result)
    if found.value is not None and not math.isfinite(found.value):
        found = _outcome(found.value)
    if found.cost is None:
        found = replace(found, cost=time.perf_counter() - start)
    return found


def _outcome(result: Any) -> Outcome:
    if isinstance(result, numbers.Real) and math.isfinite(float(result)):
        return Outcome(value=float(result))
    return Outcome(
        failure="run", message=f"the function returned {result!r:.80}, which is no value"
    )
