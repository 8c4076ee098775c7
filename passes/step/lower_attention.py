"""
Decode attention over caches of different lengths, as a stream graph.

Of each request the tiles of its cache are read that hold its rows. The last one gets the new row,
goes back to memory, and takes its place among the others. Scores of all tiles are exponentiated,
multiplied with the values and added up, and divided by their sum.

Rows of the last tile behind the new one are zero, and so are their scores; what they must not add
to the sum is kept out in two ways. The `plain` form is the graph of the literature: the powers of
those scores are 1 each, and their number is subtracted. Where scores are large, exponentials
overflow; where all are far below 0, they vanish beside what is subtracted. The `safe` form has
neither: it sets those scores to -inf, and subtracts the largest score of a row from all, for which
it keeps the scores of a request in a buffer until that is known.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 5 (the graph, for timing only: its
sums have the scores of rows that are not there); what keeps them out is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from xdsl.dialects import tensor
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import step
from headrace.passes.step.graph_builder import GraphBuilder
from headrace.passes.step.host_tensors import Host
from headrace.passes.step.lower_rows import Misfit
from headrace.passes.step.tensor_terms import Terms, shape_of
from headrace.passes.step.term import Axis, Label, Term, same

Softmax = Literal["safe", "plain"]


@dataclass(frozen=True)
class Cache:
    """Requests x positions x width, with the row `new` (requests x width) behind those there."""

    tensor: SSAValue
    new: SSAValue
    appended: SSAValue
    """The tensor of the program that has the new rows."""
    length: Term


@dataclass(frozen=True)
class Attention:
    """`softmax(scale * query keys^T) values` over the first `lengths` + 1 rows of the caches."""

    query: SSAValue
    keys: Cache
    values: Cache
    lengths: SSAValue
    scale: float


def recognise(terms: Terms, value: SSAValue) -> Attention | None:
    """The tensor, requests x queries x width, as attention over caches, if it is."""
    if len(shape_of(value)) != 3:
        return None
    term, (request, query, column) = terms.root(value)
    found = _sum_of_product(term)
    if found is None:
        return None
    position, factors = found
    for weights, rows in (factors, (factors[1], factors[0])):
        values = _cache(terms, rows, request, position, column)
        scores = _scores_of_softmax(weights, position)
        if values is None or scores is None:
            continue
        seen = _seen(terms, scores, position)
        if seen is None or not same(seen[0], values.length):
            continue
        scale, raw = _scaled(seen[1])
        product = _sum_of_product(raw)
        if product is None:
            continue
        inner, (x, y) = product
        for q, k in ((x, y), (y, x)):
            keys = _cache(terms, k, request, position, inner)
            lengths = terms.origins.get(values.length)
            if (
                keys is None
                or not same(keys.length, values.length)
                or lengths is None
                or lengths[1] != (request,)
                or q.kind != "leaf"
                or q.axes != (request, query, inner)
            ):
                continue
            return Attention(q.tensor, keys, values, lengths[0], scale)
    return None


def _sum_of_product(term: Term) -> tuple[Label, tuple[Term, Term]] | None:
    if term.kind != "reduce" or term.data[0] != "add" or term.args[0].kind != "mulf":
        return None
    labels = cast("tuple[Label, ...]", term.data[1])
    x, y = term.args[0].args
    return (labels[0], (x, y)) if len(labels) == 1 else None


def _cache(
    terms: Terms, term: Term, request: Label, position: Label, column: Label
) -> Cache | None:
    """`position == length ? new : cache`"""
    if term.kind != "select" or term.args[0].kind != "compare_eq":
        return None
    condition, new, old = term.args
    place, length = condition.args
    if place.kind != "coordinate":
        place, length = length, place
    axes: tuple[Axis, ...] = (request, position, column)
    whole = terms.origins.get(term)
    if (
        place.kind == "coordinate"
        and place.data[0] is position
        and new.kind == old.kind == "leaf"
        and new.axes == (request, column)
        and old.axes == axes
        and whole is not None
        and whole[1] == axes
    ):
        return Cache(old.tensor, new.tensor, whole[0], length)
    return None


def _scores_of_softmax(term: Term, position: Label) -> Term | None:
    """The scores of which the expression is the softmax along `position`."""
    if term.kind != "divf" or term.args[0].kind != "exp":
        return None
    power, total = term.args
    total = _at_least(total)
    difference = power.args[0]
    if difference.kind != "subf":
        return None
    scores, largest = difference.args[0], _at_least(difference.args[1])
    for reduced, kind, whole in ((total, "add", power), (largest, "max", scores)):
        if reduced.kind != "reduce" or reduced.data[0] != kind:
            return None
        labels = cast("tuple[Label, ...]", reduced.data[1])
        if len(labels) != 1 or not same(reduced.args[0], whole, {labels[0]: position}):
            return None
    return scores


def _at_least(term: Term) -> Term:
    """Without the limits that only rows without any position need."""
    if term.kind == "maximumf":
        for one, other in (term.args, tuple(reversed(term.args))):
            if one.number is not None and (one.number == 1 or one.number < -1e30):
                return other
    return term


def _seen(terms: Terms, scores: Term, position: Label) -> tuple[Term, Term] | None:
    """The last position that is seen, and the scores there; all others are -inf."""
    if scores.kind != "select":
        return None
    condition, yes, no = scores.args
    if yes.number is not None:
        condition, yes, no = terms.make("not", condition), no, yes
    if no.number != float("-inf"):
        return None
    kind, args = condition.kind, condition.args
    if kind == "not":
        opposite = {"le": "gt", "lt": "ge", "ge": "lt", "gt": "le"}
        inner, args = args[0], args[0].args
        kind = f"compare_{opposite.get(inner.kind.removeprefix('compare_'), '')}"
    if len(args) != 2:
        return None
    place, bound = args
    if place.kind != "coordinate":
        mirrored = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt"}
        place, bound = bound, place
        kind = f"compare_{mirrored.get(kind.removeprefix('compare_'), '')}"
    if place.kind != "coordinate" or place.data[0] is not position:
        return None
    if kind == "compare_le":
        return bound, yes
    if kind == "compare_lt" and bound.kind == "addi" and bound.args[1].number == 1:
        return bound.args[0], yes
    return None


def _scaled(term: Term) -> tuple[float, Term]:
    scale = 1.0
    while term.kind in ("mulf", "divf"):
        x, y = term.args
        if term.kind == "mulf" and x.number is not None:
            x, y = y, x
        if y.number is None:
            break
        scale = scale * y.number if term.kind == "mulf" else scale / y.number
        term = x
    return scale, term


def lower(
    attention: Attention,
    value: SSAValue,
    before: Operation,
    rows: int,
    compute: int,
    softmax: Softmax,
) -> dict[SSAValue, SSAValue]:
    """
    The graph of attention with tiles of `rows` of the caches (0: up to 32).

    Returns what replaces the result and both caches. Raises `Misfit` for tiles that do not
    divide the caches.
    """
    requests, positions, _ = shape_of(attention.keys.tensor)
    tile = rows or max(n for n in range(1, min(positions, 32) + 1) if positions % n == 0)
    if positions % tile:
        raise Misfit(f"tiles of {tile} rows do not divide {positions} positions; change one")
    host = Host(before)
    counts = host.tile_counts(attention.lengths, tile, positions // tile)
    out = tensor.EmptyOp((), cast("TensorType", value.type))
    Rewriter.insert_op(out, InsertPoint.before(before))
    query = attention.query
    if attention.scale != 1:
        query = host.scaled(query, attention.scale)
    graph = _Graph(
        GraphBuilder(),
        requests,
        positions // tile,
        tile,
        compute,
        host.numbers(requests),
        counts,
        host.last_rows(attention.lengths, counts, tile),
    )
    tensors = graph.build(attention, query, out.results[0], host, softmax)
    results = graph.graph.finish(before, tensors).results
    places = (value, attention.keys.appended, attention.values.appended)
    return dict(zip(places, results, strict=True))


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
    alone: bool = False
    made: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def build(
        self, attention: Attention, query: SSAValue, out: SSAValue, host: Host, softmax: Softmax
    ) -> list[SSAValue]:
        graph = self.graph
        q = self._rows(query, shape_of(query)[1])
        new = [self._rows(cache.new, 1) for cache in (attention.keys, attention.values)]
        self.alone = softmax == "safe"
        keys, stored_keys = self._cache(attention.keys, new[0], first=True)
        values, stored_values = self._cache(attention.values, new[1], first=False)
        queries = graph.add(step.ExpandOp(q, keys, rank=1))
        scores = self._map("matmul_transposed", queries, keys)
        if softmax == "safe":
            seen = self._integers(host.shifted(self.rest, 1))
            scores = self._below_largest(self._masked(scores, seen))
        powers = self._map("exp", scores)
        weighted = self._fold("matmul", powers, values)
        total = self._map("row_sum", self._fold("add", powers))
        if softmax == "plain":
            unseen = host.unseen(self.rest, self.tile - 1, cast("TensorType", out.type))
            total = self._map("sub", total, self._padding(unseen))
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
        """
        A number for each request.

        The plain form makes them once, as the literature does: readers wait for each other. In the
        safe form a request is stored long after the next one begins, and each reader has its own.
        """
        if self.alone or value not in self.made:
            integers = self.graph.add(step.IntegersOp(self.graph.tensor(value)))
            self.made[value] = self.graph.add(step.FlattenOp(integers, min=0, max=1))
        return self.made[value]

    def _padding(self, unseen: SSAValue) -> SSAValue:
        """What rows that are not there add to a sum of exponentials: exp(0) each."""
        tiles = self.graph.add(step.LoadOp(self.graph.tensor(unseen), tile=(1, 1)))
        return self.graph.add(step.FlattenOp(tiles, min=0, max=2))

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

    def _below_largest(self, scores: SSAValue) -> SSAValue:
        """Scores less the largest of their row, which is known when all have been buffered."""
        graph = self.graph
        largest = self._fold("maximum", self._map("row_max", scores))
        buffers = graph.add(step.BufferizeOp(scores, rank=1))
        again = graph.add(step.StreamifyOp(buffers, largest, rank=0))
        repeated = graph.add(
            step.ExpandOp(graph.add(step.PromoteOp(largest, rank=0)), again, rank=1)
        )
        return self._map("sub", again, repeated)

    def _map(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.MapOp(*inputs, fn=fn, compute=self.compute))

    def _free(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.MapOp(*inputs, fn=fn))

    def _fold(self, fn: str, *inputs: SSAValue) -> SSAValue:
        return self.graph.add(step.AccumulateOp(*inputs, fn=fn, rank=1, compute=self.compute))
