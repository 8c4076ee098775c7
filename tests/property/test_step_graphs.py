"""
Random graphs of `step`: the sizes that are inferred are those of a run.

The interpreter compares the sizes of all streams with their types, and raises where they differ
(tests/unit/test_step_graphs.py has a program with a false claim).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Block, Operation, Region, SSAValue

from headrace.dialects import step
from headrace.interpreters.step import interpret_graph

Draw = Callable[..., int]


class Program:
    """A graph that grows at one stream of integers."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.block = Block()
        self.inputs: list[npt.NDArray[Any]] = []
        self.names = 0
        sizes = draw(st.lists(st.integers(0, 4), max_size=3))
        numbers = np.arange(int(np.prod(sizes))).reshape(sizes) % 4
        self.stream: SSAValue = self.add(step.IntegersOp(self.tensor(numbers)))[0]

    @property
    def type(self) -> step.StreamType:
        assert isinstance(self.stream.type, step.StreamType)
        return self.stream.type

    def number(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def tensor(self, array: npt.NDArray[Any]) -> SSAValue:
        """A new argument of the graph."""
        self.inputs.append(array)
        element = i1 if array.dtype == bool else i64
        return self.block.insert_arg(TensorType(element, array.shape), len(self.block.args))

    def add(self, op: Operation) -> list[SSAValue]:
        """Go on with the first result of an operation."""
        self.block.add_op(op)
        self.stream = op.results[0]
        return list(op.results)

    def name(self) -> str:
        self.names += 1
        return f"e{self.names}"

    def graph(self) -> step.GraphOp:
        self.block.add_op(step.YieldOp())
        operands = Block(arg_types=self.block.arg_types).args
        return step.GraphOp(operands, [], Region(self.block))


def flatten(program: Program) -> None:
    low = program.number(0, program.type.rank)
    high = program.number(low, program.type.rank)
    ragged = any(size.is_ragged for size in program.type.dimensions)
    named = ragged and high < program.type.rank
    if not named:
        program.add(step.FlattenOp(program.stream, min=low, max=high))


def promote(program: Program) -> None:
    rank = program.number(-1, program.type.rank)
    program.add(step.PromoteOp(program.stream, rank=None if rank < 0 else rank))


def reshape(program: Program) -> None:
    outer = not program.type.rank and bool(program.number(0, 1))
    program.add(step.ReshapeOp(program.stream, chunk=program.number(1, 3), outer=outer))


def repeat(program: Program) -> None:
    program.add(step.RepeatOp(program.stream, factor=program.number(1, 3)))


def fold(program: Program) -> None:
    if program.type.rank:
        rank = program.number(1, program.type.rank)
        program.add(step.AccumulateOp(program.stream, fn="maximum", rank=rank))


def scan(program: Program) -> None:
    if program.type.rank:
        program.add(step.ScanOp(program.stream, fn="maximum", rank=1))


def copies(program: Program) -> None:
    program.add(step.FlatMapOp(program.stream, fn="copies", dim=program.name()))


def ranges(program: Program) -> None:
    program.add(step.FlatMapOp(program.stream, fn="range", dim=program.name()))


def deal(program: Program) -> None:
    consumers = program.number(1, 3)
    dealt = program.add(step.DealOp(program.stream, rank=program.type.rank, consumers=consumers))
    program.stream = dealt[program.number(0, consumers - 1)]


def buffered(program: Program) -> None:
    if program.type.rank:
        program.add(step.BufferizeOp(program.stream, rank=1))
        program.add(step.StreamifyOp(program.stream, repeat=[program.number(1, 2)]))


def expand(program: Program) -> None:
    if program.type.rank:
        reference, folded = program.add(step.BroadcastOp(program.stream, consumers=2))
        program.add(step.AccumulateOp(folded, fn="maximum", rank=1))
        program.add(step.PromoteOp(program.stream, rank=0))
        program.add(step.ExpandOp(program.stream, reference, rank=1))


def route(program: Program) -> None:
    """Partition by random selectors, and perhaps back."""
    rank = program.number(0, program.type.rank)
    outer = program.type.dimensions[: len(program.type.dimensions) - rank]
    if outer[0] != 1 or not all(size.is_static for size in outer):
        return
    sizes = [size.value for size in outer[1:]]
    bits = program.draw(st.integers(0, 2**32 - 1))
    table = np.random.default_rng(bits).integers(0, 2, [*sizes, 2]).astype(bool)
    stream, read = program.stream, program.tensor(table)
    there, back = (step.SelectOp(read) for _ in range(2))
    for op in (there, back):
        program.block.add_op(op)
    names = [program.name(), program.name()]
    parts = program.add(step.PartitionOp(stream, there.result, rank=rank, dims=names))
    if program.number(0, 1):
        op = step.ReassembleOp(back.result, parts, rank=rank, dim=program.name())
        program.add(op)


STEPS = (
    flatten,
    promote,
    reshape,
    repeat,
    fold,
    scan,
    copies,
    ranges,
    deal,
    buffered,
    expand,
    route,
)


@st.composite
def programs(draw: st.DrawFn) -> tuple[step.GraphOp, list[npt.NDArray[Any]]]:
    program = Program(draw)
    for one in draw(st.lists(st.sampled_from(STEPS), max_size=6)):
        one(program)
    return program.graph(), program.inputs


@settings(max_examples=300, deadline=None)
@given(programs())
def test_inferred_sizes_are_those_of_a_run(
    case: tuple[step.GraphOp, list[npt.NDArray[Any]]],
) -> None:
    graph, inputs = case
    graph.verify()
    assert interpret_graph(graph, inputs) == []
