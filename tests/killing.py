"""
A search that is killed again and again: `python -m headrace.tests.killing FILE KILLS BUDGET`.

Each child goes on with the study of FILE and writes down, in FILE.journal, what it was given by
`ask` and what `tell` has taken, after these have returned. It is killed by SIGKILL after a time at
random, and the next one starts. The last one ends the search. Children are forks, so that a
thousand of them take no thousand imports.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from headrace.autotune.parameter import Categorical, Ordinal, Permutation
from headrace.autotune.settings import Settings
from headrace.autotune.space import Space
from headrace.autotune.study import Study

SPACE = Space(
    [
        Ordinal("chunk", values=(2, 4, 8, 16, 32, 64), transform="log"),
        Ordinal("unroll", values=(1, 2, 4, 8, 16), transform="log"),
        Categorical("schedule", values=("static", "dynamic", "guided")),
        Permutation("order", length=4),
    ],
    ["unroll < chunk", "order_i0 < order_i1"],
)
SMALL = {"candidates": 60, "starts": 1, "incumbents": 1, "coupled": 4, "steps": 3, "spread": 40}
"""Options that make a proposal cheap, but still one that depends on all that was told."""
SETTINGS = Settings(options=SMALL)


def value_of(configuration: Mapping[str, Any]) -> float | None:
    """A made-up run time; None for a configuration that fails."""
    if configuration["schedule"] == "guided" and configuration["unroll"] > 4:
        return None
    chunk, unroll, order = (configuration[name] for name in ("chunk", "unroll", "order"))
    return 1.0 + abs(chunk - 24) / 8 + 3 / unroll + sum(slot * one for slot, one in enumerate(order))


def search(path: str, budget: int) -> None:
    """Go on with a search until it has its budget, with a journal."""
    journal = os.open(f"{path}.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Study.open(path, SPACE, 3, SETTINGS) as study:
        while study.charged() < budget:
            trial = study.ask()
            os.write(journal, f"asked {trial.number} {dict(trial.configuration)}\n".encode())
            value = value_of(trial.configuration)
            study.tell(trial, value, failure="" if value is not None else "run")
            os.write(journal, f"told {trial.number} {value}\n".encode())


def killed_search(path: str, kills: int, budget: int) -> None:
    """Search with a number of children that are killed, and one that is not."""
    chance = random.Random(kills)
    ended = 0
    for kill in range(kills + 1):
        child = os.fork()
        if child == 0:
            search(path, budget)
            os._exit(0)
        if kill < kills:
            time.sleep(chance.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        ended += os.WIFEXITED(status)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            sys.exit("a search ended with an error")
    print(f"{kills + 1 - ended} killed, {ended} ended")


if __name__ == "__main__":
    killed_search(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
