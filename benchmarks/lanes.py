"""
Lanes in turn and by nonzeros: cycles of `A X` on graphs whose degrees follow a power law.

`python -m headrace.benchmarks.lanes`
"""

import argparse

import numpy as np

from headrace.cli.driver import lower
from headrace.cli.report import print_table
from headrace.frontends.einsum import import_einsum
from headrace.models.graphs import random_graph

GRAPHS = ((256, 4096, 0.55), (256, 4096, 0.9), (1000, 5000, 0.9))
"""Nodes, edges, and the exponent of the power law."""

FEATURES = 8
LANES = (1, 4, 8, 16, 32, 64)


def cycles(graph: tuple[int, int, float], lanes: int, balance: str) -> int:
    """Cycles of the product, whose rows are dealt to lanes."""
    nodes, edges, skew = graph
    adjacency = random_graph(nodes, edges, FEATURES, skew=skew).adjacency
    features = np.ones((nodes, FEATURES))
    formats = {"A": ("csr", adjacency.shape), "X": ("dense", features.shape)}
    module = import_einsum("Y(i,f) = A(i,j) * X(j,f)", formats)
    deal = f"sam-parallelize{{axis=0 factor={lanes} balance={balance}}}"
    program = lower(module, f"sam-fuse{{regions=all}},{deal},sam-lower")
    return program.run(adjacency, features, timing_only=True).cycles


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [
        (*graph, lanes, in_turn, balanced, in_turn / balanced)
        for graph in GRAPHS
        for lanes in LANES
        for in_turn, balanced in [(cycles(graph, lanes, b) for b in ("turns", "nonzeros"))]
    ]
    columns = ("nodes", "edges", "skew", "lanes", "in turn", "by nonzeros", "ratio")
    print_table("Cycles of A X in lanes", columns, rows)


if __name__ == "__main__":
    main()
