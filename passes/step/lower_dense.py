"""
Rows through layers: products with weights, norms, softmax, functions, as one stream graph.

Rows are loaded in tiles of several, computed, and stored; no row needs another one.
"""

from math import prod
from typing import cast

from xdsl.dialects.builtin import TensorType, UnitAttr
from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.passes.step.graph_builder import GraphBuilder
from headrace.passes.step.host_tensors import Host
from headrace.passes.step.lower_rows import Misfit, RowLowering, TileSizes, Unsupported, usual
from headrace.passes.step.tensor_terms import Terms
from headrace.passes.step.term import Label, Term


def lower(
    terms: Terms,
    term: Term,
    axes: tuple[Label, ...],
    value: SSAValue,
    before: Operation,
    sizes: TileSizes,
) -> SSAValue:
    """
    The graph that computes `value`, which is `term` over `axes`; its result.

    Raises `Unsupported` for what is not computed row by row.
    """
    if not axes:
        raise Unsupported("it is one number for all rows")
    *outer, column = axes
    count = prod(axis.extent for axis in outer)
    tile = sizes.rows or usual(count)
    if count % tile:
        raise Misfit(f"tiles of {tile} rows do not divide {count} rows; change one")
    graph, host = GraphBuilder(), Host(before)
    loaded: dict[SSAValue, SSAValue] = {}

    def leaf(source: SSAValue, width: int) -> SSAValue:
        if source not in loaded:
            load = step.LoadOp(
                graph.tensor(source), tile=(tile, width), strides=(1, 1), shape=(count // tile, 1)
            )
            loaded[source] = graph.add(step.FlattenOp(graph.add(load), min=0, max=1))
        return loaded[source]

    def reference() -> SSAValue:
        if not loaded:
            raise Unsupported("it reads weights before any row")
        return next(iter(loaded.values()))

    lowering = RowLowering(terms, graph, tuple(outer), leaf, reference, host, sizes)
    tiles = lowering.whole(term, column)
    # What is stored leaves from a memory, as in the published graphs.
    if isinstance(tiles.owner, step.MapOp | step.AccumulateOp):
        tiles.owner.write_back = UnitAttr()
    stored = step.StoreOp(tiles, into=cast("TensorType", value.type))
    return graph.finish(before, [graph.add(stored)]).results[0]
