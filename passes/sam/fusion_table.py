"""
The fusion table: one stream graph for all expressions of a region, in one order of axes.

Rows are the axes of the region, outermost first, and the values; columns are the uses of
tensors, inputs and intermediates. A cell is evaluated when it is first asked for:

* `reference` - the reference stream of an input after the row of one axis: a scan, a locate,
  the output of a joiner, repeated along the axes that the input lacks;
* `iteration` - the coordinates of a row, joined over all columns that own the axis;
* `value` - the value stream of an expression.

Iteration is factored: every reduction is a *nest* of its own, whose loops are the loops of its
consumer that it needs and its own reduction axis. Axes outside the reduction axis belong to
the consumer's iteration, so that producer and consumer are joined there; axes inside it come
out of an accumulator and are joined again by the consumer.

Streams of one nest, cut off after any of its axes, have equal axis stacks. So operands of
different depth are aligned by repeating the shallower along the missing suffix.

Source: "FuseFlow", ASPLOS 2026, sections 4 and 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xdsl.ir import SSAValue

from headrace.dialects import sam
from headrace.passes.sam import presence
from headrace.passes.sam.emitter import Emitter
from headrace.passes.sam.expression import (
    Axis,
    Compress,
    Expression,
    Expressions,
    Full,
    Gather,
    Input,
    Map,
    Reduce,
    renamed,
)
from headrace.passes.sam.fill_values import Support
from headrace.passes.sam.nest import Iteration, Nest, Opened, Presence, Row, Source
from headrace.passes.sam.region_expression import Extent
from headrace.storage.levels import Level

EVERYWHERE: Presence = presence.Presence(frozenset({frozenset[SSAValue]()}))


class FusionTable:
    """The cells of a region under one order of axes."""

    def __init__(
        self,
        emitter: Emitter,
        expressions: Expressions,
        order: Sequence[Axis],
        sources: Mapping[Input, Source],
        supports: Mapping[Expression, Support],
        extents: Mapping[Axis, Extent],
        names: Mapping[Axis, str],
        *,
        reference: bool,
    ) -> None:
        """
        `reference` scans and joins dense levels as the reference compiler does, instead of
        locating them, a reduction together with its consumer, and leaves out rows that no operand
        stores.
        """
        self.emit = emitter
        self.expressions = expressions
        self.position = {axis: float(p) for p, axis in enumerate(order)}
        self.sources = dict(sources)
        self.supports = dict(supports)
        self.extents = dict(extents)
        self.is_reference = reference
        self._names = dict(names)
        self._own_axes: dict[Axis, Axis] = {}
        self._nests: dict[tuple[object, ...], Nest] = {}
        self._iterations: dict[tuple[Nest, Axis], Iteration] = {}
        self._values: dict[tuple[Expression, Nest], SSAValue] = {}

    def result_nest(self, result: Expression, axes: Sequence[Axis]) -> Nest:
        scope = tuple(sorted(axes, key=self.position.__getitem__))
        return Nest(result, None, scope, {})

    def nest(self, reduce: Reduce, consumer: Nest) -> Nest:
        """The nest that computes `reduce` for one consumer; its outermost reduction axis first."""
        at = self.position.__getitem__
        axis = min(reduce.over, key=at)
        body = self.expressions.reduce(reduce.op, reduce.over - {axis}, reduce.operand)
        last = max((at(a) for a in reduce.axes), default=-1.0)
        while axis in consumer.scope and at(axis) < last:
            axis, body = self._own_axis(axis, body)
        # A loop of the consumer inside all axes of the result cannot change the result.
        needed = {a for a in consumer.scope if a in reduce.axes or at(a) < last}
        scope = tuple(sorted({*needed, axis}, key=at))
        owners = {a: consumer.owner(a) for a in scope if at(a) < at(axis)}
        loops = scope.index(axis) + 1
        is_pooled = self.is_reference and consumer.scope[:loops] == scope[:loops]
        pool = consumer if is_pooled else None
        key = (reduce.op, body, axis, scope, *map(id, owners.values()), id(pool))
        if key not in self._nests:
            self._nests[key] = Nest(body, axis, scope, owners, pool)
        return self._nests[key]

    def dropping_nest(self, compress: Compress, consumer: Nest) -> Nest:
        """The nest that computes `compress.operand` for one consumer; it shares the outer loops."""
        at = self.position.__getitem__
        last = max(compress.axes, key=at)
        scope = tuple(axis for axis in consumer.scope if at(axis) <= at(last))
        owners = {axis: consumer.owner(axis) for axis in scope[:-1]}
        key = (Compress, compress.operand, scope, *map(id, owners.values()))
        if key not in self._nests:
            self._nests[key] = Nest(compress.operand, None, scope, owners)
        return self._nests[key]

    def _own_axis(self, axis: Axis, body: Expression) -> tuple[Axis, Expression]:
        """
        A copy of a reduction axis that is also a loop around the reduction.

        It stands next to `axis` in the order, so that storage orders are respected.
        """
        if axis not in self._own_axes:
            new = min(self.position) - 1
            between = [p for p in self.position.values() if p > self.position[axis]]
            after = min(between, default=self.position[axis] + 1)
            self.position[new] = (self.position[axis] + after) / 2
            self.extents[new] = self.extents[axis]
            self._names[new] = f"{self._names[axis]}_reduced"
            self._own_axes[axis] = new
        new = self._own_axes[axis]
        done: dict[Expression, Expression] = {}
        copy = renamed(self.expressions, body, axis, new, done)
        for old, changed in done.items():
            if isinstance(old, Input) and isinstance(changed, Input):
                source = self.sources[old]
                axes = tuple(new if a == axis else a for a in source.axes)
                self.sources[changed] = replace(source, axes=axes)
            elif old in self.supports:
                self.supports[changed] = self.supports[old]
        return new, copy

    # Coordinates

    def iteration(self, nest: Nest, axis: Axis) -> Iteration:
        """The row of `axis` as `nest` sees it; stack: its scope up to `axis`."""
        owner = nest.owner(axis)
        key = (owner, axis)
        if key not in self._iterations:
            pool = owner.pool if axis == owner.axis else None
            if pool is not None and self._may_share(owner, pool, axis):
                self._iterations[key] = self.iteration(pool, axis)
            else:
                self._iterations[key] = self.join(owner, axis, *self._row(owner, axis))
        return self._iterations[key]

    def _row(self, nest: Nest, axis: Axis) -> tuple[Presence, Row]:
        """Where `nest` is present on `axis`, and the columns; dense ones are never read beside."""
        row = Row()
        where = self.present(nest.body, axis, nest, row)
        if self.is_reference:
            where = _with(where, where.beside & self._full_scans(axis, row))
        return where, row

    def _full_scans(self, axis: Axis, row: Row) -> frozenset[SSAValue]:
        """The scanned dense columns that have every coordinate."""
        return frozenset(
            self.scan(use, nest, axis).coordinates
            for use, nest in row.dense
            if not self.may_be_absent(use, nest, axis)
        )

    def _may_share(self, nest: Nest, pool: Nest, axis: Axis) -> bool:
        """Whether `pool` visits the coordinates of `nest`, joined with full scans besides."""
        own, _ = self._row(nest, axis)
        other, row = self._row(pool.owner(axis), axis)
        further = presence.atoms_of(other.formula) - presence.atoms_of(own.formula)
        return (
            further <= self._full_scans(axis, row)
            and _with(own, further).formula == other.formula
            and own.beside <= other.beside
        )

    def present(self, expression: Expression, axis: Axis, nest: Nest, row: Row) -> Presence:
        """Where `expression` is present on `axis`; its columns are added to `row`."""
        key = (expression, nest)
        if key not in row.read:
            row.read[key] = self._present(expression, axis, nest, row)
        return row.read[key]

    def _present(self, expression: Expression, axis: Axis, nest: Nest, row: Row) -> Presence:
        match expression:
            case Input():
                if axis not in expression.axes:
                    return EVERYWHERE
                source = self.sources[expression]
                if expression.gather is not None and expression.gathers(axis):
                    return self.present(expression.gather.index, axis, nest, row)
                if source.levels[source.axes.index(axis)] is Level.DENSE:
                    row.dense.append((expression, nest))
                    if not self.is_reference:
                        return EVERYWHERE
                opened = self.scan(expression, nest, axis)
                row.sparse[opened.coordinates] = opened
                return presence.Presence(presence.atom(opened.coordinates))
            case Full():
                inside = self.present(expression.operand, axis, nest, row)
                everywhere = axis in expression.over and not self.is_reference
                return inside.everywhere() if everywhere else inside
            case Map():
                support = self.supports[expression]
                parts = {
                    k: self.present(operand, axis, nest, row)
                    for k, operand in enumerate(expression.operands)
                }
                # An operand without the axis is everywhere; the reference adds no range for that.
                deciding = [
                    parts.pop(k)
                    for k in support.operands
                    if axis in expression.operands[k].axes or not self.is_reference
                ]
                combine = presence.both if support.kind == "intersect" else presence.either
                present = combine(deciding) if deciding else EVERYWHERE
                others = (part.everywhere().loose for part in parts.values())
                return replace(present, loose=present.loose.union(*others))
            case Reduce():
                inside = self._reduced_present(expression, axis, nest, row)
                # A loop of the consumer in which the result was computed anew.
                return inside if axis in expression.axes else inside.everywhere()
            case Compress():
                inner = self.dropping_nest(expression, nest)
                if axis in inner.owners:
                    return self.present(inner.body, axis, inner, row)
                if axis not in inner.scope:
                    return EVERYWHERE
                opened = self.open_dropped(expression, nest)
                row.sparse[opened.coordinates] = opened
                return presence.Presence(presence.atom(opened.coordinates))

    def _reduced_present(self, reduce: Reduce, axis: Axis, nest: Nest, row: Row) -> Presence:
        inner = self.nest(reduce, nest)
        if axis in inner.inner:
            opened = self.open_accumulated(reduce, nest, axis)
            row.sparse[opened.coordinates] = opened
            return presence.Presence(presence.atom(opened.coordinates))
        if axis in inner.owners:
            return self.present(inner.body, axis, inner, row)
        return EVERYWHERE

    def join(self, nest: Nest, axis: Axis, where: Presence, row: Row) -> Iteration:
        if self.is_reference:
            self._locate_single_dense(axis, where.formula, row)
        if frozenset() in where.formula or not row.sparse:
            return self._join_everywhere(nest, axis, row)
        rank = {name: k for k, name in enumerate(row.sparse)}
        formula = frozenset(frozenset(n for n in term if n in rank) for term in where.formula)
        iteration = self._join_tree(presence.factor(formula, rank), row)
        beside = [name for name in row.sparse if name in where.beside]
        return self._read_beside(iteration, beside, row) if beside else iteration

    def _read_beside(self, iteration: Iteration, beside: Sequence[SSAValue], row: Row) -> Iteration:
        """
        The same coordinates, with the columns `beside` where they are present.

        A union brings the columns to all coordinates, an intersection keeps those of the row.
        """
        kept = {name: c for name, c in iteration.carried.items() if name not in beside}
        some = next(iter((kept or iteration.carried).values()))()
        read = tuple(row.sparse[name].carried() for name in beside)
        wide = self.emit.once(sam.UnionOp, (iteration.coordinates, *beside), (some, *read))
        own = [carry() for carry in kept.values()] or [some]
        coordinates = (iteration.coordinates,) * len(own) + (wide.results[0],) * len(beside)
        narrow = self.emit.once(sam.IntersectOp, coordinates, (*own, *wide.results[2:]))
        joined, *outputs = narrow.results
        names = [*(kept or [None]), *beside]
        return Iteration(
            joined,
            {n: _constantly(o) for n, o in zip(names, outputs, strict=True) if n is not None},
            iteration.optional.union(beside),
        )

    def _locate_single_dense(
        self, axis: Axis, formula: presence.Formula[SSAValue], row: Row
    ) -> None:
        """A product of one compressed and one dense level addresses the dense one."""
        dense = {self.scan(use, nest, axis).coordinates for use, nest in row.dense}
        if len(row.sparse) == 2 and len(dense) == 1 and frozenset(row.sparse) in formula:
            for name in dense:
                del row.sparse[name]

    def _join_everywhere(self, nest: Nest, axis: Axis, row: Row) -> Iteration:
        """Every coordinate of the axis, led by a dense column that is never absent."""
        leader = next(
            (
                self.scan(use, user, axis)
                for use, user in row.dense
                if not self.may_be_absent(use, user, axis)
            ),
            None,
        ) or self._range(nest, axis)
        row.sparse[leader.coordinates] = leader
        names = tuple(dict.fromkeys((leader.coordinates, *row.sparse)))
        tree = names[0] if len(names) == 1 else presence.Join("union", names)
        iteration = self._join_tree(tree, row)
        iteration.optional -= {leader.coordinates}
        iteration.is_full = True
        return iteration

    def _range(self, nest: Nest, axis: Axis) -> Opened:
        before = nest.scope[: nest.scope.index(axis)]
        parent = self.iteration(nest, before[-1]).coordinates if before else self.emit.root()
        extent = self.emit.extent(self.extents[axis])
        coordinates, reference = self.emit.pair(sam.RangeOp, parent, extent, self._names[axis])
        return Opened(coordinates, lambda: reference)

    def _join_tree(self, tree: presence.Join[SSAValue] | SSAValue, row: Row) -> Iteration:
        if isinstance(tree, SSAValue):
            return Iteration(tree, {tree: row.sparse[tree].carried})
        coordinates: list[SSAValue] = []
        names: list[SSAValue] = []
        carried: list[SSAValue] = []
        optional: set[SSAValue] = set()
        for part in tree.parts:
            inner = self._join_tree(part, row)
            optional |= inner.optional
            for name, carry in inner.carried.items():
                coordinates.append(inner.coordinates)
                names.append(name)
                carried.append(carry())
        build = sam.IntersectOp if tree.kind == "intersect" else sam.UnionOp
        joiner = self.emit.once(build, tuple(coordinates), tuple(carried))
        joined, *outputs = joiner.results
        if tree.kind == "union":
            optional |= set(names)
        return Iteration(
            joined,
            {name: _constantly(out) for name, out in zip(names, outputs, strict=True)},
            frozenset(optional),
        )

    # References

    def scan_parent(self, use: Input, nest: Nest, axis: Axis) -> SSAValue:
        """The reference that opens the level of `axis`, repeated to the stack before `axis`."""
        source = self.sources[use]
        level = source.axes.index(axis)
        if level == 0:
            stream, start = self.emit.root(source.tensor if self.is_reference else None), 0
        else:
            above = source.axes[level - 1]
            stream, start = self.reference(use, nest, above), nest.scope.index(above) + 1
        return self.align(stream, nest, start, nest.scope.index(axis))

    def scan(self, use: Input, nest: Nest, axis: Axis) -> Opened:
        source = self.sources[use]
        coordinates, reference = self.emit.pair(
            sam.ScanOp,
            self.scan_parent(use, nest, axis),
            source.tensor,
            source.axes.index(axis),
            self._names[axis],
        )
        return Opened(coordinates, lambda: reference)

    def reference(self, use: Input, nest: Nest, axis: Axis) -> SSAValue:
        """The positions of `use` after the row of `axis`; stack: scope up to `axis`."""
        source = self.sources[use]
        level = source.axes.index(axis)
        if use.gather is not None and use.gathers(axis):
            return self._gathered(use.gather, use, nest, axis)
        iteration = self.iteration(nest, axis)
        scanned = self.scan(use, nest, axis).coordinates
        if scanned in iteration.carried:
            return iteration.carried[scanned]()
        parent = None if level == 0 else self.scan_parent(use, nest, axis)
        extent = self.emit.extent(self.extents[axis])
        return self.emit.value(sam.LocateOp, iteration.coordinates, extent, parent)

    def _gathered(self, gather: Gather, use: Input, nest: Nest, axis: Axis) -> SSAValue:
        """The positions that the values of an index name."""
        source = self.sources[use]
        extent = self.emit.extent(source.extent(gather.dimension))
        index = self.aligned_value(gather.index, nest, nest.scope.index(axis) + 1)
        parent = None if source.axes[0] == axis else self.scan_parent(use, nest, axis)
        coordinates = self.emit.value(sam.CoordinatesOp, index, extent)
        return self.emit.value(sam.LocateOp, coordinates, extent, parent)

    def may_be_absent(self, use: Input, nest: Nest, axis: Axis) -> bool:
        """Whether the reference that opens the level of `axis` may be the absent token."""
        source = self.sources[use]
        level = source.axes.index(axis)
        if level == 0:
            return False
        above = source.axes[level - 1]
        if source.levels[level - 1] is Level.DENSE:
            return self.may_be_absent(use, nest, above)
        iteration = self.iteration(nest, above)
        return self.scan(use, nest, above).coordinates in iteration.optional

    # Accumulators

    def accumulated(self, reduce: Reduce, consumer: Nest) -> tuple[SSAValue, ...]:
        """The streams of an accumulator: coordinates of each inner axis, then values."""
        nest = self.nest(reduce, consumer)
        assert nest.axis is not None
        value = self.present_value(nest.body, nest)
        rows = (nest.axis, *nest.inner)
        coordinates = tuple(self.iteration(nest, axis).coordinates for axis in rows)
        return tuple(self.emit.once(sam.AccumulateOp, coordinates, value, reduce.op).results)

    def open_accumulated(self, reduce: Reduce, consumer: Nest, axis: Axis) -> Opened:
        """
        Row `axis` of an accumulator's result.

        As long as the consumer drops or adds no fiber the streams are used as they come. After
        a joiner that does, fibers are selected by their number.
        """
        *coordinates, values = self.accumulated(reduce, consumer)
        inner = self.nest(reduce, consumer).inner
        level = inner.index(axis)
        is_last = level == len(inner) - 1
        if level > 0:
            above = self.open_accumulated(reduce, consumer, inner[level - 1])
            joined = self.iteration(consumer, inner[level - 1])
            if not (above.untouched and joined.coordinates is above.coordinates):
                chosen = joined.carried[above.coordinates]()
                crd, numbers = self.emit.pair(sam.SelectFibersOp, chosen, coordinates[level])
                return Opened(crd, lambda: numbers, untouched=False)
        crd = coordinates[level]
        if is_last:
            return Opened(crd, lambda: values)
        return Opened(crd, lambda: self.emit.value(sam.NumberOp, crd))

    def accumulated_value(self, reduce: Reduce, consumer: Nest) -> SSAValue:
        """The values of an accumulator's result after the consumer's joiners."""
        last = self.nest(reduce, consumer).inner[-1]
        opened = self.open_accumulated(reduce, consumer, last)
        carried = self.iteration(consumer, last).carried[opened.coordinates]()
        if opened.untouched:
            return carried
        values = self.accumulated(reduce, consumer)[-1]
        return self.emit.value(sam.SelectValuesOp, carried, values)

    # Dropped zeros

    def open_dropped(self, compress: Compress, consumer: Nest) -> Opened:
        """The innermost row of a value without its zeros, and the value."""
        nest = self.dropping_nest(compress, consumer)
        value, coordinates = self.emit.pair(
            sam.ValueDropOp,
            self.present_value(nest.body, nest),
            self.iteration(nest, nest.scope[-1]).coordinates,
            "keep",
        )
        return Opened(coordinates, lambda: value)

    # Values

    def depth(self, expression: Expression, nest: Nest) -> int:
        """How many axes of the nest's scope the value stream of `expression` carries."""
        return 1 + max((nest.scope.index(axis) for axis in expression.axes), default=-1)

    def align(self, stream: SSAValue, nest: Nest, start: int, stop: int) -> SSAValue:
        """`stream` repeated along the axes `start` to `stop` of the nest's scope."""
        for axis in nest.scope[start:stop]:
            signal = self.emit.value(sam.RepeatSignalOp, self.iteration(nest, axis).coordinates)
            stream = self.emit.value(sam.RepeatOp, stream, signal)
        return stream

    def aligned_value(self, expression: Expression, nest: Nest, depth: int) -> SSAValue:
        value = self.value(expression, nest)
        return self.align(value, nest, self.depth(expression, nest), depth)

    def present_value(self, expression: Expression, nest: Nest) -> SSAValue:
        """The value at every coordinate of the nest, zero in place of the absent token."""
        value = self.aligned_value(expression, nest, len(nest.scope))
        while isinstance(expression, Full):
            expression = expression.operand
        opened = self._opened_value(expression, nest)
        if opened is not None and opened[0].coordinates in self.iteration(nest, opened[1]).optional:
            # Arithmetic counts an absent operand as zero; writers and reductions do not.
            return self.emit.value(sam.AluOp, "mul", (value,), 1.0)
        return value

    def _opened_value(self, expression: Expression, nest: Nest) -> tuple[Opened, Axis] | None:
        """The column of values that a joiner of the consumer carries, and the axis it joins."""
        if isinstance(expression, Compress):
            axis = self.dropping_nest(expression, nest).scope[-1]
            return self.open_dropped(expression, nest), axis
        if isinstance(expression, Reduce) and self.nest(expression, nest).inner:
            axis = self.nest(expression, nest).inner[-1]
            opened = self.open_accumulated(expression, nest, axis)
            return (opened, axis) if opened.untouched else None
        return None

    def value(self, expression: Expression, nest: Nest) -> SSAValue:
        """The value stream of `expression`; stack: scope up to its last axis."""
        key = (expression, nest)
        if key not in self._values:
            self._values[key] = self._value(expression, nest)
        return self._values[key]

    def _value(self, expression: Expression, nest: Nest) -> SSAValue:
        match expression:
            case Input():
                source = self.sources[expression]
                reference = (
                    self.reference(expression, nest, source.axes[-1])
                    if source.axes
                    else self.emit.root()
                )
                return self.emit.value(sam.ArrayOp, reference, source.tensor, source.tile)
            case Full():
                return self.aligned_value(expression.operand, nest, self.depth(expression, nest))
            case Map():
                depth = self.depth(expression, nest)
                operands = tuple(
                    self.aligned_value(operand, nest, depth) for operand in expression.operands
                )
                return self.emit.value(sam.AluOp, expression.op, operands, expression.scalar)
            case Reduce():
                inner = self.nest(expression, nest)
                if inner.inner:
                    return self.accumulated_value(expression, nest)
                value = self.present_value(inner.body, inner)
                return self.emit.value(sam.ReduceOp, value, expression.op)
            case Compress():
                opened = self.open_dropped(expression, nest)
                axis = self.dropping_nest(expression, nest).scope[-1]
                return self.iteration(nest, axis).carried[opened.coordinates]()


def _with(where: Presence, columns: frozenset[SSAValue]) -> Presence:
    """Where all of `columns` are present besides."""
    return presence.both([where, *(presence.Presence(presence.atom(c)) for c in columns)])


def _constantly(value: SSAValue) -> Callable[[], SSAValue]:
    return lambda: value
