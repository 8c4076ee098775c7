"""
Routed experts: `y[b] = sum over e of routing[b, e] * expert_e(x[b])` as a stream graph.

The routing is `sum over j of (indices[b, j] == e) * weights[b, j]`, so that a row needs the experts
of its indices only. Rows are sent to the streams of their experts, packed, computed in tiles of
rows, unpacked, weighted and put together in the order of the rows.

Three forms are recognised: a sum over an axis of stacked experts; a sum of terms, each with the
number of an expert; and a sum over the chosen experts of a row, of weights gathered by its indices.
Where a row has one expert only, the sum over j may be missing.

Source: "Streaming Tensor Programs", arXiv 2511.07776, sections 2 and 5 (the graph).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.passes.step.graph_builder import GraphBuilder
from headrace.passes.step.host_tensors import Host
from headrace.passes.step.lower_rows import RowLowering, TileSizes, Unsupported
from headrace.passes.step.tensor_terms import Terms, shape_of
from headrace.passes.step.term import Axis, Label, Term


@dataclass(frozen=True)
class Routed:
    """A sum of weighted experts: `outputs[e]` has `row` and `column`; `fixed[e]` fixes labels."""

    row: Label
    column: Label
    indices: SSAValue
    weights: SSAValue
    outputs: tuple[Term, ...]
    fixed: tuple[dict[Label, int], ...]

    @property
    def chosen(self) -> int:
        """The experts of one row."""
        return shape_of(self.indices)[1]


@dataclass(frozen=True)
class _Routing:
    """`sum over j of (indices[b, j] == expert) * weights[b, j]`"""

    expert: Label | int
    indices: SSAValue
    weights: SSAValue


def recognise(terms: Terms, value: SSAValue) -> Routed | None:
    """The tensor as routed experts, if it is."""
    if len(shape_of(value)) != 2:
        return None
    term, (row, column) = terms.root(value)
    if term.kind == "reduce":
        # Gathered first: the largest weights are themselves sums over experts, of those that
        # have a rank, and a sum over choices would look like one over so many stacked experts.
        found = _gathered(terms, term, row, column) or _stacked(terms, term, row, column)
    else:
        found = _listed(terms, term, row, column)
    return found if found is not None and found.chosen <= len(found.outputs) else None


def _stacked(terms: Terms, term: Term, row: Label, column: Label) -> Routed | None:
    kind, labels = term.data
    (body,) = term.args
    if kind != "add" or len(cast("tuple[Label, ...]", labels)) != 1:
        return None
    (expert,) = cast("tuple[Label, ...]", labels)
    for weight, output in _factors(terms, body):
        found = _routing(terms, weight, row)
        if found is not None and found.expert is expert:
            fixed = tuple({expert: number} for number in range(expert.extent))
            outputs = (output,) * expert.extent
            return Routed(row, column, found.indices, found.weights, outputs, fixed)
    return None


def _listed(terms: Terms, term: Term, row: Label, column: Label) -> Routed | None:
    found: dict[int, Term] = {}
    tensors: set[tuple[SSAValue, SSAValue]] = set()
    for part in _addends(term):
        for weight, output in _factors(terms, part):
            routing = _routing(terms, weight, row)
            if routing is not None and isinstance(routing.expert, int):
                if routing.expert in found:
                    return None
                found[routing.expert] = output
                tensors.add((routing.indices, routing.weights))
                break
        else:
            return None
    if len(tensors) != 1 or sorted(found) != list(range(len(found))):
        return None
    (indices, weights) = tensors.pop()
    outputs = tuple(found[number] for number in range(len(found)))
    fixed = tuple(dict[Label, int]() for _ in found)
    return Routed(row, column, indices, weights, outputs, fixed)


def _gathered(terms: Terms, term: Term, row: Label, column: Label) -> Routed | None:
    """Gathered weights are those of an expert `e`, which the sum over choices stands for."""
    kind, labels = term.data
    (body,) = term.args
    if kind != "add" or len(cast("tuple[Label, ...]", labels)) != 1:
        return None
    (choice,) = cast("tuple[Label, ...]", labels)
    for weight, output in _factors(terms, body):
        weights = _matrix(terms, weight, row, choice)
        gathers = [one for one in output.walk() if one.kind == "gather"]
        names = {one.args[0] for one in gathers}
        if weights is None or len(names) != 1:
            continue
        indices = _matrix(terms, names.pop(), row, choice)
        if indices is None:
            continue
        expert = Label(shape_of(gathers[0].tensor)[0])

        def chosen(one: Term, expert: Label = expert) -> Term | None:
            if one.kind != "gather":
                return None
            axes: tuple[Axis, ...] = (expert, *(cast(Label, i.data[0]) for i in one.args[1:]))
            return terms.make("leaf", data=(one.tensor, axes))

        if not all(i.kind == "coordinate" for one in gathers for i in one.args[1:]):
            return None
        changed = terms.substitute(output, chosen)
        if choice in changed.labels:
            return None
        fixed = tuple({expert: number} for number in range(expert.extent))
        outputs = (changed,) * expert.extent
        return Routed(row, column, indices, weights, outputs, fixed)
    return None


def _routing(terms: Terms, term: Term, row: Label) -> _Routing | None:
    choice, body = Label(1), term
    if term.kind == "reduce":
        kind, labels = cast("tuple[str, tuple[Label, ...]]", term.data)
        if kind != "add" or len(labels) != 1:
            return None
        ((choice,), (body,)) = labels, term.args
    hit, weight = _choice(body)
    if hit is None or weight is None:
        return None
    weights = _matrix(terms, weight, row, choice)
    for index, expert in (hit.args, tuple(reversed(hit.args))):
        indices = _matrix(terms, index, row, choice)
        number = int(expert.number) if expert.number is not None else None
        named = cast(Label, expert.data[0]) if expert.kind == "coordinate" else number
        if named is not None and indices is not None and weights is not None:
            return _Routing(named, indices, weights)
    return None


def _matrix(terms: Terms, term: Term, row: Label, choice: Label) -> SSAValue | None:
    """The tensor, rows x choices, of which this is the element; an axis of size 1 is read at 0."""
    ways: list[tuple[Axis, ...]] = [
        (axis, 0) if axis.extent == 1 else (axis,) for axis in (row, choice)
    ]
    for axes in product(*ways):
        value = terms.tensor_at(term, axes)
        if value is not None and shape_of(value) == (row.extent, choice.extent):
            return value
    return None


def _choice(term: Term) -> tuple[Term | None, Term | None]:
    """The comparison of what is 0 where two are not equal, and its value where they are."""
    if term.kind == "select":
        condition, value, other = term.args
        if condition.kind == "not":
            condition, value, other = condition.args[0], other, value
        if condition.kind == "compare_ne":
            value, other = other, value
        if condition.kind in ("compare_eq", "compare_ne") and other.number == 0:
            return condition, value
    if term.kind == "mulf":
        for one, other in (term.args, tuple(reversed(term.args))):
            if one.kind == "indicator" and one.args[0].kind == "compare_eq":
                return one.args[0], other
    return None, None


def _factors(terms: Terms, term: Term) -> Iterator[tuple[Term, Term]]:
    """Each factor of a product, with the product of all others."""
    if term.kind == "mulf":
        for one, other in (term.args, tuple(reversed(term.args))):
            yield one, other
            for factor, rest in _factors(terms, one):
                yield factor, terms.make("mulf", rest, other)


def _addends(term: Term) -> Iterator[Term]:
    left = [term]
    while left:
        one = left.pop()
        if one.kind == "addf":
            left.extend(reversed(one.args))
        elif one.number != 0:
            yield one


def read_rows(routed: Routed) -> set[Term]:
    """What the experts' first products read of a row."""
    found: set[Term] = set()

    def visit(term: Term) -> None:
        if term.kind == "reduce" and (body := term.args[0]).kind == "mulf":
            for x, weight in (body.args, tuple(reversed(body.args))):
                if weight.kind == "leaf" and routed.row not in weight.labels:
                    inner = _first_products(x, routed.row)
                    if not inner:
                        found.add(x)
                        return
        for arg in term.args:
            if routed.row in arg.labels:
                visit(arg)

    for output in routed.outputs:
        visit(output)
    return found


def _first_products(term: Term, row: Label) -> bool:
    """Whether a product of rows with weights is inside."""
    return any(
        one.kind == "reduce" and one.args[0].kind == "mulf" and row in one.labels
        for one in term.walk()
    )


def lower(
    terms: Terms,
    routed: Routed,
    value: SSAValue,
    before: Operation,
    sizes: TileSizes,
) -> SSAValue:
    """
    The graph of routed experts, with single rows in a tile unless `sizes` says more; its result.

    Raises `Unsupported` for experts that are not computed row by row.
    """
    host, graph = Host(before), GraphBuilder()
    count = len(routed.outputs)
    names = [f"e{number}" for number in range(count)]
    hits = host.hits(routed.indices, count)
    streams = _Streams(graph, hits, names, routed.chosen, sizes)
    parts: list[list[Operation]] = []
    outputs: list[SSAValue] = []
    for number, (term, fixed) in enumerate(zip(routed.outputs, routed.fixed, strict=True)):
        streams.expert = number
        lowering = RowLowering(
            terms,
            graph,
            (routed.row,),
            streams.leaf,
            streams.reference,
            host,
            sizes,
            fixed,
        )
        streams.prepare(lowering, term)
        last = graph.block.last_op
        outputs.append(lowering.whole(term, routed.column))
        parts.append(graph.lines_of(last))
    graph.interleave(parts)
    unpacked = [
        graph.add(step.FlatMapOp(output, fn="split_rows", masked=True, dim=name, assumed=[name]))
        for output, name in zip(outputs, names, strict=True)
    ]
    weights = _weights(graph, host, routed, names)
    weighted = [
        graph.add(step.MapOp(output, weight, fn="mul", compute=sizes.compute))
        for output, weight in zip(unpacked, weights, strict=True)
    ]
    selector = graph.add(step.SelectOp(graph.tensor(hits), hot=routed.chosen))
    merged = graph.add(step.ReassembleOp(selector, weighted, rank=0))
    total = graph.add(step.AccumulateOp(merged, fn="add", rank=1, compute=sizes.compute))
    tiles = graph.add(step.ReshapeOp(total, rank=0, chunk=1, write_back=True))
    type = cast("TensorType", value.type)
    return graph.finish(before, [graph.add(step.StoreOp(tiles, into=type))]).results[0]


def _weights(
    graph: GraphBuilder, host: Host, routed: Routed, names: Sequence[str]
) -> Sequence[SSAValue]:
    """The weights of the rows of each expert, one tile of one number each."""
    tiles = graph.add(step.LoadOp(graph.tensor(routed.weights), tile=(1, 1)))
    chosen = host.one_hot(routed.indices, len(names))
    selector = graph.add(step.SelectOp(graph.tensor(chosen), hot=1))
    op = step.PartitionOp(tiles, selector, rank=0, dims=names, assumed=names)
    graph.add(op)
    return op.results


@dataclass
class _Streams:
    """The rows of each expert, packed in tiles."""

    graph: GraphBuilder
    hits: SSAValue
    names: Sequence[str]
    chosen: int
    sizes: TileSizes
    expert: int = 0

    def __post_init__(self) -> None:
        self._packed: dict[SSAValue, list[SSAValue]] = {}

    def prepare(self, lowering: RowLowering, term: Term) -> None:
        """Pack the rows that an expert reads, before its own operations."""
        for one in term.walk():
            if one.kind == "leaf" and lowering.rows[0] in one.labels:
                column = next((a for a in one.axes if a is not lowering.rows[0]), None)
                if len(one.axes) != 2 or not isinstance(column, Label):
                    raise Unsupported("it reads rows in another order than it writes them")
                self._pack(one.tensor, column.extent)
        if not self._packed:
            raise Unsupported("the experts read no rows")

    def leaf(self, value: SSAValue, width: int) -> SSAValue:
        """The row tiles of a tensor for the current expert."""
        return self._pack(value, width)[self.expert]

    def reference(self) -> SSAValue:
        """A stream with an element for each of these tiles."""
        return next(iter(self._packed.values()))[self.expert]

    def _pack(self, value: SSAValue, width: int) -> list[SSAValue]:
        if value in self._packed:
            return self._packed[value]
        graph, first = self.graph, not self._packed
        tiles = graph.add(step.LoadOp(graph.tensor(value), tile=(1, width)))
        flat = graph.add(step.FlattenOp(tiles, min=0, max=1))
        selector = graph.add(step.SelectOp(graph.tensor(self.hits), hot=self.chosen))
        parts = step.PartitionOp(
            flat, selector, rank=0, dims=self.names, assumed=() if first else self.names
        )
        graph.add(parts)
        chunks = [
            graph.add(step.ReshapeOp(part, rank=0, chunk=max(self.sizes.rows, 1), outer=True))
            for part in parts.results
        ]
        packed: list[SSAValue] = []
        for chunk in chunks:
            lists = graph.add(step.FlattenOp(chunk, min=1, max=2))
            op = step.AccumulateOp(lists, fn="retile_rows", rank=1, compute=self.sizes.compute)
            packed.append(graph.add(op))
        self._packed[value] = packed
        return packed
