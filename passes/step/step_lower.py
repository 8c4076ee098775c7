"""
`step-lower`: the functions of the entry IR as stream graphs of `step`.

Source: "Streaming Tensor Programs", ASPLOS 2026, arXiv 2511.07776; the reference writes its graphs
by hand, the lowering is ours.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import AnyFloat, AnyTensorType, ModuleOp, TensorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException, VerifyException

from headrace.dialects import step
from headrace.passes.step import attention_terms, lower_attention, lower_dense, lower_experts
from headrace.passes.step.lower_rows import Misfit, TileSizes, Unsupported
from headrace.passes.step.refusal import fail
from headrace.passes.step.tensor_terms import Terms


@dataclass(frozen=True)
class StepLowerPass(ModulePass):
    """
    Finds routed experts, attention over caches, and rows through layers: a `step.graph` of each.

    Routing (which experts a row has, and with which weights) is computed before the graph, by the
    operations that there are. `rows` is how many rows are computed at once (by default single rows
    where they are routed, else up to 64), or the rows of a cache in a tile (up to 32); `columns`
    the width of what a weight gives at once (up to 64). `compute` is the bandwidth of each unit in
    FLOPs a cycle. `softmax` of attention is `online`, in one pass with the largest score so far, or
    `plain` without the subtraction of the maximum.
    """

    name = "step-lower"

    rows: int = 0
    columns: int = 0
    compute: int = 4096
    softmax: str = "online"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if min(self.rows, self.columns, self.compute) < 0:
            raise PassFailedException(f"{self.name}: rows, columns and compute are 0 or more")
        if self.softmax not in ("online", "plain"):
            raise PassFailedException(
                f"{self.name}: softmax={self.softmax} is not known; choose online or plain"
            )
        found = [one for one in op.ops if isinstance(one, func.FuncOp) and not one.is_declaration]
        for main in found:
            self._lower(main)

    def _lower(self, main: func.FuncOp) -> None:
        """Graphs for what the function returns, and for what these need."""
        returned = main.body.block.last_op
        assert isinstance(returned, func.ReturnOp)
        wanted = [value for value in returned.operands if _is_computed(value)]
        if not any(_has_elements(value) for value in wanted):
            return
        found = self._recognised(main.body.block.ops)
        for one in found.values():
            wanted += one.reads
        outside = {value for one in found.values() for value in one.outside}
        known = set(main.body.block.ops)
        cuts = {*found, *wanted}
        left = list(dict.fromkeys([*wanted, *found]))
        done = set[SSAValue]()
        while left:
            value = left.pop(0)
            if value in done or (value in outside and value not in found):
                continue
            done.add(value)
            results, read = self._graph(value, found, cuts)
            for old, new in results.items():
                new.name_hint = old.name_hint
                old.replace_all_uses_with(new)
            found = {
                root: replace(one, reads=[results.get(read, read) for read in one.reads])
                for root, one in found.items()
            }
            more = [source for one in read for source in _sources(one, known, cuts)]
            cuts.update(more)
            left.extend(more)
        erase_unused(main)

    def _graph(
        self, value: SSAValue, found: "dict[SSAValue, _Found]", cuts: set[SSAValue]
    ) -> tuple[dict[SSAValue, SSAValue], Sequence[SSAValue]]:
        """What replaces tensors, in a graph of their own, and the tensors that they need."""
        op = cast(Operation, value.owner)
        try:
            one = found.get(value)
            results = self._lower_found(value, one) if one else self._dense(value, cuts)
        except (Unsupported, VerifyException) as error:
            raise self._failed(op, error) from None
        graphs = {one for new in results.values() for one in _graphs_behind(new)}
        return results, [
            one for graph in graphs for one in graph.inputs
        ] if results else op.operands

    def _recognised(self, ops: Iterable[Operation]) -> dict[SSAValue, "_Found"]:
        """Routed experts and attention, the last first."""
        terms = Terms()
        inside: set[SSAValue] = set()
        found: dict[SSAValue, _Found] = {}
        for value in _roots(ops):
            if value in inside:
                continue
            if (routed := lower_experts.recognise(terms, value)) is not None:
                reads = self._rows_read(terms, routed)
                host = [routed.indices, routed.weights]
                found[value] = _Found(reads, _behind(host, reads))
                inside |= _behind([value, *host], reads) - set(reads)
            elif (attention := attention_terms.recognise(terms, value)) is not None:
                caches = (attention.keys, attention.values)
                leaves = [attention.query, *(one.tensor for one in caches)]
                leaves += [one.new for one in caches]
                reads = [one for one in leaves if _is_computed(one)]
                outside = {attention.lengths, *(one.appended for one in caches)}
                found[value] = _Found(reads, outside)
                inside |= _behind([value], leaves) | outside
        return found

    def _rows_read(self, terms: Terms, routed: lower_experts.Routed) -> list[SSAValue]:
        """The tensors that experts read, where they are computed."""
        read = [
            value
            for one in lower_experts.read_rows(routed)
            for axes, value in terms.origins[one].items()
            if axes[:1] == (routed.row,)
        ]
        return [value for value in read if _is_computed(value)]

    def _lower_found(self, value: SSAValue, found: "_Found") -> dict[SSAValue, SSAValue]:
        # Recognised again: what it reads may have become the result of a graph.
        op = cast(Operation, value.owner)
        terms = Terms(cuts=set(found.reads))
        if (attention := attention_terms.recognise(terms, value)) is not None:
            softmax = cast(lower_attention.Softmax, self.softmax)
            return lower_attention.lower(attention, value, op, self._sizes, softmax)
        routed = lower_experts.recognise(terms, value)
        assert routed is not None
        return {value: lower_experts.lower(terms, routed, value, op, self._sizes)}

    def _dense(self, value: SSAValue, cuts: set[SSAValue]) -> dict[SSAValue, SSAValue]:
        terms = Terms(cuts=cuts - {value})
        term, axes = terms.root(value)
        if term.kind == "leaf":
            return {}
        op = cast(Operation, value.owner)
        return {value: lower_dense.lower(terms, term, axes, value, op, self._sizes)}

    @property
    def _sizes(self) -> TileSizes:
        return TileSizes(self.rows, self.columns, self.compute)

    def _failed(self, op: Operation, error: Exception) -> PassFailedException:
        if isinstance(error, Misfit):
            return fail(self.name, op, str(error))
        return fail(
            self.name,
            op,
            f"it has no form as streams of rows: {error}; write it as products with weights and "
            "functions of rows, or compile it for another target",
        )


@dataclass(frozen=True)
class _Found:
    """What becomes a graph of its own."""

    reads: list[SSAValue]
    """Computed tensors that it loads."""
    outside: set[SSAValue]
    """Tensors that stay as they are, or that the graph replaces."""


def _graphs_behind(value: SSAValue) -> Iterator[step.GraphOp]:
    """The graph of which a tensor is a result, perhaps in another shape."""
    op = value.owner
    if isinstance(op, step.GraphOp):
        yield op
    elif isinstance(op, Operation):
        for operand in op.operands:
            yield from _graphs_behind(operand)


def _sources(
    value: SSAValue, known: Collection[Operation], cuts: Collection[SSAValue]
) -> Iterator[SSAValue]:
    """The computed tensors of the program, behind slices and reshapes, that a tensor comes from."""
    if not _is_computed(value) or isinstance(value.owner, step.GraphOp):
        return
    op = cast(Operation, value.owner)
    if value in cuts or (isinstance(op, GenericOp) and op in known):
        yield value
    elif not isinstance(op, FillOp):
        for operand in op.operands:
            yield from _sources(operand, known, cuts)


def erase_unused(main: func.FuncOp) -> None:
    """Erase operations whose results nothing uses."""
    for op in reversed(list(main.body.block.ops)):
        if not isinstance(op, func.ReturnOp) and not any(result.uses for result in op.results):
            op.detach()
            op.erase()


def _roots(ops: Iterable[Operation]) -> Iterator[SSAValue]:
    """Tensors of floats, the last first."""
    for op in reversed(list(ops)):
        for result in op.results:
            if _is_computed(result):
                yield result


def _is_computed(value: SSAValue) -> bool:
    """Whether an operation computes these floats."""
    type = value.type
    return (
        isinstance(value.owner, Operation)
        and isinstance(type, TensorType)
        and isinstance(cast(AnyTensorType, type).element_type, AnyFloat)
    )


def _has_elements(value: SSAValue) -> bool:
    """Whether there is anything to stream; a batch of no rows leaves nothing."""
    return 0 not in cast(AnyTensorType, value.type).get_shape()


def _behind(values: Sequence[SSAValue], ends: Collection[SSAValue]) -> set[SSAValue]:
    """The values, and all that they are computed from, as far as `ends`."""
    found: set[SSAValue] = set()
    left = list(values)
    while left:
        value = left.pop()
        if value not in found and value not in ends:
            found.add(value)
            if isinstance(value.owner, Operation):
                left.extend(value.owner.operands)
    return found
