"""
The client-server protocol of the reference: a client evaluates what it reads, line by line.

    Request 2                        to the client: that many configurations follow
    chunk,order                      the columns
    4,(0, 2, 1)                      permutations in parentheses
    8,(2, 1, 0)
    chunk,order,runtime,Valid        from the client: columns in any order
    4,(0, 2, 1),1.25,True            a line for each configuration, in any order
    8,(2, 1, 0),0,False
    End of HyperMapper               to the client, last

Source: the public code of BaCO, a descendant of HyperMapper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

from headrace.autotune.rows import configuration, joined, number, split
from headrace.autotune.strategy import SpaceExhausted
from headrace.autotune.study import Study
from headrace.autotune.telling import check
from headrace.autotune.trial import Outcome, Trial
from headrace.storage.errors import InputError

END = "End of HyperMapper"


def serve(
    study: Study,
    budget: int,
    answers: Iterable[str],
    requests: TextIO,
    complaints: TextIO,
    *,
    first: int = 1,
    valid: str = "Valid",
    true: str = "True",
) -> None:
    """
    Ask a client until a study has `budget` trials that count.

    The first request has `first` configurations, the others one. An answer that cannot be read is
    complained of, with the line, and its request is repeated. Raises `InputError` if the client
    stops answering; what it was asked is then given back.
    """
    lines = (line for line in answers if line.strip())
    count = first
    while (left := budget - study.charged()) > 0:
        try:
            trials = study.ask(min(count, left))
        except SpaceExhausted:
            break
        count = 1
        try:
            while True:
                _request(study, trials, requests)
                answer = _read(lines, len(trials) + 1)
                try:
                    outcomes = _outcomes(study, trials, answer, valid, true)
                    break
                except InputError as error:
                    complaints.write(f"{error}; the request is repeated\n")
                    complaints.flush()
        except BaseException:
            study.release(trials)
            raise
        for trial, outcome in zip(trials, outcomes, strict=True):
            measured = outcome.measurements
            study.tell(trial, outcome.value, failure=outcome.failure, measurements=measured)
    requests.write(f"{END}\n")
    requests.flush()


def _request(study: Study, trials: list[Trial], requests: TextIO) -> None:
    names = study.space.names
    requests.write(f"Request {len(trials)}\n{joined(names)}\n")
    for trial in trials:
        requests.write(joined(trial.configuration.get(name) for name in names) + "\n")
    requests.flush()


def _read(lines: Iterator[str], count: int) -> list[str]:
    found: list[str] = []
    for line in lines:
        found.append(line.rstrip("\r\n"))
        if len(found) == count:
            return found
    raise InputError(
        f"the client ended its answer after {len(found)} of {count} lines; what it answered before "
        "is kept, and the search goes on from there when it is started again"
    )


def _outcomes(
    study: Study, trials: list[Trial], answer: list[str], valid: str, true: str
) -> list[Outcome]:
    """What an answer says of each trial."""
    names = split(answer[0])
    for name in (*study.space.names, *study.settings.objectives):
        if name not in names:
            raise InputError(f"the answer's first line '{answer[0]}' has no column '{name}'")
    found: dict[int, Outcome] = {}
    for line in answer[1:]:
        try:
            number_, outcome = _outcome(study, trials, dict(_fields(names, line)), valid, true)
            check(outcome, study.settings)
            if number_ in found:
                raise InputError("it answers the same configuration as another line")
        except InputError as error:
            raise InputError(f"the answer '{line}' cannot be used: {error}") from error
        found[number_] = outcome
    return [found[trial.number] for trial in trials]


def _fields(names: list[str], line: str) -> Iterator[tuple[str, str]]:
    fields = split(line)
    if len(fields) != len(names):
        raise InputError(f"it has {len(fields)} fields where there are {len(names)} columns")
    return zip(names, fields, strict=True)


def _outcome(
    study: Study, trials: list[Trial], fields: dict[str, str], valid: str, true: str
) -> tuple[int, Outcome]:
    values = configuration(study.space, fields)
    asked = [trial.number for trial in trials if dict(trial.configuration) == values]
    if not asked:
        raise InputError("its configuration is not one that was asked")
    if valid in fields and fields[valid].strip() != true:
        return asked[0], Outcome(failure="run")
    first, *others = (number(fields[name], name) for name in study.settings.objectives)
    measured = dict(zip(study.settings.objectives[1:], others, strict=True))
    return asked[0], Outcome(value=first, measurements=measured)
