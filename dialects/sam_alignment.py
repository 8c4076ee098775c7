"""
Which streams of a graph line up: the part of verification that types cannot do.

Two streams of axes [i, j] can be zipped if the same coordinates open each axis. For every
stream the *space* is computed: the presence (`sam_presence`) of each axis. Operations that zip
streams then need equal spaces, and a tensor's levels and values must fit each other.

Source: axis stacks as in "FuseFlow", ASPLOS 2026, section 4.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.sam_absence import expect_no_absent, is_full, may_be_absent
from headrace.dialects.sam_access import (
    ArrayOp,
    CoordinatesOp,
    LocateOp,
    NumberOp,
    RangeOp,
    RepeatOp,
    RepeatSignalOp,
    RootOp,
    ScanBitvectorOp,
    ScanOp,
    SelectFibersOp,
    SelectValuesOp,
    expect_format,
)
from headrace.dialects.sam_compute import AccumulateOp, AluOp, IntersectOp, JoinOperation, ReduceOp
from headrace.dialects.sam_lanes import BalanceOp, DealOp, ForkOp, GatherOp
from headrace.dialects.sam_presence import FULL, Atoms, Presence, PresenceLimitError, Space
from headrace.dialects.sam_structure import (
    BitvectorIntersectOp,
    ConcatOp,
    CoordinateDropOp,
    CoordinateHoldOp,
    Empty,
    FlattenOp,
    MaskOp,
    SplitOp,
    StopDropOp,
    Stops,
    ValueDropOp,
)
from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.sam_write import AssembleOp, WriteCoordinatesOp, WriteValuesOp
from headrace.dialects.stream_flow import producers_first
from headrace.storage.levels import Level


class Alignment:
    """
    The space of every stream of a graph, computed in the order in which tokens flow.

    Raises `VerifyException` where streams that are zipped have different spaces. Streams that
    depend on themselves (in a cycle) have no space, and are not checked; neither is what lies
    behind joins too large to compare (`sam_presence.LIMIT`).
    """

    def __init__(self, block: Block):
        self.atoms = Atoms()
        self.spaces: dict[SSAValue, Space] = {}
        self.numbers: dict[SSAValue, int] = {}
        self.dropped_by: dict[Presence, tuple[Presence, Presence]] = {}
        """For what a coordinate drop leaves: the presence before it, and that of the inner axis."""
        self.never_empty: set[Presence] = set()
        """Axes whose fibers hold at least one coordinate."""
        for argument in block.args:
            self.numbers[argument] = self.atoms.number("argument", "argument", argument.index)
        ordered, _ = producers_first(block)
        for op in ordered:
            expect_no_absent(op)
        try:
            for op in ordered:
                self.visit(op)
        except PresenceLimitError:
            # A legal graph must not be refused; the interpreter checks what lies behind.
            return

    def visit(self, op: Operation) -> None:
        """Space and number of every result."""
        streams = [value for value in op.operands if isinstance(value.type, StreamType)]
        spaces = [self.spaces[value] for value in streams]
        for number, result in enumerate(op.results):
            self.numbers[result] = self.number(op, number)
        if isinstance(op, AssembleOp):
            self.assembled(op)
            return
        for result, space in zip(op.results, self.results(op, spaces), strict=False):
            self.spaces[result] = space
        if isinstance(op, JoinOperation):
            self.number_outputs(op)
        if not isinstance(op, RepeatOp | CoordinateHoldOp | CoordinatesOp):
            self.number_coordinates(op)

    def number(self, op: Operation, result: int) -> int:
        """Equal operations on equal operands have equal numbers."""
        operands = tuple(
            self.numbers[operand]
            for operand in op.operands
            if isinstance(operand.type, StreamType | TensorType)
        )
        properties = tuple(sorted(op.properties.items(), key=lambda item: item[0]))
        return self.atoms.number(op.name, op.name, properties, operands, result)

    def number_outputs(self, op: JoinOperation) -> None:
        """A stream at the joined coordinates is the same in whatever order it was joined."""
        space = self.spaces[op.crd]
        for stream, output in zip(op.streams, op.outputs, strict=True):
            key = (self.numbers[stream], space)
            same = space == self.spaces[stream]
            self.numbers[output] = (
                self.numbers[stream] if same else self.atoms.number(op.name, "joined", *key)
            )

    def number_coordinates(self, op: Operation) -> None:
        """Coordinates and signals are the same wherever the space is."""
        for result in op.results:
            kind = result.type.kind.data if isinstance(result.type, StreamType) else None
            if kind in (Kind.CRD, Kind.SIG):
                self.numbers[result] = self.atoms.number(op.name, kind, self.spaces[result])

    def results(self, op: Operation, spaces: Sequence[Space]) -> Sequence[Space]:
        """The spaces of the results, after a check of those of the operands."""
        match op:
            case RootOp():
                return [()]
            case ScanOp() | ScanBitvectorOp() | RangeOp():
                space = (*spaces[0], self.opened(op))
                return [space, space]
            case LocateOp():
                for outer in spaces[1:]:
                    self.expect(op, spaces[0][:-1], outer)
                return spaces[:1]
            case RepeatOp():
                self.expect(op, spaces[1][:-1], spaces[0])
                return spaces[1:]
            case RepeatSignalOp() | ArrayOp() | NumberOp() | BalanceOp() | CoordinatesOp():
                return spaces
            case SelectFibersOp():
                space = (*spaces[0], self.own(op))
                return [space, space]
            case SelectValuesOp():
                return spaces[:1]
            case JoinOperation():
                return [self.joined(op, spaces)] * (1 + len(op.outputs))
            case AluOp():
                self.expect(op, *spaces)
                return spaces[:1]
            case ReduceOp():
                return [spaces[0][:-1]]
            case AccumulateOp():
                return self.accumulated(op, spaces)
            case _:
                return self.restructured(op, spaces)

    def opened(self, op: ScanOp | ScanBitvectorOp | RangeOp) -> Presence:
        """
        The coordinates of a level; dense levels have every one, unless a fiber is absent.

        The fibers of bit vectors have one word each, whatever the bits are.
        """
        if isinstance(op, ScanBitvectorOp) and not may_be_absent(op.outer):
            return self.atoms.atom("one word", "word")
        return FULL if is_full(op.results[0]) else self.own(op)

    def own(self, op: Operation, *part: int) -> Presence:
        """An atom for coordinates that this operation alone knows."""
        return self.atoms.atom(_origin(op), self.number(op, 0), *part)

    def joined(self, op: JoinOperation, spaces: Sequence[Space]) -> Space:
        count = len(op.crds)
        for crd, stream in zip(spaces[:count], spaces[count:], strict=True):
            self.expect(op, crd, stream)
        self.expect(op, *(space[:-1] for space in spaces[:count]))
        is_intersection = isinstance(op, IntersectOp)
        combine = self.atoms.conjunction if is_intersection else self.atoms.disjunction
        return (*spaces[0][:-1], combine(space[-1] for space in spaces[:count]))

    def accumulated(self, op: AccumulateOp, spaces: Sequence[Space]) -> Sequence[Space]:
        """What an accumulator collects depends on the spaces alone, not on the values."""
        values, depth = spaces[-1], len(spaces[0])
        for space in spaces:
            self.expect(op, values[: len(space)], space)
        prefix, inside = values[: depth - 1], values[depth - 1 :]
        collected = [
            self.atoms.atom(op.name, "collected", prefix, inside, number)
            for number in range(op.order)
        ]
        spaces = [(*prefix, *collected[: number + 1]) for number in range(op.order)]
        return [*spaces, spaces[-1]]

    def restructured(self, op: Operation, spaces: Sequence[Space]) -> Sequence[Space]:
        """Spaces of the results of the operations in `sam_structure`."""
        match op:
            case CoordinateDropOp():
                outer, inner = spaces
                self.expect(op, outer, inner[:-1])
                left = self.atoms.atom(op.name, "dropped", outer, inner[-1])
                self.dropped_by[left] = (outer[-1], inner[-1])
                return [(*outer[:-1], left), inner]
            case CoordinateHoldOp():
                self.expect(op, spaces[0], spaces[1][:-1])
                return [spaces[1], spaces[1]]
            case ValueDropOp():
                self.expect(op, *spaces)
                return [self.thinned(op, spaces[0], op.empty.data is Empty.DROP)] * 2
            case StopDropOp():
                all_stops = op.mode.data is Stops.ALL
                return [()] if all_stops else [self.thinned(op, spaces[0], True)]
            case MaskOp():
                self.expect(op, spaces[0], spaces[1][:-1])
                self.expect(op, spaces[1], spaces[2])
                inner = (*spaces[0][:-1], self.own(op, 0), self.own(op, 1))
                self.never_empty.add(inner[-1])
                return [inner[:-1], inner, inner]
            case SplitOp():
                inner = (*spaces[0][:-1], self.own(op, 0), self.own(op, 1))
                self.never_empty.add(inner[-1])
                return [inner[:-1], inner]
            case FlattenOp():
                self.expect(op, spaces[0], spaces[1][:-1])
                return [(*spaces[0][:-1], self.own(op))]
            case ForkOp():
                return [*self.dealt(spaces[0], op.order, len(op.outputs)), spaces[0]]
            case DealOp():
                self.expect(op, *spaces)
                return self.dealt(spaces[0], op.order, len(op.outputs))
            case GatherOp():
                return [self.gathered(op, spaces[:-1], spaces[-1])]
            case ConcatOp():
                self.expect(op, *(space[:-1] for space in spaces))
                parts = tuple(space[-1] for space in spaces)
                return [(*spaces[0][:-1], self.atoms.atom(op.name, "concatenated", parts))]
            case BitvectorIntersectOp():
                self.expect(op, *spaces)
                bits = (*spaces[0][:-1], self.own(op, 1))
                return [spaces[0], bits, bits]
            case _:
                types = [result.type for result in op.results]
                depths = [type.depth for type in types if isinstance(type, StreamType)]
                return [tuple(self.own(op, axis) for axis in range(depth)) for depth in depths]

    def thinned(self, op: Operation, space: Space, fibers: bool) -> Space:
        """Without some of the innermost coordinates; without some fibers, if `fibers`."""
        if fibers:
            kept = tuple(self.own(op, axis) for axis in range(len(space)))
            self.never_empty.update(kept)
            return kept
        return (*space[:-1], self.own(op))

    def dealt(self, space: Space, order: SSAValue, count: int) -> list[Space]:
        """
        The spaces of `count` lanes.

        Forks deal in turn, so that the lanes of two of them line up if what they deal does; other
        lanes line up if they are dealt in one order.
        """
        maker = order.owner
        in_turn = isinstance(maker, ForkOp) and len(maker.outputs) == count
        how = None if in_turn else self.numbers[order]
        return [
            (*space[:-1], self.atoms.atom(f"lane {k} of {count}", space[-1], k, count, how))
            for k in range(count)
        ]

    def gathered(self, op: GatherOp, lanes: Sequence[Space], order: Space) -> Space:
        """
        The axes of the order, and inside them what the lanes have, whatever stream that is.

        Axes that are full in every lane are full.
        """
        depth = len(order)
        for lane, dealt in zip(lanes, self.dealt(order, op.order, len(lanes)), strict=True):
            self.expect(op, lane[:depth], dealt)
        return (
            *order,
            *(
                FULL
                if all(lane[axis] == FULL for lane in lanes)
                else self.atoms.atom(op.name, "gathered", tuple(lane[: axis + 1] for lane in lanes))
                for axis in range(depth, len(lanes[0]))
            ),
        )

    def assembled(self, op: AssembleOp) -> None:
        """Every level and the values of a tensor belong to one space, and no fiber is lost."""
        format, written = expect_format(op.name, op.result.type), iter(op.levels)
        if not isinstance(op.values.owner, WriteValuesOp):
            if not format.is_dense:
                raise VerifyException(
                    f"'{op.name}' needs values in the order of their coordinates, which "
                    "'sam.write_values' gives, for a format with compressed levels"
                )
            return
        values = self.spaces[op.values.owner.val]
        if len(values) != format.rank:
            raise VerifyException(
                f"'{op.name}' makes a tensor of rank {format.rank} of values with "
                f"{len(values)} axes"
            )
        above: Presence | None = None
        for number, level in enumerate(format.levels):
            if level is Level.DENSE:
                self.expect_full(op, number, values[number], above)
                continue
            writer = next(written).owner
            assert isinstance(writer, WriteCoordinatesOp)
            above = self.written(op, number, writer, values, above)
        if above is not None:
            raise VerifyException(
                f"'{op.name}' has more values than coordinates in level {format.rank - 1}: "
                "some were dropped that the values still have"
            )

    def expect_full(
        self, op: AssembleOp, number: int, presence: Presence, above: Presence | None
    ) -> None:
        if presence != FULL or above is not None:
            raise VerifyException(
                f"'{op.name}' stores level {number} dense, but the values have only "
                f"{self.atoms.describe(presence)}; join with 'sam.range' or use 'sam.store'"
            )

    def written(
        self,
        op: AssembleOp,
        number: int,
        writer: WriteCoordinatesOp,
        values: Space,
        above: Presence | None,
    ) -> Presence | None:
        """
        Check one written level; `above` is the inner presence by which the level above was
        dropped, if it was. Returns the same for this level.
        """
        space = self.spaces[writer.crd]
        before = [self.dropped_by.get(presence, (presence, None)) for presence in space]
        for one, (undropped, _), other in zip(space, before, values, strict=False):
            if other not in (one, undropped):
                raise VerifyException(
                    f"'{op.name}' has coordinates of level {number} that do not line up with its "
                    f"values: {self.atoms.describe(one)} and {self.atoms.describe(other)}"
                )
        keeps = writer.mode.data is Empty.KEEP
        if above is not None and (keeps or above != space[-1]):
            raise VerifyException(
                f"'{op.name}' has coordinates in level {number - 1} that were dropped where "
                f"another level is empty; drop by the coordinates of level {number} and write "
                "them with mode drop"
            )
        if number and above is None and not keeps and space[-1] not in self.never_empty:
            raise VerifyException(
                f"'{op.name}' keeps every coordinate of level {number - 1}; write level {number} "
                "with mode keep, or drop the coordinates above its empty fibers"
            )
        return None if space[-1] == values[number] else before[-1][1]

    def expect(self, op: Operation, *spaces: Space) -> None:
        """All spaces are equal; otherwise name the outermost axis where two differ."""
        for space in spaces[1:]:
            for level, (one, other) in enumerate(zip(spaces[0], space, strict=True)):
                if one != other:
                    raise VerifyException(
                        f"'{op.name}' zips streams that do not line up: axis "
                        f"{_axis(op, level)} has {self.atoms.describe(one)} in one and "
                        f"{self.atoms.describe(other)} in another; join them first"
                    )


def _origin(op: Operation) -> str:
    """Whose coordinates an atom stands for, in errors."""
    if isinstance(op, ScanOp | ScanBitvectorOp) and isinstance(op.tensor, BlockArgument):
        return f"level {op.level.value.data} of argument {op.tensor.index}"
    return op.name


def _axis(op: Operation, level: int) -> str:
    """The name of the axis at a level of the deepest operand."""
    stacks = [value.type.axis_names for value in op.operands if isinstance(value.type, StreamType)]
    return max(stacks, key=len)[level]
