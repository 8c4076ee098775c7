"""
The sizes that streams have in a run, against those of their types.

A symbol of a type stands for one number in the whole graph; it is read off where it is a size by
itself. Ragged sizes differ from list to list and are not compared.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from xdsl.ir import SSAValue

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_types import StreamType, TileType
from headrace.interpreters.step_network import Channel
from headrace.interpreters.step_tokens import DONE, Stop, Token
from headrace.interpreters.step_values import Tile
from headrace.storage.errors import InputError


class Measured(Channel):
    """A channel that remembers how long the lists were that came along."""

    def __init__(self, name: str, rank: int) -> None:
        super().__init__(name)
        self.lengths: list[set[int]] = [set() for _ in range(rank + 1)]
        """By level, 0 for lists of values: all lengths of lists."""
        self.tiles: set[tuple[int, int]] = set()
        """All shapes of tiles."""
        self.kept: list[Any] | None = None
        """All values, if somebody asked for them by a list to keep them in."""
        self._counts = [0] * (rank + 2)

    def put(self, *tokens: Token) -> None:
        super().put(*tokens)
        for token in tokens:
            if isinstance(token, Stop):
                self._close(token.level - 1)
            elif token is DONE:
                self._close(len(self.lengths) - 1)
            else:
                self._counts[0] += 1
                if self.kept is not None:
                    self.kept.append(token)
                if isinstance(token, Tile):
                    self.tiles.add(token.shape)

    def _close(self, level: int) -> None:
        self.lengths[level].add(self._counts[level])
        self._counts[level] = 0
        self._counts[level + 1] += 1


def check_sizes(channels: Mapping[SSAValue, Measured]) -> None:
    """
    Raises `InputError` where a size of a stream or tile is not that of its type.

    Names the operation that makes the stream.
    """
    found = [
        (channel, size, lengths)
        for value, channel in channels.items()
        for size, lengths in _sizes(cast(StreamType, value.type), channel)
    ]
    known: dict[str, tuple[int, str]] = {}
    for channel, size, lengths in found:
        if not size.is_ragged and str(size) in size.symbols:
            known.setdefault(str(size), (min(lengths), channel.name))
    numbers = {name: number for name, (number, _) in known.items()}
    for channel, size, lengths in found:
        if size.is_ragged or not size.symbols <= numbers.keys():
            continue
        expected = size.substitute(numbers)
        if not expected.is_static or lengths == {expected.value}:
            continue
        origins = [f"{name} is {known[name][0]} at {known[name][1]}" for name in size.symbols]
        raise InputError(
            f"{channel.name} makes sizes {sorted(lengths)} where its type says "
            f"{', '.join([str(size), *origins])}; sizes of one name must be equal"
        )


def _sizes(type: StreamType, channel: Measured) -> Iterator[tuple[Dimension, set[int]]]:
    """The sizes of a type, each with all that were found; only those that were."""
    element = type.element_type
    tiles = (element.rows, element.columns) if isinstance(element, TileType) else ()
    for size, lengths in (
        *zip(type.dimensions, reversed(channel.lengths), strict=True),
        *zip(tiles, map(set, zip(*channel.tiles, strict=True)), strict=False),
    ):
        if lengths:
            yield size, lengths
