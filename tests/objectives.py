"""Functions for worker processes, which import them."""

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from headrace.autotune.trial import Failure, Outcome


def bowl(configuration: Mapping[str, Any]) -> float:
    """Least where x is 5."""
    return 1.0 + (configuration["x"] - 5) ** 2


def misbehaving(configuration: Mapping[str, Any]) -> Any:
    """Does something else for each x."""
    match configuration["x"]:
        case 0:
            time.sleep(600)
        case 1:
            os._exit(3)
        case 2:
            os.kill(os.getpid(), signal.SIGKILL)
        case 3:
            raise MemoryError
        case 4:
            raise Failure("compile", "no such register")
        case 5:
            return float("nan")
        case 6:
            return Outcome(censored_at=9.0)
        case 7:
            return Outcome(value=2.0, measurements={"bytes": 64.0})
        case _:
            raise ValueError("x is too large")
