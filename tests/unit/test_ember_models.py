"""Other operations than embedding bags at levels 0 to 4: numbers, and what goes through queues."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from xdsl.dialects.func import FuncOp

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text
from headrace.dialects.slc import ForOp as SlcForOp
from headrace.interpreters import dlc, nest, slc
from headrace.interpreters.dlc import QueueTraffic
from headrace.interpreters.nest_entry import interpret_nests
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.ember import copy_of, level, lower, run_decoupled
from headrace.tests.ember_nests import NESTS, function, lowered, parse, values
from headrace.tests.nests import import_nests

WIDTH, LANES = 7, 4
PADDED = 8
"""A row in whole vectors."""


def traffic_of(model: Callable[..., Any], *args: torch.Tensor) -> list[QueueTraffic]:
    """The traffic of the only nest of a model at each level, which computes the same at each."""
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    found: list[QueueTraffic] = []
    for number in range(5):
        lowered = copy_of(imported)
        lower(lowered, level(number, LANES, rows=2))
        (result,), (traffic,) = run_decoupled(lowered, *args)
        np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-13)
        found.append(traffic)
    return found


def test_a_sparse_product_sends_values_and_rows() -> None:
    """Three rows of 2, 0 and 1 nonzeros: a value, the row and place, and the number each."""
    dense = torch.rand(4, WIDTH, dtype=torch.float64)
    sparse = torch.tensor([[0, 1.5, 0, -2], [0] * 4, [3, 0, 0, 0]], dtype=torch.float64)
    product = cast(Callable[..., Any], torch.sparse.mm)  # pyright: ignore[reportUnknownMemberType]
    found = traffic_of(product, sparse.to_sparse_csr(), dense)
    assert [one.words for one in found] == [
        3 * 4 * WIDTH,
        3 * 2 * (3 + LANES),
        3 * (2 + PADDED),
        3 * (LANES + PADDED),
        3 * (LANES + PADDED) + 2 * LANES,
    ]
    assert [one.tokens for one in found] == [3 * WIDTH + 1, 3 * 2 + 1, 3 + 1, 3 + 3 + 1, 2 + 3 + 1]


def test_messages_have_three_cases_and_two_loops_beside_each_other() -> None:
    """Three vertices with 2, 0 and 3 edges: begin, edge and end; the end sends the vertex."""
    edges, vertices, batches = 5, 3, 1 + 0 + 2
    row = np.random.default_rng(0).random((3, WIDTH)).astype(np.float32)
    given = [np.array([0, 2, 2, 5]), np.array([1, 0, 2, 2, 1]), row, row, np.zeros_like(row)]
    text = NESTS["message_passing"][0]
    expected = values(parse(text), given)[-1]
    found: list[QueueTraffic] = []
    for number in range(5):
        nest = function(lowered(text, level(number, LANES, rows=2)))
        ran = [np.array(array) for array in given]
        found.append(dlc.run_function(nest, ran))
        np.testing.assert_allclose(ran[-1], expected, rtol=1e-5)
    assert [one.words for one in found] == [
        edges * 2 * WIDTH + vertices * (2 * WIDTH + 1),
        edges * 2 * (1 + LANES) + vertices * (2 * (1 + LANES) + 1),
        edges * PADDED + vertices * (PADDED + 1),
        (edges + vertices) * PADDED,
        (edges + vertices) * PADDED + batches * LANES,
    ]
    assert [one.tokens for one in found] == [
        (edges + vertices) * (WIDTH + 1) + 1,
        (edges + vertices) * (2 + 1) + 1,
        edges + 2 * vertices + 1,
        edges + 2 * vertices + 1,
        batches + 2 * vertices + 1,
    ]
    begin, edge, end = 1, 2, 3
    assert found[3].control == (
        *(begin, edge, edge, end),
        *(begin, end),
        *(begin, edge, edge, edge, end, "done"),
    )
    structured = lowered(text, "ember-decouple")
    (outermost,) = [op for op in function(structured).body.ops if isinstance(op, SlcForOp)]
    assert sum(isinstance(op, SlcForOp) for op in outermost.body.block.ops) == 2


@pytest.mark.parametrize("order", [1, 2])
def test_a_score_sends_three_rows_and_one_token(order: int) -> None:
    """The root of a norm is taken with the token of the rows."""
    entities = torch.rand(5, WIDTH, dtype=torch.float64)
    relations = torch.rand(2, WIDTH, dtype=torch.float64)
    h, r, t = torch.tensor([0, 3, 4]), torch.tensor([1, 1, 0]), torch.tensor([2, 0, 3])

    def score(e: Any, k: Any, h: Any, r: Any, t: Any) -> torch.Tensor:
        rows: torch.Tensor = e[h] + k[r] - e[t]
        return cast(torch.Tensor, torch.linalg.vector_norm(rows, ord=order, dim=-1))

    found = traffic_of(score, entities, relations, h, r, t)
    assert found[1].words == 3 * 2 * (2 + 3 * LANES) + (3 if order == 2 else 0)
    assert [one.words for one in found[2:4]] == [3 * (1 + 3 * PADDED), 3 * 3 * PADDED]
    assert [one.tokens for one in found[2:]] == [4, 4, 3]


def test_what_is_copied_needs_no_core() -> None:
    blocks = torch.rand(6, 2, WIDTH, dtype=torch.float64)

    def gather(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        return x[i]

    found = traffic_of(gather, blocks, torch.tensor([4, 4, 0]))
    assert [(one.tokens, one.words) for one in found[3:]] == [(1, 0), (1, 0)]


ROWS_OF_BYTES = """
func.func @rows(%idx: memref<?xindex>, %scale: memref<?xf32>, %bias: memref<?xf32>,
    %tab: memref<?x?xi8>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %idx, %c0 : memref<?xindex>
  %width = memref.dim %out, %c1 : memref<?x?xf32>
  scf.for %p = %c0 to %n step %c1 {
    %r = memref.load %idx[%p] : memref<?xindex>
    %s = memref.load %scale[%r] : memref<?xf32>
    %z = memref.load %bias[%r] : memref<?xf32>
    scf.for %e = %c0 to %width step %c1 {
      %q = memref.load %tab[%r, %e] : memref<?x?xi8>
      %f = arith.sitofp %q : i8 to f32
      %m = arith.mulf %f, %s : f32
      %v = arith.addf %m, %z : f32
      %a = memref.load %out[%c0, %e] : memref<?x?xf32>
      %t = arith.addf %a, %v : f32
      memref.store %t, %out[%c0, %e] : memref<?x?xf32>
    }
  }
  func.return
}
"""


@pytest.mark.parametrize("number", range(5))
def test_rows_of_bytes_become_floats_in_the_core(number: int) -> None:
    """Scale and offset of each row go with it, the elements as bytes."""
    random = np.random.default_rng(0)
    table = random.integers(-128, 128, (6, WIDTH)).astype(np.int8)
    scale, bias = (random.random(6).astype(np.float32) for _ in range(2))
    indices = np.array([5, 0, 5, 2, 1])

    def run(rows: FuncOp, how: Callable[..., object]) -> Any:
        out = np.zeros((1, WIDTH), np.float32)
        how(rows, [indices, scale, bias, table, out])
        return out

    module = parse_text(make_context(), ROWS_OF_BYTES, "test_ember_models.py")
    rows = function(module)
    expected = run(rows, nest.run_function)
    reference = (table[indices] * scale[indices, None] + bias[indices, None]).sum(0)
    np.testing.assert_allclose(expected[0], reference, rtol=1e-5)
    passes = level(number, LANES, rows=2).removesuffix(",ember-to-dlc")
    parse_passes(passes, get_all_passes()).apply(make_context(), module)
    module.verify()
    np.testing.assert_array_equal(run(rows, slc.run_function), expected)
