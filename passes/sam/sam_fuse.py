"""
`sam-fuse`: groups the linalg operations of a function into `sam.region`s.

A region becomes one stream graph; what lies between two regions is stored. Operations are
taken in program order, and a region ends where the chosen granularity says so or where an
operation that is not fused (a reshape, a slice) stands between producer and consumer.

Source: "FuseFlow", ASPLOS 2026, sections 3 and 8.1 (fusion granularities).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import BroadcastOp, FillOp, ReduceOp
from xdsl.ir import Block, Operation, OpResult, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sam


def is_fusible(op: Operation) -> bool:
    """Whether `op` computes a tensor from tensors element by element or by reduction."""
    if is_initialiser(op) or not isinstance(op, LinalgStructuredOperation | ReduceOp | BroadcastOp):
        return False
    return all(isinstance(result.type, TensorType) for result in op.results) and bool(op.results)


def is_initialiser(op: Operation) -> bool:
    """Whether `op` only makes an initial value or its size; each region gets its own copy."""
    return isinstance(op, FillOp | tensor.EmptyOp | tensor.DimOp | arith.ConstantOp)


def erase_unused(block: Block) -> None:
    """Erase tensor operations whose results nobody reads."""
    for op in reversed(list(block.ops)):
        if op.results and not any(result.uses for result in op.results):
            if is_fusible(op) or is_initialiser(op):
                op.detach()
                op.erase()


@dataclass
class Group:
    """Operations of one region, and everything that depends on them so far."""

    key: str
    ops: list[Operation] = field(default_factory=list)
    dependent: list[Operation] = field(default_factory=list)
    """Operations that read the group but are not fused."""
    between: list[Operation] = field(default_factory=list)
    """Those of `dependent` that stand before the last operation of the group."""

    def add(self, op: Operation) -> None:
        self.ops.append(op)
        self.between = list(self.dependent)

    def reaches(self, op: Operation) -> bool:
        """Whether `op` reads the group or what depends on it."""
        members = {*self.ops, *self.dependent}
        return any(owner in members for owner in producers(op))

    def accepts(self, op: Operation) -> bool:
        """
        Whether `op` can join: it needs nothing that has to run between it and the group.

        A gather reads at any place what the group makes in a certain order, and reads indices for
        places that it does not visit: it needs both stored.
        """
        needed = producers(op)
        if captured(op) and any(owner in self.ops for owner in needed):
            return False
        return not any(owner in self.dependent and not is_initialiser(owner) for owner in needed)


@dataclass(frozen=True)
class SamFusePass(ModulePass):
    """
    Groups operations into regions.

    `regions` is `none` (each operation alone; the parts of one softmax, layer norm, .. stay
    together), `layer` (one region for each layer of the model, as named by the first `depth` names
    of `headrace.module`, 1 unless given, and one for its gradients), `marked` (consecutive
    operations with one `headrace.region`, as the user marked them, and each other operation alone)
    or `all`. Where an operation that is not fused stands between, the region is split there. `cuts`
    are the numbers of further fusible operations, counted from 0 in program order, that start a new
    region.
    """

    name = "sam-fuse"

    regions: Literal["none", "layer", "marked", "all"] = "none"
    cuts: tuple[int, ...] = ()
    depth: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.depth is not None and self.regions != "layer":
            raise PassFailedException(
                f"sam-fuse: depth={self.depth} says what a layer is, but regions={self.regions} "
                "asks for none; leave it out, or give regions=layer"
            )
        if self.depth is not None and self.depth < 1:
            raise PassFailedException(
                f"sam-fuse: depth={self.depth} names no module; 1 is the outermost"
            )
        for function in op.walk():
            if isinstance(function, FuncOp) and len(function.body.blocks) == 1:
                block = function.body.block
                erase_unused(block)
                for group in self.groups(block):
                    make_region(group)
                erase_unused(block)

    def groups(self, block: Block) -> list[Group]:
        fusible = [op for op in block.ops if is_fusible(op)]
        out_of_range = [cut for cut in self.cuts if not 0 <= cut < len(fusible)]
        if out_of_range:
            raise PassFailedException(
                f"sam-fuse: cuts={out_of_range[0]} names no operation; "
                f"there are {len(fusible)}, numbered from 0"
            )
        starts = {fusible[cut] for cut in self.cuts}
        groups: list[Group] = []
        keys = self.keys(fusible)
        for op in block.ops:
            current = groups[-1] if groups else None
            if op in keys:
                fits = current is not None and current.key == keys[op] and op not in starts
                if current is None or not fits or not current.accepts(op):
                    current = Group(keys[op])
                    groups.append(current)
                current.add(op)
            elif current is not None and current.reaches(op):
                current.dependent.append(op)
        return groups

    def keys(self, fusible: Sequence[Operation]) -> dict[Operation, str]:
        """Consecutive operations with one key share a region."""
        match self.regions:
            case "all":
                return dict.fromkeys(fusible, "all")
            case "layer":
                return _layer_keys(fusible, self.depth or 1)
            case "marked":
                marks = {op: _text(op, "headrace.region") for op in fusible}
                marked = {op: f"region {mark}" for op, mark in marks.items() if mark}
                return _single_keys(fusible) | marked
            case "none":
                return _single_keys(fusible)


def _single_keys(fusible: Sequence[Operation]) -> dict[Operation, str]:
    """Each operation alone, but for the parts of one composed operation."""
    return {
        op: _text(op, "headrace.composite") or f"operation {number}"
        for number, op in enumerate(fusible)
    }


def _layer_keys(fusible: Sequence[Operation], depth: int) -> dict[Operation, str]:
    """
    The first `depth` names of each operation's module path, and whether it computes gradients.

    What a module above the current layer computes itself (an activation between two layers) goes
    with that layer. A path of fewer names that is not above it is a layer of its own.
    """
    keys: dict[Operation, str] = {}
    layer: list[str] = []
    for op in fusible:
        module = _text(op, "headrace.module")
        path = module.split(".")[:depth] if module else []
        if len(path) >= len(layer) or layer[: len(path)] != path:
            layer = path
        keys[op] = f"{'.'.join(layer)} {_text(op, 'headrace.phase')}"
    return keys


def _text(op: Operation, attribute: str) -> str:
    value = op.attributes.get(attribute)
    return value.data if isinstance(value, StringAttr) else ""


def producers(op: Operation) -> list[Operation]:
    """The operations that compute what `op` and the operations inside it read."""
    return [
        operand.op
        for inner in op.walk()
        for operand in inner.operands
        if isinstance(operand, OpResult)
    ]


def captured(op: Operation) -> list[SSAValue]:
    """The tensors from outside that operations inside `op` read: what it gathers from."""
    blocks = [block for region in op.regions for block in region.blocks]
    inside = [inner for block in blocks for inner in block.walk()]
    made: set[SSAValue] = {argument for block in blocks for argument in block.args}
    made |= {result for inner in inside for result in inner.results}
    read = (value for inner in inside for value in inner.operands if value not in made)
    return [value for value in read if isinstance(value.type, TensorType)]


def make_region(group: Group) -> sam.RegionOp:
    """
    Move the operations of `group` into a new region that stands in place of the last of them.
    """
    outputs = results_of(group.ops)
    region = region_of(group.ops)
    last = group.ops[-1]
    Rewriter.insert_op(region, InsertPoint.before(last))
    for op in group.between:
        # What reads the region has to follow it.
        op.detach()
    Rewriter.insert_op(group.between, InsertPoint.after(last))
    for old, new in zip(outputs, region.results, strict=True):
        old.replace_all_uses_with(new)
    for op in reversed(group.ops):
        op.detach()
        op.erase()
    return region


def results_of(ops: Sequence[Operation]) -> list[OpResult]:
    """What `ops` compute that other operations read."""
    members = set(ops)
    return [
        result
        for op in ops
        for result in op.results
        if any(use.operation not in members for use in result.uses)
    ]


def region_of(ops: Sequence[Operation]) -> sam.RegionOp:
    """A region that computes the same as `ops`, which stay; it stands nowhere as yet."""
    initialisers = _initialisers(ops)
    inside = {*ops, *initialisers}
    inputs = list(
        dict.fromkeys(
            operand
            for op in (*initialisers, *ops)
            for operand in (*op.operands, *captured(op))
            if not (isinstance(operand, OpResult) and operand.op in inside)
        )
    )
    outputs = results_of(ops)
    block = Block(arg_types=[value.type for value in inputs])
    inner: dict[SSAValue, SSAValue] = dict(zip(inputs, block.args, strict=True))
    for op in (*initialisers, *ops):
        block.add_op(op.clone(inner))
    block.add_op(sam.YieldOp(*(inner[value] for value in outputs)))
    return sam.RegionOp(inputs, [value.type for value in outputs], Region(block))


def _initialisers(ops: Sequence[Operation]) -> list[Operation]:
    """Fills, empty tensors and constants below `ops`, producers first."""
    found: dict[Operation, None] = {}

    def visit(op: Operation) -> None:
        for owner in producers(op):
            if is_initialiser(owner) and owner not in found:
                visit(owner)
                found[owner] = None

    for op in ops:
        visit(op)
    return list(found)
