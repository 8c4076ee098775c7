"""The nests of `examples/ember` compute what their first lines say."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.func import FuncOp

from headrace.cli.driver import parse_module
from headrace.interpreters.nest import run_function

EXAMPLES = Path(__file__).parents[2] / "examples" / "ember"
DRAW = np.random.default_rng(0)
TABLE = DRAW.standard_normal((6, 5)).astype(np.float32)
INDICES = np.array([2, 0, 1, 4, 1])
OFFSETS = np.array([0, 2, 2, 5])
VALUES = DRAW.standard_normal(5).astype(np.float32)
BAGS = [TABLE[INDICES[a:b]] for a, b in itertools.pairwise(OFFSETS)]
MATRIX = np.zeros((3, 6), np.float32)
for row in range(3):
    for place in range(OFFSETS[row], OFFSETS[row + 1]):
        MATRIX[row, INDICES[place]] += VALUES[place]


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def padded_means() -> Any:
    rows = [TABLE[[i for i in INDICES[a:b] if i != 1]] for a, b in itertools.pairwise(OFFSETS)]
    return np.array([one.mean(0) if len(one) else np.zeros(5) for one in rows])


def messages() -> Any:
    found = zeros(3, 5)
    for vertex, bag in enumerate(BAGS):
        for other in bag:
            found[vertex] += (TABLE[vertex] @ other) * other
    return found


def edges() -> Any:
    found = zeros(4, 5)
    np.add.at(found, [1, 1, 3, 0, 1], VALUES[:, None] * TABLE[INDICES])
    return found


SUMS = np.array([bag.sum(0) for bag in BAGS])
TAILS = np.array([5, 5, 3, 0, 1])
CASES: dict[str, tuple[list[Any], Any]] = {
    "embedding_bag": ([OFFSETS, INDICES, TABLE, zeros(3, 5)], SUMS),
    "embedding_bag_lengths": ([np.diff(OFFSETS), INDICES, TABLE, zeros(3, 5)], SUMS),
    "embedding_bag_mean_padded": (
        [OFFSETS, INDICES, TABLE, np.zeros(3, np.int64), zeros(3, 5)],
        padded_means(),
    ),
    "sparse_matmul": ([OFFSETS, INDICES, VALUES, TABLE, zeros(3, 5)], MATRIX @ TABLE),
    "message_passing": ([OFFSETS, INDICES, TABLE[:3].copy(), TABLE, zeros(3, 5)], messages()),
    "edge_list": ([np.array([1, 1, 3, 0, 1]), INDICES, VALUES, TABLE, zeros(4, 5)], edges()),
    "knowledge_graph": (
        [INDICES, np.array([0, 1, 1, 0, 1]), TAILS, TABLE, TABLE[:2] * 3, zeros(5)],
        np.abs(TABLE[INDICES] + 3 * TABLE[[0, 1, 1, 0, 1]] - TABLE[TAILS]).sum(1),
    ),
    "block_gather": (
        [np.array([2, 0, 2]), np.arange(96, dtype=np.float32).reshape(48, 2), zeros(48, 2)],
        np.arange(96).reshape(3, 16, 2)[[2, 0, 2]].reshape(48, 2),
    ),
}


def test_every_example_has_its_case() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.mlir")} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_example(name: str) -> None:
    buffers, expected = CASES[name]
    nest = parse_module(EXAMPLES / f"{name}.mlir").body.block.first_op
    assert isinstance(nest, FuncOp)
    given = [np.array(buffer) for buffer in buffers]
    run_function(nest, given)
    np.testing.assert_allclose(given[-1], expected, rtol=1e-5, atol=1e-5)
    for before, after in zip(buffers[:-2], given[:-2], strict=True):
        np.testing.assert_array_equal(before, after)
