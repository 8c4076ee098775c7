"""
Which streams of a graph are equal, by value numbering.

Two streams have one number if the same operations made them from equal streams and tensors: so two
`step.select` of one tensor are one selector, and all copies of a broadcast are one stream. What the
order of arrival decides (a merge, a reassembly of several units) equals only its copies.

Source: "Streaming Tensor Programs", arXiv 2511.07776: partitions by one selector share sizes.
"""

from __future__ import annotations

from collections.abc import Hashable

from xdsl.ir import Block, Operation, OpResult, SSAValue

from headrace.dialects.step_memory import RandomStoreOp
from headrace.dialects.step_operation import NAMES, StepOperation
from headrace.dialects.step_routing import EagerMergeOp, ReassembleOp, needed_to_begin
from headrace.dialects.step_shape import BroadcastOp, FlattenOp, PromoteOp
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.dialects.stream_flow import producers_first

CLAIMS = frozenset(("assumed", "hot"))
TIMING = frozenset(("switch", "write_back", "compute", "dispatch", "buffers"))


class Equality:
    """Numbers of the streams and tensors of one graph, in which every operation can begin."""

    def __init__(self, block: Block) -> None:
        self._numbers: dict[SSAValue, int] = {}
        self._known: dict[Hashable, int] = {}
        self._sequences: dict[int, int] = {}
        for argument in block.args:
            self._numbers[argument] = self._number(argument)
        for op in producers_first(block, needed_to_begin)[0]:
            self._enter(op)

    def of(self, value: SSAValue) -> int:
        """The number of a stream or tensor."""
        return self._numbers[value]

    def sequence(self, value: SSAValue) -> int:
        """A number for the elements in their order, whatever lists they are in."""
        number = self._numbers[value]
        return self._sequences.get(number, number)

    def _number(self, key: Hashable) -> int:
        return self._known.setdefault(key, len(self._known))

    def _enter(self, op: Operation) -> None:
        for index, result in enumerate(op.results):
            self._numbers[result] = self._numbers_of(op, index, result)
        if isinstance(op, FlattenOp | PromoteOp):
            self._sequences[self.of(op.result)] = self.sequence(op.input)

    def _numbers_of(self, op: Operation, index: int, result: OpResult) -> int:
        if isinstance(op, BroadcastOp):
            return self.of(op.input)
        fed_back = any(operand not in self._numbers for operand in op.operands)
        known = isinstance(op, StepOperation) and not isinstance(op, RandomStoreOp)
        if not known or fed_back or _by_arrival(op):
            return self._number(result)
        ignored = NAMES | CLAIMS | TIMING
        meaning = frozenset(item for item in op.properties.items() if item[0] not in ignored)
        operands = tuple(self.of(operand) for operand in op.operands)
        return self._number((op.name, meaning, operands, index))


def _by_arrival(op: Operation) -> bool:
    """Whether the order of arrival decides what comes out."""
    if isinstance(op, ReassembleOp):
        selectors = op.selector.type
        element = selectors.element_type if isinstance(selectors, StreamType) else None
        return not (isinstance(element, SelectorType) and element.hot in (0, 1))
    return isinstance(op, EagerMergeOp)
