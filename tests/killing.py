"""
A search that is killed again and again: `python -m headrace.tests.killing FILE KILLS`.

Each child goes on with the study of FILE and writes down, in FILE.journal, what it was given by
`ask` and what `tell` has taken, after these have returned. It is killed by SIGKILL at a moment at
random after some of that, and the next one starts; the last one may end. Every fifth child hangs in
its first evaluation. Children are forks, so that a thousand of them take no thousand imports.
"""

import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.autotune.history import History
from headrace.autotune.parameter import Categorical, Integer, Ordinal, Permutation
from headrace.autotune.space import Space
from headrace.autotune.strategy import PRESETS, Proposal, unknown
from headrace.autotune.study import Study
from headrace.autotune.study_settings import StudySettings

SPACE = Space(
    [
        Ordinal("chunk", values=(2, 4, 8, 16, 32, 64), transform="log"),
        Ordinal("unroll", values=(1, 2, 4, 8, 16), transform="log"),
        Categorical("schedule", values=("static", "dynamic", "guided")),
        Integer("threads", low=1, high=100),
        Permutation("order", length=4),
    ],
    ["unroll < chunk", "order_i0 < order_i1"],
)


@dataclass(frozen=True)
class Chained:
    """Every point depends on all of the history, so that whatever differs there shows for ever."""

    space: Space

    def propose(self, history: History, random: np.random.Generator) -> Proposal:
        parts = (history.points, history.values, history.states == "done", random.integers(2**32))
        digest = hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in parts)).digest()
        stream = np.random.default_rng(int.from_bytes(digest))
        return Proposal(unknown(self.space, history, stream), "random")


PRESETS.setdefault("chained", lambda space, _, options: Chained(space, **options))
CHAINED = StudySettings(strategy="chained")


def value_of(configuration: Mapping[str, Any]) -> float | None:
    """A made-up run time; None for a configuration that fails."""
    if configuration["schedule"] == "guided" and configuration["unroll"] > 4:
        return None
    chunk, unroll, order = (configuration[name] for name in ("chunk", "unroll", "order"))
    return (
        1.0 + abs(chunk - 24) / 8 + 3 / unroll + sum(slot * one for slot, one in enumerate(order))
    )


def search(path: str, budget: float, seconds: float = 0.0, signs: int | None = None) -> None:
    """
    Go on with a search until it has its budget, with evaluations of some time, and a journal.

    A byte of the journal's lines each goes to `signs`, a pipe.
    """
    journal = os.open(f"{path}.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(line: str) -> None:
        os.write(journal, f"{line}\n".encode())
        if signs is not None:
            os.write(signs, b".")

    with Study.open(path, SPACE, 3, CHAINED) as study:
        while study.charged() < budget:
            trial = study.ask()
            write(f"asked {trial.number} {dict(trial.configuration)}")
            time.sleep(seconds)
            value = value_of(trial.configuration)
            study.tell(trial, value, failure="" if value is not None else "run")
            write(f"told {trial.number} {value}")


def killed_search(path: str, kills: int) -> None:
    """Search with a number of children that are killed, and one that ends."""
    chance = random.Random(kills)
    for kill in range(kills):
        hangs = kill % 5 == 0
        seconds = 600.0 if hangs else chance.uniform(0, 0.002)
        signs, ours = os.pipe()
        child = os.fork()
        if child == 0:
            search(path, float("inf"), seconds, ours)
        os.close(ours)
        for _ in range(1 if hangs else chance.randrange(5)):
            os.read(signs, 1)
        time.sleep(chance.uniform(0, 0.005))
        os.kill(child, signal.SIGKILL)
        os.close(signs)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit("a search ended before it was killed")
    with Study.open(path, SPACE, 3, CHAINED) as study:
        budget = study.charged() + 5
    search(path, budget)
    with Study.open(path, SPACE, 3, CHAINED) as study:
        print(f"{len(study.reports('abandoned'))} trials lost their worker")


if __name__ == "__main__":
    killed_search(sys.argv[1], int(sys.argv[2]))
