"""
Parallel lanes: the part of a stream graph inside one axis, once for each lane.

The graph of one lane is made first. Then, for an axis:

* the *front* is what makes its joined coordinates: scans and ranges, and joiners of these only;
* streams that leave the front are dealt to the lanes, all in one order, so that lanes line up;
* what reads a stream of the axis is copied for each lane; its other operands are read by all;
* a reduction over the axis is done in each lane, and the partial results are combined;
* streams of the axis that reach a writer are gathered in the order in which they were dealt.

Source: "FuseFlow", ASPLOS 2026, section 7.1. Reductions and the balance of entries are ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from xdsl.builder import Builder
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sam
from headrace.dialects.sam_alignment import Alignment
from headrace.dialects.sam_presence import Space
from headrace.passes.sam.order import Order
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import RegionExpression

Streams = tuple[SSAValue, ...]


class Laned(NamedTuple):
    """What a stream is in each lane, and the order in which its axis was dealt."""

    lanes: Streams
    order: SSAValue


@dataclass(frozen=True)
class ParallelAxis:
    """An axis by its name in stream types, its number of lanes, and what they get."""

    name: str
    factor: int
    balance: sam.Balance


def parallel_axes(
    region: sam.RegionOp, read: RegionExpression, order: Order
) -> Iterator[ParallelAxis]:
    """The axes with more than one lane, innermost first; refuses those that do not exist."""
    chosen = {lanes.axis.data: lanes for lanes in region.lanes or ()}
    for number in chosen:
        if number >= len(read.order):
            raise fail(
                region,
                f"axis i{number} cannot have lanes, because it does not exist; this region has "
                f"{len(read.order)} axes, numbered from 0",
            )
    for axis in reversed(order.axes):
        lanes = chosen.get(read.order.index(axis))
        if lanes is not None and lanes.factor.data > 1:
            yield ParallelAxis(read.name(axis), lanes.factor.data, lanes.balance.data)


def expand(region: Operation, graph: sam.GraphOp, axis: ParallelAxis) -> None:
    """Compute `axis` of the graph of `region` in lanes, in place; refuses with a reason."""
    _Expansion(region, graph, axis).run()


@dataclass
class _Expansion:
    region: Operation
    graph: sam.GraphOp
    axis: ParallelAxis
    spaces: dict[SSAValue, Space] = field(init=False)
    front: set[SSAValue] = field(init=False, default_factory=set[SSAValue])
    orders: dict[Space, SSAValue] = field(init=False, default_factory=dict[Space, SSAValue])
    """The order in which streams of the front that line up are dealt."""
    laned: dict[SSAValue, Laned] = field(init=False, default_factory=dict[SSAValue, Laned])
    whole: dict[SSAValue, SSAValue] = field(init=False, default_factory=dict[SSAValue, SSAValue])
    """What was gathered."""
    replaced: list[Operation] = field(init=False, default_factory=list[Operation])

    def run(self) -> None:
        block = self.graph.body.block
        self.spaces = Alignment(block).spaces
        for op in list(block.ops):
            if self.opens(op):
                self.front.update(op.results)
            elif any(map(self.has_axis, op.operands)):
                self.expand(op)
        if not self.front:
            raise self.refused("this graph does not iterate it; choose another axis")
        for op in reversed(self.replaced):
            op.detach()
            op.erase()

    def refused(self, reason: str) -> PassFailedException:
        return fail(self.region, f"axis {self.axis.name} cannot have lanes, because {reason}")

    def has_axis(self, value: SSAValue) -> bool:
        return isinstance(value.type, sam.StreamType) and self.axis.name in value.type.axis_names

    def is_innermost(self, value: SSAValue) -> bool:
        type = value.type
        return isinstance(type, sam.StreamType) and type.axis_names[-1:] == (self.axis.name,)

    def opens(self, op: Operation) -> bool:
        """Whether `op` makes coordinates of the axis, or joins such."""
        if not op.results or not all(map(self.is_innermost, op.results)):
            return False
        if isinstance(op, sam.JoinOperation):
            return all(operand in self.front for operand in op.operands)
        return not any(map(self.has_axis, op.operands))

    # Operations

    def expand(self, op: Operation) -> None:
        """Copy `op` for each lane, or let it read what was gathered of the lanes."""
        builder = Builder(InsertPoint.before(op))
        match op:
            case sam.ReduceOp(val=val) if self.is_innermost(val):
                kind = op.op.data

                def combine(one: Streams, other: Streams) -> Streams:
                    return builder.insert(sam.AluOp(kind.value, (*one, *other))).results

                self.reduce(builder, op, combine)
            case sam.AccumulateOp() if self.is_innermost(op.crds[0]):
                if op.order == 1 and op.op.data is sam.ReductionKind.ADD:
                    self.reduce(builder, op, lambda one, other: _sum(builder, one, other))
                else:
                    self.gather(builder, op)
            case sam.AccumulateOp() if not self.has_axis(op.crds[0]):
                raise self.refused(
                    f"it comes out of the accumulator over {_innermost(op.crds[0])}, where equal "
                    f"coordinates of different lanes would have to meet; choose that axis or one "
                    "outside it, or change the order with sam-order"
                )
            case sam.JoinOperation() if self.is_innermost(op.crd):
                raise self.refused(
                    "its coordinates are joined with some that are computed in lanes; choose an "
                    "axis outside it"
                )
            case _:
                streams = [r for r in op.results if isinstance(r.type, sam.StreamType)]
                if streams and all(map(self.has_axis, streams)):
                    copies, order = self.copies(builder, op)
                    for number, result in enumerate(op.results):
                        self.laned[result] = Laned(tuple(c.results[number] for c in copies), order)
                    self.replaced.append(op)
                else:
                    self.gather(builder, op)

    def copies(self, builder: Builder, op: Operation) -> tuple[list[Operation], SSAValue]:
        """`op` in each lane, and the order in which its axis was dealt."""
        read = {v: self.dealt(builder, v) for v in op.operands if self.has_axis(v)}
        made = [
            builder.insert(op.clone({value: laned.lanes[lane] for value, laned in read.items()}))
            for lane in range(self.axis.factor)
        ]
        return made, next(iter(read.values())).order

    def reduce(
        self, builder: Builder, op: Operation, combine: Callable[[Streams, Streams], Streams]
    ) -> None:
        """Replace a reduction over the axis by one for each lane, combined by a tree."""
        copies, _ = self.copies(builder, op)
        results = [copy.results for copy in copies]
        while len(results) > 1:
            pairs = zip(results[::2], results[1::2], strict=False)
            left = results[len(results) - len(results) % 2 :]
            results = [*(combine(one, other) for one, other in pairs), *left]
        for old, new in zip(op.results, results[0], strict=True):
            old.replace_all_uses_with(new)
        self.replaced.append(op)

    def gather(self, builder: Builder, op: Operation) -> None:
        """Let `op` read what the lanes made, in the order of one lane."""
        for number, operand in enumerate(op.operands):
            if operand in self.front or operand not in self.laned:
                continue
            if operand not in self.whole:
                self.whole[operand] = builder.insert(sam.GatherOp(*self.laned[operand])).result
            op.operands[number] = self.whole[operand]

    # Streams

    def dealt(self, builder: Builder, value: SSAValue) -> Laned:
        """What a stream of the axis is in each lane; those of the front are dealt now."""
        if value not in self.laned:
            if value not in self.spaces:
                raise self.refused(
                    "its joins are too large to tell which streams line up; cut the region"
                )
            space = self.spaces[value]
            if self.axis.balance is sam.Balance.TURNS:
                fork = builder.insert(sam.ForkOp(value, self.axis.factor))
                self.laned[value] = Laned(fork.outputs, self.orders.setdefault(space, fork.order))
            else:
                if space not in self.orders:
                    self.orders[space] = self.balanced(builder, space)
                order = self.orders[space]
                deal = builder.insert(sam.DealOp(value, order, self.axis.factor))
                self.laned[value] = Laned(deal.outputs, order)
        return self.laned[value]

    def balanced(self, builder: Builder, space: Space) -> SSAValue:
        """An order by the entries of the first compressed level right inside the axis."""
        for op in self.graph.body.block.ops:
            is_located = isinstance(op, sam.LocateOp) and op.crd in self.front
            for ref in op.results:
                if (is_located or ref in self.front) and self.spaces.get(ref) == space:
                    scan = _scan_inside(ref)
                    if scan is not None:
                        # What lanes locate for themselves is located for their order besides.
                        read = builder.insert(op.clone()).results[0] if is_located else ref
                        level, lanes = scan.level.value.data, self.axis.factor
                        return builder.insert(sam.BalanceOp(read, scan.tensor, level, lanes)).order
        raise self.refused(
            "balance=nonzeros counts the entries of a compressed level right inside it, and no "
            "operand has one; use balance=turns"
        )


def _scan_inside(ref: SSAValue) -> sam.ScanOp | None:
    """The scan of the compressed level to whose fibers `ref` points, if there is one."""
    for use in ref.uses:
        match use.operation:
            case sam.ScanOp() as scan if not scan.is_dense:
                return scan
            case sam.RepeatOp(stream=stream, result=repeated) if stream is ref:
                scan = _scan_inside(repeated)
                if scan is not None:
                    return scan
            case _:
                pass
    return None


def _sum(builder: Builder, one: Streams, other: Streams) -> Streams:
    """Two sorted fibers of coordinates and values, added; what one lacks is zero."""
    (crd0, val0), (crd1, val1) = one, other
    union = builder.insert(sam.UnionOp((crd0, crd1), (val0, val1)))
    return union.crd, builder.insert(sam.AluOp("add", union.outputs)).result


def _innermost(stream: SSAValue) -> str:
    assert isinstance(stream.type, sam.StreamType)
    return stream.type.axis_names[-1]
