"""
Operators of `step` that send units of streams along different ways, and merge them again.

All streams are explicit (`step_tokens`). A unit of rank r is a value (r = 0) or a list that ends
with `S_r`. The order in which units arrive is the only thing that depends on time: two operators
take a record of it, and have a default order. Ends are sent before it is checked that the other
inputs end too: in a cycle these may be waiting for that.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2; `deal` is Parallelize of the
authors' front end.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice

from headrace.interpreters.step_network import Channel, Process, expect, forward
from headrace.interpreters.step_tokens import DONE, Stop, Token
from headrace.storage.errors import InputError

Arrivals = Iterable[int]
"""Of every unit that arrives, the input that it comes from; of a reassembly one selector's units
after those of the other."""


def broadcast(source: Channel, results: Sequence[Channel]) -> Process:
    """Every result is the source."""
    token = None
    while token is not DONE:
        token = yield source
        to_all(results)(token)


def partition(
    where: str, source: Channel, selectors: Channel, results: Sequence[Channel], rank: int
) -> Process:
    """
    Send every unit to all results that its selector selects, to none if it selects none.

    The stops of the selector stream are consumed; the source has them, higher by `rank`.
    """
    while (selector := (yield selectors)) is not DONE:
        if isinstance(selector, Stop):
            yield from expect(where, source, Stop(rank + selector.level))
            continue
        targets = [results[index] for index in selected(where, selector, len(results))]
        yield from forward(where, source, rank, to_all(targets))
    to_all(results)(DONE)
    yield from expect(where, source, DONE)


def reassemble(
    where: str,
    sources: Sequence[Channel],
    selectors: Channel,
    result: Channel,
    rank: int,
    arrivals: Arrivals | None = None,
) -> Process:
    """
    For every selector a list of one unit of each selected source, in order of arrival.

    The default order is that of the sources. Raises `InputError` where the record is not an order
    of the selected sources, and where sources and selectors do not end together.
    """
    record = None if arrivals is None else iter(arrivals)
    while (selector := (yield selectors)) is not DONE:
        if isinstance(selector, Stop):
            result.put(Stop(rank + 1 + selector.level))
            continue
        order = selected(where, selector, len(sources))
        if record is not None:
            wanted, order = order, [int(index) for index in islice(record, len(order))]
            if sorted(order) != wanted:
                raise InputError(
                    f"{where}: the record has inputs {order} arrive where the selector selects "
                    f"{wanted}; replay the record of a run with the same inputs"
                )
        for index in order:
            yield from forward(where, sources[index], rank, result.put)
        result.put(Stop(rank + 1))
    if record is not None and next(record, None) is not None:
        raise InputError(f"{where}: the record has more units than the selectors select")
    result.put(DONE)
    for source in sources:
        yield from expect(where, source, DONE)


def eager_merge(
    where: str,
    sources: Sequence[Channel],
    data: Channel,
    selectors: Channel,
    rank: int,
    arrivals: Arrivals | None = None,
) -> Process:
    """
    Forward units as they arrive, and report for each the number of its source.

    By default the first source that has something goes first whenever nothing else can run.
    Raises `InputError` where the record names a source that has ended, or none.
    """
    record = None if arrivals is None else iter(arrivals)
    while True:
        index = (yield sources) if record is None else next(record, None)
        if index is None:
            break
        index = int(index)
        if not 0 <= index < len(sources):
            raise InputError(f"{where}: the record has a unit of input {index}, which is none")
        selectors.put(frozenset({index}))
        yield from forward(where, sources[index], rank, data.put)
    data.put(DONE)
    selectors.put(DONE)
    for source in sources:
        yield from expect(where, source, DONE)


def deal(where: str, source: Channel, results: Sequence[Channel], rank: int) -> Process:
    """Send the units of a stream of this rank to the results in turn."""
    turns = cycle(results)
    while (token := (yield source)) is not DONE:
        yield from forward(where, source, rank, next(turns).put, token)
    to_all(results)(DONE)


def to_all(results: Sequence[Channel]) -> Callable[[Token], None]:
    """Send a token to every result."""

    def send(token: Token) -> None:
        for result in results:
            result.put(token)

    return send


def selected(where: str, selector: Iterable[int], count: int) -> list[int]:
    """The indices of a selector in order; `InputError` naming `where` for one out of range."""
    indices = sorted(selector)
    for index in indices:
        if not 0 <= index < count:
            raise InputError(
                f"{where}: a selector selects {index}, but there are {count} streams; selectors "
                "count from 0"
            )
    return indices
