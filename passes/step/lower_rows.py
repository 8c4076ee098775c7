"""
Computation row by row as streams of row tiles: products with weights, functions, norms, softmax.

A row tile has T rows and all columns. A product with a weight gives tiles of `columns` of its
result one after the other, in lists of their own; a product over such a list adds up, anything
else that needs whole rows puts the tiles side by side. Weights are read again for each row tile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.ir import SSAValue

from headrace.dialects import step
from headrace.passes.step.graph_builder import GraphBuilder
from headrace.passes.step.host_tensors import Host
from headrace.passes.step.tensor_terms import Terms
from headrace.passes.step.term import Axis, Fold, Label, Term, labels_of

FUNCTIONS = {
    "addf": "add",
    "subf": "sub",
    "mulf": "mul",
    "divf": "div",
    "maximumf": "maximum",
    "minimumf": "minimum",
    "negf": "negate",
    **{name: name for name in "exp log sqrt tanh sin cos square relu silu sigmoid gelu".split()},
}
"""Functions of `step.map` for scalar operations."""


ROUTED = (
    "it chooses by a mask or by indices; what is recognised are routed experts, as the sum over "
    "all experts e, each once and from zeros, of expert_e(x) * ((indices == e) * "
    "weights).sum(-1, keepdim=True) with indices and weights of rows x chosen, "
    "or as weights[indices] summed over the choices"
)
"""Why a choice that is no part of routed experts has no form, and which has."""

LARGEST = 64
"""The most rows or columns of a tile, where the number is not given."""


def usual(size: int) -> int:
    """The largest divisor of a size that is at most `LARGEST`; all of it if that is below 16."""
    divisor = max(n for n in range(1, min(size, LARGEST) + 1) if size % n == 0)
    return divisor if divisor >= 16 else size


@dataclass(frozen=True)
class TileSizes:
    """The tiles that a graph is made of, and the speed of its units; 0 leaves a size to us."""

    rows: int = 0
    """Computed at once."""
    columns: int = 0
    """What a product gives at once."""
    compute: int = 0
    """FLOPs a cycle of each unit; 0: any number."""


class Unsupported(Exception):
    """Why an expression has no form as a stream."""


class Misfit(Unsupported):
    """Which size of tiles does not fit."""


@dataclass(frozen=True)
class Tiles:
    """A stream of row tiles; `split`: with an inner list of tiles side by side."""

    stream: SSAValue
    split: bool = False

    @property
    def element(self) -> step.TileType:
        element = cast(step.StreamType, self.stream.type).element_type
        assert isinstance(element, step.TileType)
        return element


@dataclass
class RowLowering:
    """
    Emits streams for expressions over `rows` and one column.

    `leaf` gives the row tiles of a tensor, `reference` a stream with an element for each row tile.
    `numbers` gives labels a number each.
    """

    terms: Terms
    graph: GraphBuilder
    rows: tuple[Label, ...]
    leaf: Callable[[SSAValue, int], SSAValue]
    reference: Callable[[], SSAValue]
    host: Host
    sizes: TileSizes
    numbers: Mapping[Label, int] | None = None

    def __post_init__(self) -> None:
        self._known: dict[tuple[Term, Label | None], Tiles] = {}
        self._names: dict[int, Label] = {}
        self._repeated: dict[tuple[SSAValue, int], SSAValue] = {}

    def whole(self, term: Term, column: Label | None) -> SSAValue:
        """Row tiles of all columns."""
        return self._whole(self.emit(term, column))

    def emit(self, term: Term, column: Label | None) -> Tiles:
        """
        The stream of an expression whose columns are `column`, or that has one column.

        Raises `Unsupported` for what no function of tiles computes.
        """
        if column is not None and column in term.labels:
            # One name for all columns of a size: what is computed twice is emitted once.
            name = self._names.setdefault(column.extent, Label(column.extent))
            term, column = self.terms.rename(term, column, name), name
        else:
            column = None
        key = (term, column)
        if key not in self._known:
            self._known[key] = self._emit(term, column)
        return self._known[key]

    # --- cases -----------------------------------------------------------------------------

    def _emit(self, term: Term, column: Label | None) -> Tiles:
        match term.kind:
            case "leaf":
                return self._leaf(term, column)
            case "reduce":
                return self._reduce(term, column)
            case "rotate":
                x = self.whole(term.args[0], column)
                return Tiles(self._map("rotate_half", x))
            case "rsqrt":
                root = self._function("sqrt", term.args[0], column)
                return Tiles(self._map("reciprocal", root.stream), root.split)
            case kind if kind in FUNCTIONS:
                if len(term.args) == 1:
                    return self._function(FUNCTIONS[kind], term.args[0], column)
                return self._binary(term, column)
            case "indicator" | "select" | "gather":
                raise Unsupported(ROUTED)
            case _:
                raise Unsupported(f"'{term.kind}' is no function of tiles")

    def _leaf(self, term: Term, column: Label | None) -> Tiles:
        axes = self._fixed(term.axes)
        if not set(labels_of(axes)) & set(self.rows):
            raise Unsupported("a value without rows stands alone")
        if any(isinstance(axis, Fold) for axis in axes):
            raise Unsupported("it reads rows that are reshaped")
        value = self._sliced(term.tensor, axes)
        kept = tuple(axis for axis in axes if not isinstance(axis, int))
        wanted = self._extents(column)
        if len(set(kept)) < len(kept) or not set(kept) <= set(wanted):
            raise Unsupported("it reads rows in another order than it writes them")
        if kept != wanted:
            # What is the same for several rows, or in another order, is stored for each.
            named = [cast(Label, axis) for axis in kept]
            places = [wanted.index(label) for label in named]
            value = self.host.spread(value, places, [one.extent for one in self._extents(column)])
        if column is None:
            value = self.host.as_column(value)
        return Tiles(self.leaf(value, 1 if column is None else column.extent))

    def _extents(self, column: Label | None) -> tuple[Label, ...]:
        return self.rows if column is None else (*self.rows, column)

    def _function(self, name: str, term: Term, column: Label | None) -> Tiles:
        x = self.emit(term, column)
        return Tiles(self._map(name, x.stream), x.split)

    def _binary(self, term: Term, column: Label | None) -> Tiles:
        x, y = term.args
        for number, other, first in ((y.number, x, False), (x.number, y, True)):
            if number is not None:
                return self._with_number(term.kind, self.emit(other, column), number, first)
        emitted = [
            None if not one.labels & set(self.rows) else self.emit(one, column) for one in (x, y)
        ]
        tiles = [one for one in emitted if one is not None]
        if not tiles:
            raise Unsupported("a value without rows stands alone")
        wide = [one for one in tiles if self._columns(one) != 1]
        split = bool(wide) and all(one.split for one in wide)
        if not split:
            emitted = [None if one is None else Tiles(self._whole(one)) for one in emitted]
        operands: list[SSAValue] = []
        for part, one in zip((x, y), emitted, strict=True):
            if one is None:
                operands.append(self._row(part, column, split))
            elif split and not one.split:
                operands.append(self._repeat(one.stream, self._count(column)))
            else:
                operands.append(one.stream)
        return Tiles(self._map(FUNCTIONS[term.kind], *operands), split)

    def _with_number(self, kind: str, x: Tiles, number: float, first: bool) -> Tiles:
        match kind:
            case "mulf":
                result = self._map("scale", x.stream, scalar=number)
            case "addf":
                result = self._map("shift", x.stream, scalar=number)
            case "subf":
                value = self._map("negate", x.stream) if first else x.stream
                result = self._map("shift", value, scalar=number if first else -number)
            case "divf" if first:
                inverse = self._map("reciprocal", x.stream)
                result = inverse if number == 1 else self._map("scale", inverse, scalar=number)
            case "divf":
                result = self._map("scale", x.stream, scalar=1 / number)
            case _:
                raise Unsupported(f"'{kind}' with the number {number} is no function of tiles")
        return Tiles(result, x.split)

    def _reduce(self, term: Term, column: Label | None) -> Tiles:
        kind, labels = cast("tuple[str, tuple[Label, ...]]", term.data)
        if len(labels) != 1:
            raise Unsupported("it reduces several axes at once")
        (inner,) = labels
        (body,) = term.args
        if column is not None:
            if kind != "add":
                raise Unsupported("it takes the largest over another axis than columns")
            return self._product(body, inner, column)
        x = self.emit(body, inner)
        if self._columns(x) == 1 and inner.extent != 1:
            raise Unsupported("it reduces another axis than columns")
        reduced = self._map("row_sum" if kind == "add" else "row_max", x.stream)
        if x.split:
            fold = "add" if kind == "add" else "maximum"
            op = step.AccumulateOp(reduced, fn=fold, rank=1, compute=self.sizes.compute)
            reduced = self.graph.add(op)
        return Tiles(reduced)

    def _product(self, body: Term, inner: Label, column: Label) -> Tiles:
        """`sum over inner of x[rows, inner] * w[inner, column]`"""
        factors = body.args if body.kind == "mulf" else ()
        for x, weight in (factors, reversed(factors)) if factors else ():
            axes = self._fixed(weight.axes) if weight.kind == "leaf" else ()
            kept = [axis for axis in axes if not isinstance(axis, int)]
            if column not in x.labels and set(kept) == {inner, column} and len(kept) == 2:
                value = self._sliced(weight.tensor, axes)
                return self._times(self.emit(x, inner), value, kept[0] is column, inner, column)
        if any(one.kind == "gather" for one in factors):
            raise Unsupported(ROUTED)
        raise Unsupported("it is no product of rows with a weight")

    def _times(
        self, x: Tiles, weight: SSAValue, transposed: bool, inner: Label, column: Label
    ) -> Tiles:
        fn = "matmul_transposed" if transposed else "matmul"
        if x.split:
            part = x.element.columns.value
            tile = (column.extent, part) if transposed else (part, column.extent)
            weights = self._weights(weight, tile, inner.extent // part)
            op = step.AccumulateOp(x.stream, weights, fn=fn, rank=1, compute=self.sizes.compute)
            return Tiles(self.graph.add(op))
        part = self._part(column)
        tile = (part, inner.extent) if transposed else (inner.extent, part)
        count = column.extent // part
        repeated = self._repeat(x.stream, count)
        weights = self._weights(weight, tile, count)
        return Tiles(self._map(fn, repeated, weights), split=True)

    # --- operations ------------------------------------------------------------------------

    def _map(self, fn: str, *inputs: SSAValue, scalar: float | None = None) -> SSAValue:
        return self.graph.add(step.MapOp(*inputs, fn=fn, scalar=scalar, compute=self.sizes.compute))

    def _repeat(self, stream: SSAValue, count: int) -> SSAValue:
        key = (stream, count)
        if key not in self._repeated:
            self._repeated[key] = self.graph.add(step.RepeatOp(stream, factor=count))
        return self._repeated[key]

    def _weights(self, weight: SSAValue, tile: tuple[int, int], count: int) -> SSAValue:
        """The `count` tiles of a weight, one after the other for each row tile."""
        load = step.LoadOp(
            self.graph.tensor(weight),
            self.reference(),
            tile=tile,
            strides=(1, 1),
            shape=(count, 1),
        )
        return self.graph.add(step.FlattenOp(self.graph.add(load), min=0, max=1))

    def _row(self, term: Term, column: Label | None, split: bool) -> SSAValue:
        """A vector along the columns, or a number, for each row tile."""
        axes = self._fixed(term.axes) if term.kind == "leaf" else ()
        kept = [axis for axis in axes if not isinstance(axis, int)]
        if term.kind != "leaf" or kept not in ([column], []):
            raise Unsupported("a function of weights alone; compute the weight before")
        value = self._sliced(term.tensor, axes)
        part = self._part(column) if split and kept and column is not None else 0
        if part and column is not None:
            return self._weights(value, (1, part), column.extent // part)
        tile = (1, column.extent if kept and column is not None else 1)
        load = step.LoadOp(
            self.graph.tensor(value), self.reference(), tile=tile, strides=(1,), shape=(1,)
        )
        rows = self.graph.add(step.FlattenOp(self.graph.add(load), min=0, max=1))
        return self._repeat(rows, self._count(column)) if split else rows

    def _whole(self, x: Tiles) -> SSAValue:
        if not x.split:
            return x.stream
        op = step.AccumulateOp(x.stream, fn="retile_columns", rank=1, compute=self.sizes.compute)
        return self.graph.add(op)

    def _part(self, column: Label) -> int:
        """The columns of the tiles of a product."""
        part = self.sizes.columns or usual(column.extent)
        if column.extent % part:
            raise Misfit(f"tiles of {part} columns do not divide {column.extent}; change one")
        return part

    def _count(self, column: Label | None) -> int:
        return 1 if column is None else column.extent // self._part(column)

    def _columns(self, x: Tiles) -> int:
        return x.element.columns.value

    # --- tensors of the program ------------------------------------------------------------

    def _fixed(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        numbers = self.numbers or {}
        return tuple(numbers.get(axis, axis) if isinstance(axis, Label) else axis for axis in axes)

    def _sliced(self, value: SSAValue, axes: Sequence[Axis]) -> SSAValue:
        """The part of a tensor at those axes that are numbers."""
        at = {d: axis for d, axis in enumerate(axes) if isinstance(axis, int)}
        return self.host.sliced(value, at) if at else value
