"""
Decode attention over caches of different lengths, as a stream graph.

Of each request the tiles of its cache are read that hold its rows. The last one gets the new row,
goes back to memory, and takes its place among the others. Scores of all tiles are exponentiated,
multiplied with the values and added up, and divided by their sum.

Rows of the last tile behind the new one are zero, and so are their scores; what they must not add
to the sums is kept out in two ways. In the `plain` form, the graph of the literature, the powers of
those scores are 1 each, and their number is subtracted. Where scores are large, exponentials
overflow; where all are far below 0, they vanish beside what is subtracted. The `online` form has
neither: it sets those scores to -inf, and subtracts the largest score so far from all. Where a
larger one comes, the sums are scaled to it before the next tile is added. No tile is without a row
of its request, so that the largest is a score, and with finite scores no -inf is taken from -inf.

Sources: "Streaming Tensor Programs", arXiv 2511.07776, section 5 (the graph, for timing only: its
sums have the scores of rows that are not there; what keeps them out is ours). "Online normalizer
calculation for softmax", arXiv 1805.02867, section 3 (the largest score and the sum in one pass);
"FlashAttention", arXiv 2205.14135, section 3.1 (the same for the weighted values).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.passes.step.attention_terms import Attention, Cache
from headrace.passes.step.graph_builder import GraphBuilder
from headrace.passes.step.host_tensors import Host
from headrace.passes.step.lower_rows import Misfit, TileSizes
from headrace.passes.step.tensor_terms import shape_of

Softmax = Literal["online", "plain"]


def lower(
    attention: Attention,
    value: SSAValue,
    before: Operation,
    sizes: TileSizes,
    softmax: Softmax,
) -> dict[SSAValue, SSAValue]:
    """
    The graph of attention with tiles of `sizes.rows` of the caches (0: up to 32).

    Returns what replaces the result and both caches. Raises `Misfit` for tiles that do not
    divide the caches.
    """
    *outer, positions, _ = shape_of(attention.keys.tensor)
    requests = math.prod(outer)
    tile = sizes.rows or max(n for n in range(1, min(positions, 32) + 1) if positions % n == 0)
    if positions % tile:
        raise Misfit(f"tiles of {tile} rows do not divide {positions} positions; change one")
    host = Host(before)
    one = _one_axis(host, attention)
    counts = host.tile_counts(one.lengths, tile, positions // tile)
    queries = shape_of(one.query)[1]
    out = host.empty((requests, queries, shape_of(value)[-1]), value)
    query = host.scaled(one.query, one.scale) if one.scale != 1 else one.query
    graph = _Graph(
        GraphBuilder(),
        requests,
        positions // tile,
        tile,
        sizes.compute,
        host.numbers(requests),
        counts,
        host.last_rows(one.lengths, counts, tile),
    )
    tensors = graph.build(one, query, out, host, softmax)
    results = graph.graph.finish(before, tensors).results
    places = (value, attention.keys.appended, attention.values.appended)
    return {
        place: host.shaped(result, shape_of(place))
        for place, result in zip(places, results, strict=True)
    }


def _one_axis(host: Host, attention: Attention) -> Attention:
    """The same with one axis of requests, and one of queries."""
    keys, values = attention.keys, attention.values
    outer = tuple(label.extent for label in keys.requests)
    count = math.prod(outer)

    def flat(value: SSAValue, *inner: int) -> SSAValue:
        return host.shaped(value, (count, *inner))

    def cache(one: Cache) -> Cache:
        positions, width = shape_of(one.tensor)[-2:]
        return replace(one, tensor=flat(one.tensor, positions, width), new=flat(one.new, width))

    queries = shape_of(attention.query)[len(outer) :]
    lengths = attention.lengths
    if attention.spread != (0,) or len(outer) > 1:
        lengths = flat(host.spread(lengths, attention.spread, outer))
    return replace(
        attention,
        query=flat(attention.query, math.prod(queries[:-1]), queries[-1]),
        keys=cache(keys),
        values=cache(values),
        lengths=lengths,
    )


@dataclass
class _Graph:
    """One region: all requests one after the other."""

    graph: GraphBuilder
    requests: int
    row_tiles: int
    tile: int
    compute: int
    indices: SSAValue
    counts: SSAValue
    rest: SSAValue
    """The rows that the last tile of a request has, without the new one."""
    made: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def build(
        self, attention: Attention, query: SSAValue, out: SSAValue, host: Host, softmax: Softmax
    ) -> list[SSAValue]:
        graph = self.graph
        q = self._rows(query, shape_of(query)[1])
        new = [self._rows(cache.new, 1) for cache in (attention.keys, attention.values)]
        keys, stored_keys = self._cache(attention.keys, new[0], first=True)
        values, stored_values = self._cache(attention.values, new[1], first=False)
        queries = graph.add(step.ExpandOp(q, keys, rank=1))
        scores = self._map("matmul_transposed", queries, keys)
        if softmax == "online":
            seen = self._integers(host.shifted(self.rest, 1))
            weighted, total = self._online(self._masked(scores, seen), values)
        else:
            unseen = host.unseen(self.rest, self.tile - 1, cast("TensorType", out.type))
            weighted, total = self._plain(scores, values, unseen)
        result = graph.add(
            step.MapOp(weighted, total, fn="div", compute=self.compute, write_back=True)
        )
        store = step.RandomStoreOp(graph.tensor(out), self._integers(self.indices), result)
        graph.add(store)
        return [store.result, stored_keys, stored_values]

    def _rows(self, value: SSAValue, rows: int) -> SSAValue:
        """The rows of each request as one tile: requests x 1."""
        tile = (rows, shape_of(value)[-1])
        load = step.LoadOp(
            self.graph.tensor(value), tile=tile, strides=(1, 1), shape=(self.requests, 1)
        )
        return self.graph.add(step.FlattenOp(self.graph.add(load), min=1, max=2))

    def _cache(self, cache: Cache, new: SSAValue, *, first: bool) -> tuple[SSAValue, SSAValue]:
        """The tiles of a cache with the new row (requests x ~tiles), and the cache in memory."""
        graph, memory = self.graph, self.graph.tensor(cache.tensor)
        known = () if first else ("tiles",)
        address = graph.add(
            step.CacheReadAddressOp(
                self._integers(self.indices),
                self._integers(self.counts),
                row_tiles=self.row_tiles,
                dim="tiles",
                assumed=known,
            )
        )
        tile = (self.tile, shape_of(cache.tensor)[-1])
        tiles = graph.add(step.RandomLoadOp(memory, address, tile=tile))
        selector = graph.add(
            step.FilterLastOp(self._integers(self.counts), dim="tiles", assumed=("tiles",))
        )
        parts = step.PartitionOp(
            tiles,
            selector,
            rank=0,
            dims=(str(self.requests), "others"),
            assumed=() if first else ("others",),
        )
        last = self._free("set_offset", graph.add(parts), self._integers(self.rest))
        row = graph.add(step.FlattenOp(new, min=0, max=1))
        appended = self._free("row_append", last, row)
        whole = graph.add(step.ReassembleOp(selector, [appended, parts.results[1]], rank=0))
        merged = graph.add(step.FlattenOp(whole, min=0, max=1))
        place = graph.add(
            step.MapOp(
                self._integers(self.indices),
                self._integers(self.counts),
                fn="cache_write_address",
                scalar=float(self.row_tiles),
            )
        )
        store = step.RandomStoreOp(memory, place, appended)
        graph.add(store)
        return merged, store.result

    def _integers(self, value: SSAValue) -> SSAValue:
        """A number for each request, made once, as the literature does."""
        if value not in self.made:
            integers = self.graph.add(step.IntegersOp(self.graph.tensor(value)))
            self.made[value] = self.graph.add(step.FlattenOp(integers, min=0, max=1))
        return self.made[value]

    def _plain(
        self, scores: SSAValue, values: SSAValue, unseen: SSAValue
    ) -> tuple[SSAValue, SSAValue]:
        """The sums of weighted values and of weights; rows that are not there add exp(0) each."""
        powers = self._map("exp", scores)
        weighted = self._fold("matmul", powers, values)
        total = self._map("row_sum", self._fold("add", powers))
        padding = self.graph.add(step.FlattenOp(self._rows(unseen, 1), min=0, max=1))
        return weighted, self._map("sub", total, padding)

    def _online(self, scores: SSAValue, values: SSAValue) -> tuple[SSAValue, SSAValue]:
        """
        The sums of weighted values and of weights, both relative to the largest score so far.

        Before the first tile the largest is -inf, and the sums are scaled by 0.
        """
        of_tile = self._map("row_max", scores)
        largest = self._largest(of_tile)
        growth = self._map("sub", self._largest(of_tile, before=True), largest)
        scale = self._map("exp", growth)
        powers = self._map("exp", self._map("sub", scores, largest))
        weighted = self._fold("multiply_add", scale, self._map("matmul", powers, values))
        total = self._fold("multiply_add", scale, self._map("row_sum", powers))
        return weighted, total

    def _largest(self, scores: SSAValue, *, before: bool = False) -> SSAValue:
        """The largest score of each row up to a tile, with it or `before` it."""
        return self.graph.add(
            step.ScanOp(scores, fn="maximum", rank=1, exclusive=before, compute=self.compute)
        )

    def _masked(self, scores: SSAValue, seen: SSAValue) -> SSAValue:
        """Scores with -inf behind the rows of a request, in its last tile."""
        graph = self.graph
        selector = graph.add(
            step.FilterLastOp(self._integers(self.counts), dim="tiles", assumed=("tiles",))
        )
        parts = step.PartitionOp(
            scores,
            selector,
            rank=0,
            dims=(str(self.requests), "others"),
            assumed=("others",),
        )
        last = self._free("mask_columns", graph.add(parts), seen)
        whole = graph.add(step.ReassembleOp(selector, [last, parts.results[1]], rank=0))
        return graph.add(step.FlattenOp(whole, min=0, max=1))

    def _map(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.MapOp(*inputs, fn=fn, compute=self.compute))

    def _free(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.MapOp(*inputs, fn=fn))

    def _fold(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.AccumulateOp(*inputs, fn=fn, rank=1, compute=self.compute))
