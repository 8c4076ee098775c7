"""
Operators of `step` that change how streams are nested, and not what is in them.

All streams are explicit (`step_tokens`): every list, empty or not, ends with a stop of its own.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2. Promote at a rank is that of
the authors' front end.
"""

from headrace.interpreters.step_network import Channel, Process, expect, forward
from headrace.interpreters.step_tokens import DONE, Stop, Token, is_value
from headrace.interpreters.step_values import padding_like
from headrace.storage.errors import InputError


def flatten(source: Channel, result: Channel, low: int, high: int) -> Process:
    """Dimensions `low` to `high` become one: the lists between them are concatenated."""
    while (token := (yield source)) is not DONE:
        match token:
            case Stop(level) if level > high:
                result.put(Stop(level - (high - low)))
            case Stop(level) if level > low:
                pass
            case _:
                result.put(token)
    result.put(DONE)


def promote(source: Channel, result: Channel, rank: int) -> Process:
    """Every unit of `rank` becomes a list of its own."""
    while (token := (yield source)) is not DONE:
        level = token.level if isinstance(token, Stop) else 0
        result.put(Stop(level + 1) if level > rank else token)
        if level == rank:
            result.put(Stop(rank + 1))
    result.put(DONE)


def promote_outermost(source: Channel, result: Channel, rank: int) -> Process:
    """A list of the whole stream, of this rank; none of an empty stream."""
    empty = True
    while (token := (yield source)) is not DONE:
        result.put(token)
        empty = False
    if not empty:
        result.put(Stop(rank + 1))
    result.put(DONE)


def reshape(
    where: str,
    source: Channel,
    data: Channel,
    padding: Channel,
    rank: int,
    chunk: int,
    *,
    outer: bool = False,
) -> Process:
    """
    Every list of units of `rank` is cut into chunks of `chunk` units.

    Short chunks of values (rank 0) are filled up; `padding` has a 1 for every value that was
    added and a 0 for others. Raises `InputError` naming `where` for a short chunk of higher rank.
    """
    count, empty = 0, True
    last: Token = None
    while True:
        token: Token = yield source
        level = token.level if isinstance(token, Stop) else 0
        if token is DONE or level > rank:
            if count and rank:
                raise InputError(
                    f"{where}: {count} units of rank {rank} are left over from chunks of {chunk}; "
                    "only values are filled up"
                )
            if count:
                data.put(*[padding_like(last)] * (chunk - count))
                padding.put(*[1] * (chunk - count))
                _put_both(data, padding, Stop(1))
            count = 0
            if outer and not empty:
                _put_both(data, padding, Stop(2))
            _put_both(data, padding, DONE if token is DONE else Stop(level + 1))
            if token is DONE:
                return
        else:
            data.put(token)
            padding.put(0 if is_value(token) else token)
            last, empty = token, False
            count += level == rank
            if count == chunk:
                _put_both(data, padding, Stop(rank + 1))
                count = 0


def _put_both(data: Channel, padding: Channel, token: Token) -> None:
    data.put(token)
    padding.put(token)


def expand(where: str, source: Channel, reference: Channel, result: Channel, rank: int) -> Process:
    """
    Every value of the source takes the shape of one unit of the reference.

    Units of `rank` in the source hold a single value.
    """
    while (token := (yield source)) is not DONE:
        if isinstance(token, Stop):
            yield from expect(where, reference, token)
            result.put(token)
            continue
        for level in range(1, rank + 1):
            yield from expect(where, source, Stop(level))

        def send(place: Token, value: Token = token) -> None:
            result.put(value if is_value(place) else place)

        yield from forward(where, reference, rank, send)
    result.put(DONE)
    yield from expect(where, reference, DONE)
