"""
The families of embedding operations of Ember (CGO 2026), each as traces made by hand.

Shapes are those of the paper's inputs, which section 8.9 of the specification lists; the graphs
themselves are replaced by draws. Work is what the loops of section 1 do, with 8 lanes at level 3.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.cpu import simulate_core
from headrace.simulators.dae.locality import ZIPF, locality_indices, zipf_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.timing import simulate
from headrace.simulators.dae.trace import Trace
from headrace.tests.dae_traces import RM, embedding_bag, gather, lookup_work

LOOKUPS = 20_000
ROW = CaseWork(dispatches=1, exits=1)

Cases = Iterator[tuple[Trace, CaseWork]]
"""Traces, and the work of one item by a core."""


def embedding_bags(machine: DaeMachine) -> Cases:
    for locality in ZIPF:
        for per_segment, elements in RM.values():
            indices = locality_indices(locality)
            trace = embedding_bag(indices, per_segment, elements, 3, machine)
            yield trace, lookup_work(3, elements, 8)


def graph_networks(machine: DaeMachine) -> Cases:
    """A neighbour's row, scaled by a weight that is padded to a vector; skewed as graphs are."""
    for nodes, elements in ((200_000, 256), (1_900_000, 256), (2_400_000, 256), (100_000, 256)):
        vectors = elements // 8
        work = ROW + CaseWork(vector_pops=1 + vectors, vector_operations=3 * vectors)
        yield (
            gather(
                [zipf_indices(nodes, LOOKUPS, ZIPF["L2"])],
                elements,
                tokens=1,
                words=8 + elements,
                work=work,
                machine=machine,
            ),
            work,
        )


def message_passing(machine: DaeMachine) -> Cases:
    """
    A neighbour's row is kept while it is multiplied with the vertex' row; then it is scaled.

    Two loops, a horizontal sum and a function of it; per vector a multiply-add with a load, a
    store and a load of the kept row, and a load, multiply-add and store of the sum.
    """
    for nodes in (1_100_000, 2_000_000, 900_000, 2_400_000):
        vectors = 128 // 8
        work = CaseWork(
            dispatches=1,
            exits=2,
            vector_pops=vectors,
            vector_operations=7 * vectors,
            reductions=1,
            functions=1,
        )
        yield (
            gather(
                [zipf_indices(nodes, LOOKUPS, ZIPF["L2"])],
                128,
                tokens=1,
                words=128,
                work=work,
                machine=machine,
            ),
            work,
        )


def knowledge_graphs(machine: DaeMachine) -> Cases:
    """Three rows a sample, a sum, a difference, the square of it and a root; nothing is reused."""
    return _knowledge_graphs(machine, {100_000: 100_000, 2_500_000: 2_500_000})


def few_relations(machine: DaeMachine) -> Cases:
    """The same with the relations of biokg and wikikg2: their rows are used again and again."""
    return _knowledge_graphs(machine, {100_000: 51, 2_500_000: 535})


def _knowledge_graphs(machine: DaeMachine, relations: Mapping[int, int]) -> Cases:
    """`relations` by number of nodes."""
    for nodes, kinds in relations.items():
        vectors = 512 // 8
        work = ROW + CaseWork(
            vector_pops=3 * vectors, vector_operations=3 * vectors, reductions=1, functions=1
        )
        rows = [zipf_indices(rows, 5000, 0.0, i) for i, rows in enumerate((nodes, kinds, nodes))]
        yield gather(rows, 512, tokens=1, words=1536, work=work, machine=machine), work


def block_gathers(machine: DaeMachine) -> Cases:
    """BigBird: each block reads 3 neighbours, 2 global and 3 random blocks; rows are copied."""
    blocks = 512
    for size in (1, 2, 4, 8):
        random = np.random.default_rng(size)
        rows = [
            block * size + token
            for query in range(blocks)
            for block in (
                *((query + step) % blocks for step in (-1, 0, 1)),
                *(0, blocks - 1),
                *random.integers(0, blocks, 3).tolist(),
            )
            for token in range(size)
        ]
        # The access unit does all of it; a core alone would load and store 8 vectors.
        trace = gather(
            [np.array(rows)],
            64,
            tokens=0,
            words=0,
            work=CaseWork(),
            machine=machine,
            copies=True,
        )
        yield trace, CaseWork(vector_operations=2 * 8)


FAMILIES = {
    "MP": message_passing,
    "GNN": graph_networks,
    "EB": embedding_bags,
    "KG": knowledge_graphs,
    "SpAttn": block_gathers,
}


def speedups(cases: Cases, machine: DaeMachine) -> list[float]:
    """Of level 3 over the core alone, for each case."""
    return [
        simulate_core(trace, machine, work.alone().cycles(machine.core)).cycles
        / simulate(trace, machine).cycles
        for trace, work in cases
    ]
