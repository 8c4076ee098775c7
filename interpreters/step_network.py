"""
Operators of `step` as processes that wait for tokens: a Kahn network.

A process is a generator. It yields the channel whose next token it wants and is sent that token;
it puts tokens of its own on other channels, which never fill up. What a network computes then
depends on no order of running, except where a process yields several channels: it is sent the
number of the first that has a token (`None` if all have ended), but not before nothing else can
run, so that the default order of arrival is a property of the program too.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from headrace.interpreters.step_tokens import DONE, Nested, Stop, Token, is_value, spell
from headrace.storage.errors import InputError


class Channel:
    """Explicit tokens on their way between two processes."""

    def __init__(self, name: str = "", tokens: Iterable[Token] = ()) -> None:
        self.name = name
        self.tokens: deque[Token] = deque(tokens)

    def put(self, *tokens: Token) -> None:
        """Send tokens."""
        self.tokens.extend(tokens)


Wish: TypeAlias = Channel | Sequence[Channel]
Process: TypeAlias = Generator[Wish, Any, None]
Reading: TypeAlias = Generator[Wish, Any, Any]
"""A part of a process, that returns something."""


def stream(nested: Nested, rank: int) -> Channel:
    """A channel with all tokens of a nested list that is rank + 1 deep."""
    return Channel("", spell(nested, rank))


def run(processes: Mapping[str, Process]) -> None:
    """
    Run processes to their end; their names are for messages.

    Raises `InputError` where some wait for each other for ever.
    """
    wishes: dict[str, Wish] = {}
    running = dict(processes)
    for name in processes:
        _advance(name, None, running, wishes)
    while running:
        moved = False
        for name in list(running):
            while name in running and isinstance(wish := wishes[name], Channel) and wish.tokens:
                _advance(name, wish.tokens.popleft(), running, wishes)
                moved = True
        if not moved and not any(_choose(name, running, wishes) for name in list(running)):
            raise InputError(_deadlock(wishes))


def _advance(name: str, reply: Any, running: dict[str, Process], wishes: dict[str, Wish]) -> None:
    try:
        wishes[name] = running[name].send(reply)
    except StopIteration:
        del running[name]
        wishes.pop(name, None)


def _choose(name: str, running: dict[str, Process], wishes: dict[str, Wish]) -> bool:
    """Let a process go on that waits for the first of several channels, if one has a token."""
    wish = wishes[name]
    if isinstance(wish, Channel):
        return False
    heads = [channel.tokens[0] if channel.tokens else None for channel in wish]
    ready = next((n for n, head in enumerate(heads) if head is not None and head is not DONE), None)
    if ready is None and any(head is None for head in heads):
        return False
    _advance(name, ready, running, wishes)
    return True


def _deadlock(wishes: Mapping[str, Wish]) -> str:
    waits = [
        f"{name} for {' or '.join(c.name for c in ([w] if isinstance(w, Channel) else w))}"
        for name, w in wishes.items()
    ]
    return (
        f"the streams deadlock, since these wait for ever: {', '.join(waits)}; "
        "a cycle needs initial values, and streams that are read together equal lengths"
    )


def forward(
    where: str,
    source: Channel,
    level: int,
    send: Callable[[Token], None],
    first: Token | None = None,
) -> Reading:
    """
    Send the tokens of one unit of rank `level` as they come, with the stop that ends it.

    `first` is its first token if that has been read before. Raises `InputError` naming `where`
    if a list around the unit ends within it.
    """
    token = (yield source) if first is None else first
    while True:
        if token is DONE or (isinstance(token, Stop) and token.level > level):
            raise InputError(
                f"{where}: {token} comes on {source.name or 'a stream'} before the end of a unit "
                f"of rank {level}"
            )
        send(token)
        if level == 0 or (isinstance(token, Stop) and token.level == level):
            return
        token = yield source


def aligned(where: str, *sources: Channel) -> Reading:
    """
    The next token of every source.

    Raises `InputError` naming `where` unless all are values, or all the same stop or end.
    """
    tokens: list[Token] = []
    for source in sources:
        tokens.append((yield source))
    kinds = {None if is_value(token) else token for token in tokens}
    if len(kinds) > 1:
        found = " and ".join("a value" if is_value(token) else str(token) for token in tokens)
        raise InputError(
            f"{where}: its streams differ in shape, {found} meet; streams that are read together "
            "must have equal lists"
        )
    return tokens


def expect(where: str, source: Channel, wanted: Token) -> Reading:
    """Read a stop or `D` that must come next; `InputError` naming `where` if it does not."""
    token = yield source
    if is_value(token) or token != wanted:
        found = "a value" if is_value(token) else str(token)
        raise InputError(
            f"{where}: {found} comes on {source.name or 'a stream'} where {wanted} must come; "
            "streams that are read together must have equal lists"
        )
