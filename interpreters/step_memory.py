"""
Operators of `step` that read and write memory: tensors off the chip, and buffers on it.

All streams are explicit (`step_tokens`).

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.interpreters.step_compute import nest
from headrace.interpreters.step_network import Channel, Process, expect, forward
from headrace.interpreters.step_tokens import (
    DONE,
    Nested,
    Stop,
    Token,
    gather,
    is_value,
    nested_map,
    unit_of,
)
from headrace.interpreters.step_values import Array, Buffer, Tile
from headrace.storage.errors import InputError

Shape = tuple[int, int]
"""Rows and columns of a tile."""


class Memory:
    """A tensor off the chip; that of a store is there when the graph has run."""

    def __init__(self, array: npt.ArrayLike | None = None) -> None:
        self.array = np.zeros(()) if array is None else np.asarray(array)
        self.regions: dict[int, int] = {}
        """Which region wrote a tile, by its address, of those that must write different ones."""

    def tiles(self, where: str, tile: Shape) -> "Tiles":
        """The tensor in tiles of this shape; `where` is what errors name."""
        return Tiles(where, self.array, tile)


class Tiles:
    """
    A tensor as tiles: a matrix of which all but the last dimension are rows.

    The address of a tile is its place in the order of rows of tiles.
    """

    def __init__(self, where: str, array: Array, tile: Shape) -> None:
        self.where, self.tile = where, tile
        *outer, columns = (1, *array.shape)
        self.matrix = array.reshape(math.prod(outer), columns)
        self.grid = (math.prod(outer) // tile[0], columns // tile[1])

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return self.grid[0] * self.grid[1]

    def read(self, address: int) -> Tile:
        """A copy of a tile; raises `InputError` where there is none."""
        return Tile.of(self._place(address).copy())

    def write(self, address: int, tile: Tile) -> None:
        """Replace the valid rows of a tile; raises `InputError` where there is none."""
        self._place(address)[: tile.valid_rows] = tile.array[: tile.valid_rows]

    def _place(self, address: int) -> Array:
        if not 0 <= address < self.count:
            raise InputError(
                f"{self.where}: address {address} lies outside of the tensor, which has "
                f"{self.count} tiles of {list(self.tile)}; addresses count tiles from 0"
            )
        row, column = divmod(address, self.grid[1])
        rows, columns = self.tile
        return self.matrix[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]


def affine(shape: Sequence[int], strides: Sequence[int], start: int = 0) -> Nested:
    """Addresses as a nested list of this shape: sums of index times stride."""
    if not shape:
        return start
    return [affine(shape[1:], strides[1:], start + n * strides[0]) for n in range(shape[0])]


def load(
    where: str,
    memory: Memory,
    tile: Shape,
    reference: Channel,
    result: Channel,
    shape: Sequence[int],
    strides: Sequence[int],
) -> Process:
    """One affine read of the tensor, of this shape in tiles, for every value of the reference."""
    tiles = memory.tiles(where, tile)

    def read(_: Any) -> Nested:
        return nested_map(tiles.read, affine(shape, strides), len(shape))

    return nest(where, [reference], result, len(shape), read)


def random_load(
    where: str, memory: Memory, tile: Shape, addresses: Channel, result: Channel
) -> Process:
    """The tile at every address."""
    return nest(where, [addresses], result, 0, memory.tiles(where, tile).read)


def store(where: str, source: Channel, memory: Memory, shape: Sequence[int]) -> Process:
    """
    A tensor of this shape, of all tiles in order.

    Raises `InputError` naming `where` unless there are as many tiles as it has.
    """
    tiles: list[Tile] = []
    while (token := (yield source)) is not DONE:
        if is_value(token):
            tiles.append(token)
    array = np.zeros(shape, tiles[0].array.dtype if tiles else np.float64)
    written = Tiles(where, array, tiles[0].shape if tiles else (1, 1))
    if len(tiles) != written.count:
        raise InputError(
            f"{where}: {len(tiles)} tiles are stored in a tensor of {written.count}; give the "
            "tensor the shape of the stream"
        )
    for address, tile in enumerate(tiles):
        written.write(address, tile)
    memory.array = array


def random_store(
    where: str,
    memory: Memory,
    addresses: Channel,
    data: Channel,
    acknowledge: Channel,
    region: int | None = None,
) -> Process:
    """
    Write a tile to every address, and acknowledge it with a 1.

    Raises `InputError` if another region wrote the tile of an address.
    """

    def write(address: int, tile: Tile) -> int:
        if region is not None and (other := memory.regions.setdefault(address, region)) != region:
            raise InputError(
                f"{where}: the regions {other} and {region} both store the tile at address "
                f"{address}, so that the result would depend on their order; give every request "
                "addresses of its own, or leave step-parallelize out"
            )
        memory.tiles(where, tile.shape).write(address, tile)
        return 1

    return nest(where, [addresses, data], acknowledge, 0, write)


def bufferize(source: Channel, result: Channel, rank: int) -> Process:
    """Every unit of `rank` > 0 becomes a buffer."""
    tokens: list[Token] = []
    while (token := (yield source)) is not DONE:
        level = token.level if isinstance(token, Stop) else 0
        if level > rank:
            result.put(Stop(level - rank))
        elif level == rank:
            result.put(Buffer(gather([*tokens, DONE], rank - 1), rank))
            tokens = []
        else:
            tokens.append(token)
    result.put(DONE)


def streamify(
    where: str,
    buffers: Channel,
    reference: Channel,
    result: Channel,
    rank: int,
    depth: int,
    read: Callable[[Buffer], Nested],
) -> Process:
    """
    Read a buffer once for every value of one unit of `rank` of the reference; then the next.

    `read` gives a list that is `depth` deep.
    """
    while (buffer := (yield buffers)) is not DONE:
        if isinstance(buffer, Stop):
            yield from expect(where, reference, Stop(buffer.level + rank))
            result.put(Stop(buffer.level + rank + depth))
            continue

        def send(token: Token, buffer: Buffer = buffer) -> None:
            if isinstance(token, Stop):
                result.put(Stop(token.level + depth))
            else:
                result.put(*unit_of(read(buffer), depth))

        yield from forward(where, reference, rank, send)
    result.put(DONE)
    yield from expect(where, reference, DONE)


def affine_buffer(buffer: Buffer, shape: Sequence[int], strides: Sequence[int]) -> Nested:
    """The values of an affine read of a buffer, as a nested list of this shape."""
    return nested_map(buffer.values().__getitem__, affine(shape, strides), len(shape))
