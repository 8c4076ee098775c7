"""Sparse products, messages, scores and blocks become loop nests, each pattern one nest."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from headrace.frontends.torch_export import import_model
from headrace.models import block_gather, dlrm, gcn, graphsage, knowledge_graph, message_passing
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda
from headrace.tests.nests import check, compare, import_nests, run

T: Any = torch
Two = Callable[[Any, Any], Any]
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SOURCE, TARGET = torch.tensor([2, 0, 2, 1, 3]), torch.tensor([1, 1, 3, 0, 1])
WEIGHT = torch.tensor([0.5, -1.0, 2.0, 0.0, 3.0], dtype=torch.float64)
GRAPH = torch.tensor(
    [[0, 2.0, 0, -1], [0, 0, 0, 0], [1, 0, 3, 0], [0, 0, 0.5, 0]], dtype=torch.float64
)
RELATION = torch.tensor([0, 1, 1, 0, 1])

CSR: Any = T.Tensor.to_sparse_csr(GRAPH)


# --- rows ----------------------------------------------------------------------------------


def test_embeddings_of_any_shape() -> None:
    table = torch.nn.Embedding(6, 3, padding_idx=1)
    assert check(table, SOURCE) == ["embedding"]
    check(table, SOURCE[:4].reshape(2, 2).int())
    check(table, SOURCE[:0])


def indexed(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x[i]


def selected(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x.index_select(0, i)


def gathered(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return torch.gather(x, 0, i.reshape(-1, *[1] * (x.ndim - 1)).expand(-1, *x.shape[1:]))


@pytest.mark.parametrize("function", [indexed, selected, gathered])
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 5), (4, 2, 2, 1)])
def test_rows_and_blocks(function: Two, shape: tuple[int, ...]) -> None:
    table = torch.arange(math.prod(shape)).double().reshape(shape)
    assert len(check(function, table, SOURCE)) == 1


def test_single_numbers_are_not_rows() -> None:
    assert check(indexed, X[:, 0].contiguous(), SOURCE) == []


def test_negative_numbers_count_from_the_end_where_python_does() -> None:
    check(indexed, X, SOURCE - 4)
    with pytest.raises(InputError, match="index -2 lies outside of dimension 0 of size 4 of %tab"):
        run(import_nests(selected, X, SOURCE), X, SOURCE - 2)


def test_a_block_is_copied_row_by_row() -> None:
    text = str(import_nests(*_split(block_gather.block_gather(rows=4))).module)
    assert "scf.for %t = %c0 to %c4" in text
    assert "%table: memref<24x8xf32>" in text


def _split(example: Any) -> Any:
    model, args = example
    return model, *args


# --- products with sparse matrices ---------------------------------------------------------


PRODUCTS: list[Two] = [
    lambda a, x: T.sparse.mm(a, x),
    lambda a, x: a @ x,
    lambda a, x: torch.addmm(x, a, x, alpha=2.0, beta=0.5),
    lambda a, x: a @ x[:, 0],
]


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_coo])
@pytest.mark.parametrize("function", PRODUCTS)
def test_sparse_times_dense(layout: torch.layout, function: Two) -> None:
    assert check(function, GRAPH.to_sparse(layout=layout), X) == ["sparse_matmul"]


def test_a_sparse_argument_is_the_parts_that_are_read() -> None:
    def both(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return a @ x + a.to_dense() @ x

    text = str(import_nests(both, CSR, X).module)
    for part in ("pointers", "indices", "values", "dense"):
        assert f'headrace.part = "{part}"' in text
    check(both, CSR, X)


def test_a_sparse_argument_of_other_operations_is_dense() -> None:
    def other(a: torch.Tensor) -> torch.Tensor:
        return a.to_dense() + 1

    program = import_nests(other, CSR)
    assert "headrace.part" in str(program.module)
    assert "pointers" not in str(program.module)
    compare(program, other, CSR)


def test_another_number_of_entries_than_at_import() -> None:
    def product(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return a @ x

    program = import_nests(product, CSR, X)
    compare(program, product, T.ones_like(GRAPH).to_sparse_csr(), X)
    compare(program, product, T.zeros_like(GRAPH).to_sparse_csr(), X)


def test_another_shape_than_at_import() -> None:
    program = import_nests(PRODUCTS[1], CSR, X)
    for shape, said in (((4, 5), "(4, 5), but the program was made for 4 x 4"), ((4,), "(4,)")):
        with pytest.raises(InputError, match=re.escape(said)):
            program.bind(T.ones(shape).to_sparse(), X)


def test_sparse_on_the_right_is_read_whole() -> None:
    def product(x: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return x.t() @ a

    assert check(product, X, CSR) == []


# --- messages ------------------------------------------------------------------------------


MESSAGES: list[Two] = [
    lambda a, x: T.sparse.mm(T.sparse.sampled_addmm(a, x, x.t(), beta=0.0), x),
    lambda a, x: torch.tanh(T.sparse.sampled_addmm(a, x, x.t(), beta=0.0)) @ x,
    lambda a, x: torch.relu(T.sparse.sampled_addmm(a, x, x.t(), beta=0.5, alpha=2) * 3) @ x,
    lambda a, x: T.sparse.mm(a * (x @ x.transpose(0, 1)), x),
]


@pytest.mark.parametrize("function", MESSAGES)
def test_messages_on_a_graph_are_one_nest(function: Two) -> None:
    assert check(function, CSR, X) == ["message_passing"]


def test_both_ends_may_have_other_rows() -> None:
    def messages(a: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return T.sparse.mm(T.sparse.sampled_addmm(a, x, y.t(), beta=0.0), y)

    assert check(messages, CSR, X, X * 2 + 1) == ["message_passing"]


EDGES: list[Callable[[Any, Any, Any, Any], Any]] = [
    lambda x, s, t, w: torch.zeros_like(x).index_add(0, t, x.index_select(0, s) * w[:, None]),
    lambda x, s, t, w: torch.zeros_like(x).index_add_(0, t, w[:, None] * x[s]),
    lambda x, s, t, w: x.scatter_add(0, t[:, None].expand(-1, 3), x[s] / (w[:, None] + 5)),
    lambda x, s, t, w: x.index_put((t,), x[s] - w[:, None], accumulate=True),
    lambda x, s, t, w: x.index_add(0, t, torch.ones(5, 3, dtype=x.dtype)),
]


@pytest.mark.parametrize("function", EDGES)
def test_edges_in_any_order_are_one_nest(
    function: Callable[[Any, Any, Any, Any], Any],
) -> None:
    assert check(function, X, SOURCE, TARGET, WEIGHT) == ["add_at"]


def test_rows_that_are_also_used_elsewhere_are_gathered_for_it() -> None:
    def messages(x: torch.Tensor, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        rows = x.index_select(0, s)
        return torch.zeros_like(x).index_add(0, t, rows) + torch.relu(rows).sum()

    assert sorted(check(messages, X, SOURCE, TARGET)) == ["add_at", "index_select"]


def test_a_place_outside_is_named() -> None:
    def summed(x: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x.index_add(0, t, y)

    program = import_nests(summed, X, TARGET[:4], X)
    with pytest.raises(InputError, match="index 7 lies outside of dimension 0 of size 4 of %out"):
        run(program, X, torch.tensor([0, 7, 1, 1]), X)


# --- scores --------------------------------------------------------------------------------


def norm(order: float, kept: bool) -> Callable[..., torch.Tensor]:
    def score(e: Any, r: Any, h: Any, k: Any, t: Any) -> torch.Tensor:
        return T.linalg.vector_norm(e[h] + r[k] - e[t], ord=order, dim=-1, keepdim=kept)

    return score


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("order", [1, 2])
def test_a_norm_of_rows_is_one_nest(order: int, kept: bool) -> None:
    assert check(norm(order, kept), X, X[:2], SOURCE, RELATION, TARGET) == ["row_scores"]


def test_other_norms_gather_the_rows() -> None:
    found = check(norm(float("inf"), False), X, X[:2], SOURCE, RELATION, TARGET)
    assert found == ["index_select"] * 3


# --- models --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "kinds"),
    [
        (dlrm.dlrm, ["embedding_bag"] * 3),
        (knowledge_graph.transe, ["row_scores"]),
        (knowledge_graph.distmult, ["row_scores"]),
        (block_gather.block_gather, ["index_select"]),
        (message_passing.karate, ["message_passing"]),
        (message_passing.edge_messages, ["add_at"]),
        (gcn.karate, ["sparse_matmul"] * 2),
        (graphsage.karate, ["sparse_matmul"] * 2),
    ],
)
def test_models(example: Callable[[], Any], kinds: list[str]) -> None:
    model, args = example()
    assert check(model, *args) == kinds


def test_other_targets_keep_their_entry_ir() -> None:
    """Without nests, what is imported has neither buffers nor calls."""
    module = import_model(Lambda(indexed), (X, SOURCE)).module
    assert "memref" not in str(module)
