"""
Operators of `step` that read and write memory: tensors off the chip, and buffers on it.

A tensor is a matrix, all but its last dimension are rows, and is cut into tiles; the address of a
tile is its place in the order of rows of tiles.

All streams are explicit (`step_tokens`).

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from headrace.interpreters.step_network import Channel, Process, aligned, expect, forward
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


class TiledTensor:
    """
    A tensor that is read and written by tiles; a copy of what it is made of.

    The tiles divide it: the verifier of `step` saw to that.
    """

    def __init__(self, where: str, tensor: Array, tile: Shape) -> None:
        self.where, self.tile, self.array = where, tile, np.array(tensor, order="C")
        *outer, columns = (1, *self.array.shape)
        self.matrix = self.array.reshape(math.prod(outer), columns)
        self.grid = (math.prod(outer) // tile[0], columns // tile[1])

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return self.grid[0] * self.grid[1]

    def read(self, address: int) -> Tile:
        """A copy of a tile; raises `InputError` where there is none."""
        return Tile.of(self._place(address).copy())

    def write(self, address: int, tile: Tile) -> None:
        """Replace a tile, padding included; raises `InputError` where there is none."""
        self._place(address)[:] = tile.array

    def _place(self, address: int) -> Array:
        if not 0 <= address < self.tiles:
            raise InputError(
                f"{self.where}: address {address} lies outside of the tensor, which has "
                f"{self.tiles} tiles of {self.tile}; addresses count tiles from 0"
            )
        row, column = divmod(address, self.grid[1])
        rows, columns = self.tile
        return self.matrix[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]


def affine(shape: Sequence[int], strides: Sequence[int], start: int = 0) -> Nested:
    """Addresses as a nested list of this shape: sums of index times stride."""
    if not shape:
        return start
    return [affine(shape[1:], strides[1:], start + n * strides[0]) for n in range(shape[0])]


def read_affine(tensor: TiledTensor, shape: Sequence[int], strides: Sequence[int]) -> Nested:
    """The tiles of one affine read, as a nested list of this shape."""
    return nested_map(tensor.read, affine(shape, strides), len(shape))


def store(where: str, source: Channel, tensor: TiledTensor) -> Process:
    """Write tiles in order; raises `InputError` unless they are as many as in the tensor."""
    address = 0
    while (token := (yield source)) is not DONE:
        if is_value(token):
            tensor.write(address, token)
            address += 1
    if address != tensor.tiles:
        raise InputError(
            f"{where}: {address} tiles are stored in a tensor of {tensor.tiles}; "
            "give the tensor the shape of the stream"
        )


def random_store(
    where: str, tensor: TiledTensor, addresses: Channel, data: Channel, acknowledge: Channel
) -> Process:
    """Write a tile to every address, and acknowledge it with a 1."""
    while (tokens := (yield from aligned(where, addresses, data)))[0] is not DONE:
        if is_value(tokens[0]):
            tensor.write(int(tokens[0]), tokens[1])
            acknowledge.put(1)
        else:
            acknowledge.put(tokens[0])
    acknowledge.put(DONE)


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
