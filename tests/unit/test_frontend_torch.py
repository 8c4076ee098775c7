"""Every supported ATen operator means in entry IR what it means in PyTorch."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from headrace.frontends.aten.registry import HANDLERS
from headrace.tests.imported import Function, Lambda, check, draw

Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]

T: Any = torch
F: Any = torch.nn.functional
ATEN: Any = torch.ops.aten
"""Overloads that Python's operators do not reach, but models exported elsewhere do."""


X, Y = draw(3, 4), draw(3, 4, seed=1)
ROW = draw(4)
BATCH = draw(2, 3, 4)
POSITIVE = X.abs() + 0.5
MASK = X > 0.2
PLACES = torch.tensor([2, 0, 2, 1])
SMALL_PLACES = PLACES.reshape(1, 4).int()
INTEGERS = torch.arange(-6, 6).reshape(3, 4)

UNARY: dict[str, tuple[Unary, torch.Tensor]] = {
    "neg": (T.neg, X),
    "abs": (T.abs, X),
    "exp": (T.exp, X),
    "log": (T.log, POSITIVE),
    "sqrt": (T.sqrt, POSITIVE),
    "rsqrt": (T.rsqrt, POSITIVE),
    "sin": (T.sin, X),
    "cos": (T.cos, X),
    "tanh": (T.tanh, X),
    "erf": (T.erf, X),
    "relu": (T.relu, X),
    "gelu": (F.gelu, X),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), X),
    "sigmoid": (T.sigmoid, X),
    "silu": (F.silu, X),
    "square": (T.square, X),
    "reciprocal": (T.reciprocal, X),
    "pow 2": (lambda x: x**2, X),
    "pow 3": (lambda x: x**3, X),
    "pow 0.5": (lambda x: x**0.5, POSITIVE),
    "2 to the x": (lambda x: 2**x, X),
    "pow tensor": (lambda x: x**x, POSITIVE),
    "clamp": (lambda x: T.clamp(x, -0.5, 0.5), X),
    "clamp above": (lambda x: T.clamp(x, max=0.5), X),
    "clamp min": (lambda x: T.clamp_min(x, 0.1), X),
    "clamp max": (lambda x: T.clamp_max(x, 0.1), X),
    "hardtanh": (lambda x: F.hardtanh(x, -1, 2), X * 2),
    "leaky relu": (lambda x: F.leaky_relu(x, 0.2), X),
    "bitwise not": (T.bitwise_not, MASK),
    "logical not": (T.logical_not, X),
    "to float": (lambda x: x.to(T.float64), MASK),
    "to bool": (lambda x: x.to(T.bool), INTEGERS),
    "to integer": (lambda x: x.to(T.int64), X * 3),
    "integers to float": (lambda x: x.double() / 2, INTEGERS),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), X),
    "clone": (lambda x: x.clone().detach().contiguous(), X),
    "alias": (ATEN.alias.default, X),
    "softmax of rows": (lambda x: T.softmax(x, -1), X),
    "softmax of columns": (lambda x: T.softmax(x, 0), X),
    "log softmax": (lambda x: F.log_softmax(x, dim=1), X),
    "softmax in a type": (lambda x: T.softmax(x, 1, dtype=T.float64), X.float().double()),
    "layer norm": (lambda x: F.layer_norm(x, (4,)), BATCH),
    "layer norm over two": (lambda x: F.layer_norm(x, (3, 4), eps=0.1), BATCH),
}

BINARY: dict[str, tuple[Binary, torch.Tensor, torch.Tensor]] = {
    "add": (T.add, X, Y),
    "add alpha": (lambda x, y: T.add(x, y, alpha=3), X, Y),
    "add row": (T.add, X, ROW),
    "add column": (T.add, X, Y[:, :1]),
    "add batch": (T.add, BATCH, X),
    "add integers": (T.add, INTEGERS, INTEGERS),
    "add integers to floats": (T.add, X, INTEGERS),
    "sub": (T.sub, X, Y),
    "sub alpha": (lambda x, y: T.sub(x, y, alpha=0.5), X, Y),
    "rsub": (lambda x, y: T.rsub(x, y, alpha=2), X, Y),
    "mul": (T.mul, X, Y),
    "mul outer": (T.mul, X[:, :1], ROW),
    "mul booleans": (lambda x, y: x & y, MASK, Y > 0),
    "or": (lambda x, y: x | y, MASK, Y > 0),
    "xor": (lambda x, y: x ^ y, MASK, Y > 0),
    "logical": (lambda x, y: T.logical_and(x, T.logical_or(x, y)), X, INTEGERS),
    "logical xor": (T.logical_xor, X, INTEGERS),
    "bitwise": (
        lambda x, y: (T.bitwise_and(x, y), T.bitwise_or(x, y), T.bitwise_xor(x, y)),
        MASK,
        Y > 0,
    ),
    "bitwise scalar": (
        lambda x, y: (
            x.bitwise_and(True),
            x.bitwise_or(False),
            y.bitwise_xor(True),
            x & True,
            y ^ True,
            y | True,
        ),
        MASK,
        Y > 0,
    ),
    "booleans as numbers": (
        lambda x, y: ((x | y).double() - (x & y).double(), (x ^ True).double(), x == True),  # noqa: E712
        MASK,
        Y > 0,
    ),
    "max other": (lambda x, y: (T.max(x, y), T.min(x, y)), X, Y),
    "clamp to tensors": (
        lambda x, y: (ATEN.clamp_min.Tensor(x, y), ATEN.clamp_max.Tensor(x, y)),
        X,
        Y,
    ),
    "compare": (lambda x, y: (x > y, x >= y, x < y, x <= y, x == y, x != y), X, Y),
    "masked fill by a tensor": (lambda x, m: x.masked_fill(m, x[0, 0]), X, MASK),
    "where either is a scalar": (
        lambda x, m: (T.where(m, x, 0.5), T.where(m, 0.5, x)),
        X,
        MASK,
    ),
    "div": (T.div, X, POSITIVE),
    "maximum": (T.maximum, X, Y),
    "minimum": (T.minimum, X, Y),
    "pow": (T.pow, POSITIVE, Y),
    "clamp tensor": (lambda x, y: T.clamp(x, min=y, max=y + 0.1), X, Y),
    "eq": (T.eq, INTEGERS, INTEGERS.abs()),
    "compare integers with floats": (T.lt, INTEGERS, X),
    "masked fill": (lambda x, m: x.masked_fill(m, -2.5), X, MASK),
    "masked fill row": (lambda x, m: x.masked_fill(m[0], 0), X, MASK),
    "where": (lambda x, m: T.where(m, x, x * 2), X, MASK),
    "where scalars": (lambda x, m: T.where(m, 1.0, 0.0) + x, X, MASK),
    "masked softmax": (
        lambda x, m: T.softmax(x.masked_fill(m == 0, -math.inf), -1),
        X,
        T.tensor([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]]),
    ),
    "mv": (T.mv, X, ROW),
    "dot": (T.dot, ROW, ROW.exp()),
    "mm": (T.mm, X, Y.T),
    "bmm": (T.bmm, BATCH, BATCH.transpose(1, 2)),
    "matmul vector matrix": (T.matmul, ROW, Y.T),
    "matmul batch vector": (T.matmul, BATCH, ROW),
    "matmul vector batch": (T.matmul, ROW, BATCH.transpose(1, 2)),
    "matmul batch matrix": (T.matmul, BATCH, Y.T),
    "matmul broadcasts": (T.matmul, BATCH[:, None], BATCH[None].transpose(-1, -2)),
    "matmul of one column": (T.matmul, X[:, :1], ROW[None]),
    "cat": (lambda x, y: T.cat([x, y, x], dim=1), X, Y),
    "stack": (lambda x, y: T.stack([x, y], dim=1), X, Y),
    "cat of views": (lambda x, y: T.cat([x.T, y.T * 2], dim=-1), X, Y),
}

WITH_CONSTANTS: dict[str, Unary] = {
    "arithmetic": lambda x: (1 - x * 2.5 + 3) / 4 - 0.5,
    "comparisons": lambda x: (x > 0, x >= 0.5, x < 0, x <= -0.5, x == 0, x != 0),
    "arithmetic by scalars": lambda x: ATEN.div.Scalar(
        ATEN.mul.Scalar(ATEN.sub.Scalar(ATEN.add.Scalar(x, 2, 3), 1), 3), 4
    ),
    "softmax of core aten": lambda x: (
        ATEN._softmax.default(x, 1, False),
        ATEN._log_softmax.default(x, 0, False),
    ),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(-1),
    "sum keeps": lambda x: x / x.abs().sum(0, keepdim=True),
    "sum of a repeated view": lambda x: x[:, :1].expand(3, 5).sum(1),
    "sum of two": lambda x: x[None].sum((0, 2)),
    "mean": lambda x: x.mean(),
    "mean keeps": lambda x: x - x.mean(1, keepdim=True),
    "variance": lambda x: (x.var(), x.var(1), x.std(0, correction=0, keepdim=True)),
    "amax": lambda x: (x.amax(), x.amax(1), x.amax((0, 1), keepdim=True)),
    "amin": lambda x: (x.amin(0), x.min()),
    "max": lambda x: (x.max(), x.max(dim=1).values, x.min(dim=0, keepdim=True).values),
    "max of negatives": lambda x: (-x.exp()).max(dim=1)[0],
    "norms": lambda x: (
        T.linalg.vector_norm(x),
        T.linalg.vector_norm(x, 1, dim=1),
        T.linalg.vector_norm(x, math.inf, dim=0, keepdim=True),
    ),
    "normalize": lambda x: F.normalize(x, dim=1),
    "transpose": lambda x: (x.T, x.transpose(0, 1) + 1, x.t(), x.mT),
    "permute": lambda x: x.reshape(3, 2, 2).permute(2, 0, 1),
    "view": lambda x: (x.view(12), x.view(2, 6), x.reshape(3, 2, 2), x.view(-1, 1, 4)),
    "reshape of a transpose": lambda x: x.T.reshape(2, 6),
    "heads stored one after the other": lambda x: [
        x.view(3, 2, 2).transpose(0, 1).contiguous(),
        x.view(3, 2, 2).permute(1, 2, 0).contiguous() * 2,
        x.view(3, 2, 2).transpose(0, 1).contiguous().view(2, 6),
        x.view(3, 2, 2).transpose(0, 1).contiguous().transpose(0, 1).reshape(12) + 1,
        x.view(3, 1, 2, 2).transpose(0, 2).contiguous()[1:, 0] + 1,
        (x.view(3, 2, 2).transpose(0, 1).contiguous() @ x.view(2, 2, 3).contiguous()).sum(0),
    ],
    "flatten": lambda x: x.reshape(3, 2, 2).flatten(1).unflatten(0, (1, 3)),
    "other spellings": lambda x: (
        ATEN.narrow.default(x, 1, -3, 2),
        ATEN.split.sizes(x, [1, 2]),
        x.T.contiguous(),
        ATEN.numpy_T.default(x),
        ATEN.broadcast_to.default(x, [2, 3, 4]),
        ATEN.expand_as.default(x[:1], x),
    ),
    "expand": lambda x: (x[:1].expand(5, 4), x.expand(2, 3, 4) * 2, ROW.expand_as(x)),
    "squeeze": lambda x: (x[:, None].squeeze(), x[None].squeeze(0), x[None].squeeze((0, 1))),
    "unsqueeze": lambda x: (x.unsqueeze(-1), x.unsqueeze(1) + x.unsqueeze(0)),
    "index": lambda x: (x[PLACES], x[:, PLACES[:2]], x[SMALL_PLACES]),
    "index select": lambda x: (x.index_select(0, PLACES), x.index_select(-1, PLACES[0])),
    "embedding": lambda x: F.embedding(PLACES.reshape(2, 2), x),
    "select": lambda x: (x[1], x[:, -1], x[2, 1]),
    "slice": lambda x: (x[1:], x[:, 1:3], x[:, ::2], x[-2:], x[1:100], x[2:1]),
    "slice of a view": lambda x: (x.T[1:3], x.expand(2, 3, 4)[1:, 2]),
    "narrow": lambda x: T.narrow(x, 1, 1, 2),
    "split": lambda x: (*x.split(3, dim=1), *x.split([1, 2]), *x.chunk(2, 1)),
    "unbind": lambda x: x.unbind(0),
    "like": lambda x: (T.zeros_like(x), T.ones_like(x) * x, T.full_like(x, 3.5) + x),
    "new": lambda x: x + x.new_ones(4) + x.new_zeros((3, 1)) + x.new_full((1, 1), 2.0),
    "constants": lambda x: x + T.arange(4) + T.full((3, 1), 2.0) + T.tensor(0.25),
    "folded mask": lambda x: x.masked_fill(~T.ones(3, 4).tril().bool(), 0.0),
    "cat of a constant": lambda x: T.cat([x, T.zeros(1, 4)]),
    "empty cat": lambda x: T.cat([T.zeros(0), x]),
    "largest": lambda x: (
        *x.topk(2),
        *x.topk(3, dim=0, largest=False),
        *x.reshape(3, 2, 2).topk(1, dim=1),
        *(x * 0).topk(1, dim=0)[:1],
    ),
    "classes": lambda x: (F.one_hot(PLACES, 4) * x[0], F.one_hot(PLACES.reshape(2, 2), 3)),
    "sums by coordinates": lambda x: (
        x.scatter_add(0, PLACES.reshape(1, 4).expand(3, 4), x),
        x.new_zeros(3, 9).scatter_add(1, PLACES.expand(3, 4) * 2, x),
        x.index_add(1, PLACES, x, alpha=2),
        x.new_zeros(5, 4).index_add(0, PLACES[:3], x),
    ),
    "products by letters": lambda x: (
        T.einsum("ij,kj->ki", x, x),
        T.einsum("ij,kj,kl", x, x, x),
        T.einsum("ij->j", x),
        T.einsum("bij,bjk->bki", x.reshape(2, 2, 3), x.reshape(2, 3, 2)),
    ),
    "scalars": lambda x: x.sum() * x.mean() + x[0, 0],
}


def all_unary(*args: torch.Tensor) -> Any:
    entries = zip(UNARY.items(), args, strict=True)
    return {name: function(x) for (name, (function, _)), x in entries}


def all_binary(*args: torch.Tensor) -> Any:
    pairs = zip(args[::2], args[1::2], strict=True)
    entries = zip(BINARY.items(), pairs, strict=True)
    return {name: function(x, y) for (name, (function, _, _)), (x, y) in entries}


def all_with_constants(x: torch.Tensor) -> Any:
    return {name: function(x) for name, function in WITH_CONSTANTS.items()}


TABLES: dict[str, tuple[Function, list[torch.Tensor]]] = {
    "one tensor": (all_unary, [x for _, x in UNARY.values()]),
    "two tensors": (all_binary, [x for _, *pair in BINARY.values() for x in pair]),
    "constants": (all_with_constants, [X]),
}


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_functions_of(name: str, decomposed: bool) -> None:
    """
    One import a table, because tracing takes long; a failure names the entry.

    An operation in place makes the importer decompose the whole graph.
    """
    function, args = TABLES[name]

    def in_place(*args: torch.Tensor) -> Any:
        return {**function(*args), "in place": (args[0] * 1.0).add_(1).relu_()}

    check(in_place if decomposed else function, *args)


def test_operators_that_torch_decomposes() -> None:
    def function(x: Any) -> Any:
        return {
            "relu6": F.relu6(x * 5),
            "rms_norm": F.rms_norm(x, (4,)),
            "logsumexp": T.logsumexp(x, 1),
            "glu": F.glu(x),
            "outer": T.outer(x[0], x[1]),
            "cosine": F.cosine_similarity(x, x + 1),
        }

    check(function, X)


WEIGHT, BIAS = draw(5, 4), draw(5)


@pytest.mark.parametrize("x", [ROW, X, BATCH], ids=["vector", "matrix", "batch"])
def test_linear(x: torch.Tensor) -> None:
    check(lambda *args: F.linear(*args), x, WEIGHT, BIAS)
    check(lambda *args: F.linear(*args), x, WEIGHT)


@pytest.mark.parametrize("factors", [(1, 1), (2.5, 0.5), (1, 0)])
def test_sum_with_a_scaled_product(factors: tuple[float, float]) -> None:
    scale = dict(zip(("alpha", "beta"), factors, strict=True))
    check(lambda *args: T.addmm(*args, **scale), BIAS, X, WEIGHT.T)
    check(lambda *args: T.addmv(*args, **scale), draw(3), X, ROW)
    check(lambda *args: T.baddbmm(*args, **scale), draw(3, 3), BATCH, BATCH.transpose(1, 2))


QUERY, KEY, VALUE = draw(2, 4, 6, 5), draw(2, 4, 7, 5, seed=3), draw(2, 4, 7, 3, seed=4)
ALLOWED = torch.from_numpy(np.random.default_rng(5).random((6, 7)) < 0.6) | torch.eye(6, 7).bool()


def attend(**options: Any) -> Function:
    return lambda *args: F.scaled_dot_product_attention(*args, **options)


def test_attention() -> None:
    check(attend(), QUERY, KEY, VALUE)
    check(attend(scale=0.3), QUERY, KEY, VALUE)


def test_attention_with_a_boolean_mask() -> None:
    check(attend(), QUERY, KEY, VALUE, ALLOWED)
    check(attend(), QUERY, KEY, VALUE, ALLOWED.expand(2, 1, 6, 7))


def test_a_row_of_attention_in_which_everything_is_masked_is_zero() -> None:
    mask = ALLOWED.clone()
    mask[2] = False
    check(attend(), QUERY, KEY, VALUE, mask)
    check(attend(), QUERY, KEY, VALUE, torch.zeros(6, 7).double().masked_fill(~mask, -math.inf))


def test_attention_with_an_additive_mask() -> None:
    check(attend(), QUERY, KEY, VALUE, draw(6, 7))


def test_causal_attention() -> None:
    check(attend(is_causal=True), QUERY, KEY, VALUE)
    check(attend(is_causal=True), QUERY, KEY[:, :, :4], VALUE[:, :, :4])


def test_attention_with_shared_heads() -> None:
    shared = KEY[:, :2], VALUE[:, :2]
    check(attend(enable_gqa=True), QUERY, *shared)
    check(attend(enable_gqa=True, is_causal=True), QUERY, *shared)
    mask = torch.from_numpy(np.random.default_rng(6).random((2, 4, 6, 7)) < 0.8)
    mask[..., 0] = True
    check(attend(enable_gqa=True), QUERY, *shared, mask)


ELSEWHERE = {
    "aten.linear.default",
    "aten.addmm.default",
    "aten.addmv.default",
    "aten.baddbmm.default",
    "aten.scaled_dot_product_attention.default",
    "aten.scalar_tensor.default",
    "aten._sparse_mm.default",
    "aten.to_dense.default",
    "aten.sparse_sampled_addmm.default",
    "aten.threshold_backward.default",
    "aten._softmax_backward_data.default",
    "aten._log_softmax_backward_data.default",
    "aten.nll_loss_forward.default",
    "aten.nll_loss_backward.default",
    "aten.scatter.src",
    "aten.scatter.value",
}
"""
Operators with tests of their own, here or beside the sparse layouts, dynamic sizes and gradients.
"""


def test_the_tables_reach_every_handler() -> None:
    seen: set[str] = set()
    for function, args in TABLES.values():
        with torch.no_grad():
            program: Any = torch.export.export(Lambda(function), tuple(args))
        nodes = [*program.graph.nodes, *program.run_decompositions({}).graph.nodes]
        seen |= {str(node.target) for node in nodes}
    assert HANDLERS.keys() - seen == ELSEWHERE
