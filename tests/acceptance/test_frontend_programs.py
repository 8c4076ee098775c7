"""What the frontends make, compiled and simulated: the values are PyTorch's and NumPy's."""

from typing import Any

import numpy as np
import pytest
import torch

from headrace.cli.driver import compile, lower
from headrace.frontends.einsum import import_einsum
from headrace.frontends.einsum_syntax import Parser, accesses
from headrace.models import gcn, graphs
from headrace.tests.imported import Function, Lambda, named
from headrace.tests.unit import test_frontend_einsum as notation
from headrace.tests.unit import test_frontend_torch as operators

UNFUSED = "sam-fuse{regions=none},sam-lower"
FUSED = "sam-fuse{regions=all},sam-lower"

NOT_LOWERED = {"to integer"}
"""Truncation to integers has no counterpart in the ALUs of a stream graph."""

Entry = tuple[Function, list[torch.Tensor]]


def entries() -> dict[str, Entry]:
    """Every operator of the tables, with its arguments."""
    return {
        **{name: (function, [x]) for name, (function, x) in operators.UNARY.items()},
        **{name: (function, [x, y]) for name, (function, x, y) in operators.BINARY.items()},
        **{name: (function, [operators.X]) for name, function in operators.WITH_CONSTANTS.items()},
    }


def agrees(function: Function, args: list[torch.Tensor], pipeline: str) -> bool:
    args = [x.clone() for x in args]
    program = compile(Lambda(function), args, pipeline=pipeline)
    results = [np.asarray(result).astype(float) for result in program.run(*args).outputs]
    expected = [wanted.astype(float) for _, wanted in named(function(*args))]
    return all(
        found.shape == wanted.shape and np.allclose(found, wanted, rtol=0, atol=1e-9)
        for found, wanted in zip(results, expected, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [UNFUSED, FUSED])
def test_every_operator(pipeline: str) -> None:
    wrong = [
        name
        for name, (function, args) in entries().items()
        if name not in NOT_LOWERED and not agrees(function, args, pipeline)
    ]
    assert not wrong


@pytest.mark.parametrize("name", ["masked softmax", "layer norm over two", "matmul broadcasts"])
def test_some_operators(name: str) -> None:
    assert agrees(*entries()[name], FUSED)


def notation_agrees(text: str, formats: dict[str, str], pipeline: str) -> bool:
    _, right = Parser(text).statement()
    names = dict.fromkeys(access.name for access in accesses(right))
    program = lower(import_einsum(text, formats), pipeline)
    result = program.run(*(np.asarray(notation.TENSORS[name], dtype=float) for name in names))
    found = np.asarray(result.outputs[0])
    return np.allclose(found, notation.MEANING[text], rtol=0, atol=1e-9)


def compressed(text: str) -> dict[str, str]:
    """Every tensor of a statement compressed on every level."""
    left, right = Parser(text).statement()
    return {use.name: "s" * len(use.indices) or "none" for use in (left, *accesses(right))}


@pytest.mark.parametrize("pipeline", [pytest.param(UNFUSED, marks=pytest.mark.slow), FUSED])
def test_every_statement_of_index_notation(pipeline: str) -> None:
    wrong = [
        (text, formats)
        for text in notation.MEANING
        for formats in ({}, compressed(text))
        if not notation_agrees(text, formats, pipeline)
    ]
    assert not wrong


def test_one_compiled_gcn_serves_every_number_of_nodes() -> None:
    def example(nodes: int) -> Any:
        graph = graphs.random_graph(nodes, 2 * nodes, features=6, seed=nodes)
        return gcn.on_graph(graph.adjacency, graph.features, 3, dtype=torch.float64)

    model, args = example(20)
    sizes = {"adjacency": {0: "n", 1: "n"}, "x": {0: "n"}}
    program = compile(model, args, dynamic_shapes=sizes, pipeline="gcn-per-layer")
    for nodes in (20, 33, 60):
        _, args = example(nodes)
        result = program.run(*args)
        expected: Any = model(*args).detach()
        np.testing.assert_allclose(np.asarray(result.outputs[0]), expected, rtol=0, atol=1e-9)
