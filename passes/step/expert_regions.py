"""
Regions: one body for the tiles of several experts.

The tiles are merged as they arrive, and the body reads the weights of the expert whose tile it has;
a partition by the same selectors sends the results back.

Source: "Streaming Tensor Programs", arXiv 2511.07776, sections 4.2 and 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.builder import Builder
from xdsl.ir import BlockArgument, Operation, SSAValue, Use
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_operation import is_name
from headrace.dialects.stream_operation import index_attribute, names_attribute
from headrace.passes.step.axis_rules import tile_counts
from headrace.passes.step.bodies import Body, match_bodies
from headrace.passes.step.graphs import erase, share, stream
from headrace.passes.step.refusal import fail
from headrace.passes.step.row_tiles import drop_padding
from headrace.passes.step.symbols import fresh_names
from headrace.passes.step.weights import drop_unused, stack


@dataclass(frozen=True)
class Read:
    """A load of the first body, the weights that it and its fellows read, and their tiles."""

    load: step.LoadOp
    weights: list[BlockArgument]
    tiles: int


@dataclass(frozen=True)
class Exit:
    """A stream that leaves the first body, and who reads it and its fellows."""

    value: SSAValue
    uses: list[Use]


@dataclass(frozen=True)
class ExpertRegion:
    """What becomes of bodies that do the same: the first serves all."""

    bodies: Sequence[Body]
    reads: list[Read]
    exits: list[Exit]

    @property
    def packs(self) -> list[SSAValue]:
        return [body.start for body in self.bodies]

    @property
    def heights_differ(self) -> bool:
        """Whether tiles are as high as the rows of their expert are many."""
        return len({stream(pack).element_type for pack in self.packs}) > 1


def planned_region(name: str, bodies: Sequence[Body]) -> ExpertRegion:
    """
    The region of some bodies; nothing is changed.

    Raises `PassFailedException` where they do not do the same, where a load cannot read by the
    address of an expert, and where tiles leave whose heights differ and are not split.
    """
    first, *others = bodies
    places = [dict(match_bodies(name, first, body)) for body in others]
    reads = [
        Read(load, [_weight(load), *(_weight_of(there[load.result]) for there in places)], tiles)
        for load in first.loads
        if (tiles := _tiles(name, load))
    ]
    leaving = [use.operation.operands[use.index] for use in first.exits]
    uses = [[_use(value), *(_use(there[value]) for there in places)] for value in leaving]
    region = ExpertRegion(bodies, reads, [Exit(*pair) for pair in zip(leaving, uses, strict=True)])
    for exit in region.exits if region.heights_differ else ():
        for use in exit.uses:
            if not isinstance(use.operation, step.FlatMapOp):
                reason = "it takes tiles of one height, but those of each expert have another"
                raise fail(name, use.operation, reason)
    return region


def merge_bodies(graph: step.GraphOp, region: ExpertRegion) -> None:
    """Have the first body serve all; types, order and copies for readers are to be put right."""
    packs = region.packs
    owners = {pack.owner for pack in packs}
    (last,) = [op for op in graph.body.block.ops if op in owners][-1:]
    build = Builder(InsertPoint.after(last))
    rows = next(fresh_names(graph, "rows")) if region.heights_differ else None
    entry = _use(packs[0])
    merge = build.insert(step.EagerMergeOp([pack for pack in packs], rank=0, rows=rows))
    entry.operation.operands[entry.index] = merge.result
    counts = list(dict.fromkeys(read.tiles for read in region.reads))
    selectors = iter(share(build, merge.selector, len(counts) + len(region.exits)))
    for count in counts:
        alike = [read for read in region.reads if read.tiles == count]
        addresses = build.insert(step.ExpertAddressOp(next(selectors), tiles=count)).result
        for read, address in zip(alike, share(build, addresses, len(alike)), strict=True):
            _read_by_address(read.load, stack(graph, read.weights), address)
    claims = [str(stream(pack).dimensions[0]) for pack in packs]
    for exit in region.exits:
        _send_back(exit, next(selectors), claims, region.heights_differ)
    for body in region.bodies[1:]:
        erase(body.ops)
    drop_unused(graph, [weight for read in region.reads for weight in read.weights])


def _send_back(exit: Exit, selector: SSAValue, claims: list[str], heights_differ: bool) -> None:
    """The results of each expert to who read them before; the type of the body is still old."""
    assert isinstance(exit.value.owner, Operation)
    build = Builder(InsertPoint.after(exit.value.owner))
    assumed = [claim for claim in claims if is_name(claim)]
    properties = {
        "rank": index_attribute(stream(exit.value).rank),
        "dims": names_attribute(claims),
        **({"assumed": names_attribute(assumed)} if assumed else {}),
    }
    parts = [use.operation.operands[use.index] for use in exit.uses]
    partition = step.PartitionOp.create(
        operands=[exit.value, selector],
        result_types=[part.type for part in parts],
        properties=properties,
    )
    for use, part in zip(exit.uses, build.insert(partition).outputs, strict=True):
        if heights_differ and isinstance(use.operation, step.FlatMapOp):
            drop_padding(use.operation)
        use.operation.operands[use.index] = part


def _read_by_address(load: step.LoadOp, weights: BlockArgument, address: SSAValue) -> None:
    """Read the tiles at the addresses [.., tiles, 1] in place of a load, in the shape of it."""
    build = Builder(InsertPoint.before(load))
    shape = load.integers("shape")
    dispatch = load.integer("dispatch", 1)
    read = step.RandomLoadOp(weights, address, tile=load.integers("tile"), dispatch=dispatch)
    tiles = build.insert(read).result
    if shape[1:] != (1,):
        tiles = build.insert(step.FlattenOp(tiles, min=0, max=1)).result
        for rank, size in enumerate(reversed(shape[1:])):
            tiles = build.insert(step.ReshapeOp(tiles, rank=rank, chunk=size)).result
    load.result.replace_all_uses_with(tiles)
    erase([load])


def _tiles(name: str, load: step.LoadOp) -> int:
    """How many tiles a load reads: all of its tensor, in the order of their addresses."""
    if load.ref is None or stream(load.ref).rank:
        raise fail(name, load, "it does not read the weights once for each tile of an expert")
    shape, strides = load.integers("shape"), load.integers("strides")
    stride = count = prod(tile_counts(load))
    for size, given in zip(shape, strides, strict=True):
        stride //= max(size, 1)
        if size != 1 and given != stride:
            stride = -1
    if stride != 1 or prod(shape) != count:
        reason = "it does not read all tiles of its tensor in the order of their addresses"
        raise fail(name, load, reason)
    return count


def _weight(load: step.LoadOp) -> BlockArgument:
    assert isinstance(load.tensor, BlockArgument)
    return load.tensor


def _weight_of(loaded: SSAValue) -> BlockArgument:
    assert isinstance(loaded.owner, step.LoadOp)
    return _weight(loaded.owner)


def _use(value: SSAValue) -> Use:
    """The one use of a stream."""
    (use,) = value.uses
    return use
