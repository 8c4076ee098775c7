"""
The graph network of several figures in index notation, with its operands and its values.

Source: "FuseFlow", ASPLOS 2026, section 8.2: `row_softmax(A relu(A X W1 + b1) W2 + b2)`, in which
`A X` is computed before the product with the weights, and the weights are pruned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import headrace
from headrace.experiments.experiment import Cell
from headrace.experiments.fuseflow.measure import simulated

Array = npt.NDArray[np.float64]

GCN = "Y(i,c) = softmax(A(i,j) * relu(A(j,k) * X(k,f) * W1(f,h) + b1(h)) * W2(h,c) + b2(c), c)"
GCN_FORMATS = {"A": "ss", "W1": "ss", "W2": "ss"}
"""Adjacency and weights are compressed on both levels, everything else is dense."""

GCN_CUTS: Mapping[str, Sequence[int]] = {
    "unfused": range(1, 8),
    "layer 1": range(4, 8),
    "layer 2": range(1, 5),
    "both layers": (4,),
    "full": (),
}
"""
Before which operations a new region begins.

They are: 0 A X, 1 product with W1, 2 bias, 3 relu, 4 A H, 5 product with W2, 6 bias, 7 softmax.
"""


def fused(cuts: Sequence[int] = ()) -> str:
    """The pipeline in which a region goes from each cut to the next."""
    text = f" cuts={','.join(map(str, cuts))}" if cuts else ""
    return f"sam-fuse{{regions=all{text}}},sam-lower"


def sparse(draw: np.random.Generator, shape: tuple[int, int], density: float) -> Array:
    """A normal matrix of which a part is kept."""
    return draw.standard_normal(shape) * (draw.random(shape) < density)


def gcn_operands(
    adjacency: Any,
    features: int,
    hidden: int,
    classes: int,
    density: float,
    draw: np.random.Generator,
) -> dict[str, Any]:
    """
    Normal features, and weights of which `density` is kept; nodes x nodes `adjacency`.

    The weights are scaled so that hidden features and scores are of the order of 1: a softmax of
    large scores is 0 and 1 whatever went wrong before it.
    """
    x = draw.standard_normal((adjacency.shape[0], features))
    w1 = sparse(draw, (features, hidden), density)
    w2 = sparse(draw, (hidden, classes), density)
    w1 /= np.std(adjacency @ (x @ w1))
    w2 /= np.std(adjacency @ (np.maximum(adjacency @ (x @ w1), 0) @ w2))
    b1, b2 = draw.standard_normal(hidden), draw.standard_normal(classes)
    return {"A": adjacency, "X": x, "W1": w1, "W2": w2, "b1": b1, "b2": b2}


def gcn_values(operands: Mapping[str, Any]) -> Array:
    """The result of the network in dense arithmetic, nodes x classes."""
    a, x, w1, w2, b1, b2 = (operands[name] for name in ("A", "X", "W1", "W2", "b1", "b2"))
    hidden = np.maximum(a @ (x @ w1) + b1, 0)
    scores = a @ (hidden @ w2) + b2
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def simulated_notation(
    text: str,
    pipeline: str,
    formats: Mapping[str, str],
    operands: Mapping[str, Any],
    expected: Array,
) -> dict[str, Cell]:
    """`simulated` for index notation, with the shapes of its operands."""
    specified: dict[str, Any] = {
        name: (formats.get(name, "d" * operand.ndim), operand.shape)
        for name, operand in operands.items()
    }
    return simulated(
        lambda: headrace.einsum(text, pipeline=pipeline, **specified), operands, expected
    )
