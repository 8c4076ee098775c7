"""How operators of `step` read and write tensors and buffers."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from headrace.interpreters import step_memory as memory
from headrace.interpreters.step_network import Channel, Process, run, stream
from headrace.interpreters.step_values import Buffer, Tile
from headrace.storage.errors import InputError
from headrace.tests.step_streams import apply, nested


def one(operator: Any, *streams: tuple[str, int]) -> str:
    return apply(operator, *streams)[0]


def numbers(columns: int, count: int) -> memory.Memory:
    """The numbers from 0, so many in a row."""
    return memory.Memory(np.arange(count).reshape(-1, columns))


def read(columns: int, count: int, dims: list[int], strides: list[int]) -> Any:
    tensor = numbers(columns, count)

    def build(reference: Channel, result: Channel) -> Process:
        return memory.load("op", tensor, (1, 1), reference, result, dims, strides)

    return build


def test_a_load_reads_the_tensor_once_for_each_value_of_the_reference() -> None:
    def t(*addresses: int) -> str:
        return " ".join(f"[[{address}]]" for address in addresses)

    assert one(read(4, 4, [1, 4], [4, 1]), ("7 7 D", 0)) == f"{t(0, 1, 2, 3)} S2 " * 2 + "D"
    transposed = f"{t(0, 3)} S1 {t(1, 4)} S1 {t(2, 5)} S2 D"
    assert one(read(3, 6, [3, 2], [1, 3]), ("7 D", 0)) == transposed
    assert one(read(3, 3, [2, 3], [0, 1]), ("7 D", 0)) == f"{t(0, 1, 2)} S1 {t(0, 1, 2)} S2 D"
    assert one(read(3, 3, [1], [1]), ("S1 7 S1 D", 1)) == f"S2 {t(0)} S2 D"


def test_a_random_load_reads_tiles_of_the_tensor_only() -> None:
    tensor = memory.Memory(np.arange(4))
    load = partial(memory.random_load, "op", tensor, (1, 1))
    assert one(load, ("2 0 S1 3 S1 D", 1)) == "[[2]] [[0]] S1 [[3]] S1 D"
    for address in ("4", "-1"):
        with pytest.raises(InputError, match=f"op: address {address} lies outside"):
            apply(load, (f"{address} D", 0))


def test_all_but_the_last_dimension_of_a_tensor_are_rows() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    tiles = memory.Tiles("op", array, (3, 2))
    assert tiles.count == 4
    assert tiles.read(3).array.tolist() == [[14, 15], [18, 19], [22, 23]]
    assert memory.Tiles("op", array[0, 0], (1, 2)).read(1).array.tolist() == [[2, 3]]
    result = memory.Memory()
    source = stream([[tiles.read(n) for n in range(4)]], 1)
    run({"op": memory.store("op", source, result, array.shape)})
    assert (result.array == array).all()


def test_a_store_wants_every_tile_of_its_tensor() -> None:
    source = stream([Tile.of([n]) for n in range(3)], 0)
    with pytest.raises(InputError, match="op: 3 tiles are stored in a tensor of 4"):
        run({"op": memory.store("op", source, memory.Memory(), (4,))})


def test_random_stores_write_in_order_and_acknowledge() -> None:
    tensor = memory.Memory(np.arange(4))
    data = stream([[Tile.of([n])] for n in (3, 0, 1)], 1)
    acknowledged = Channel()
    store = memory.random_store("op", tensor, stream([[0], [2], [0]], 1), data, acknowledged)
    run({"op": store})
    assert tensor.array.tolist() == [1, 1, 0, 3]
    assert nested(acknowledged, 1) == [[1], [1], [1]]


@pytest.mark.parametrize(
    ("rank", "text", "of_rank", "result"),
    [
        (1, "1 2 S1 3 S1 D", 1, "B[1,2] B[3] D"),
        (2, "1 2 S1 3 S2 4 S2 D", 2, "B[[1,2],[3]] B[[4]] D"),
        (1, "1 S2 S1 S1 S2 D", 2, "B[1] S1 B[] B[] S1 D"),
        (2, "S2 S1 S2 D", 2, "B[] B[[]] D"),
    ],
)
def test_bufferize_collects_units(rank: int, text: str, of_rank: int, result: str) -> None:
    assert one(partial(memory.bufferize, rank=rank), (text, of_rank)) == result


@pytest.mark.parametrize(
    ("rank", "buffers", "of_rank", "reference", "result"),
    [
        (1, "B[5,6] B[7] D", 0, "0 S1 0 0 S1 D", "5 6 S2 7 S1 7 S2 D"),
        (0, "B[5,6] B[7] D", 0, "0 0 D", "5 6 S1 7 S1 D"),
        (1, "B[5,6] B[7] S1 D", 1, "S1 0 S2 D", "S2 7 S3 D"),
        (1, "S1 B[7] S1 D", 1, "S2 0 S2 D", "S3 7 S3 D"),
    ],
)
def test_streamify_replays_a_buffer_for_a_unit_of_the_reference(
    rank: int, buffers: str, of_rank: int, reference: str, result: str
) -> None:
    def values(buffer: Buffer) -> Any:
        return buffer.nested

    operator = partial(memory.streamify, "op", rank=rank, depth=1, read=values)
    assert one(operator, (buffers, of_rank), (reference, of_rank + rank)) == result


def test_a_buffer_is_read_with_strides() -> None:
    def transposed(buffer: Buffer) -> Any:
        return memory.affine_buffer(buffer, (2, 2), (1, 2))

    operator = partial(memory.streamify, "op", rank=0, depth=2, read=transposed)
    assert one(operator, ("B[[1,2],[3,4]] D", 0), ("0 D", 0)) == "1 3 S1 2 4 S2 D"
