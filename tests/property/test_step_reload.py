"""`step-reload` on random streams of loaded tiles: equal values, and nothing waits or is kept."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, f64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.step import lower
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.dialects.step_dimension import product
from headrace.interpreters.step import interpret
from headrace.passes.registry import get_all_passes, parse_passes

TENSOR = TensorType(f64, [2, 6])
TILE = (1, 2)
TILES = 6
MOST = 48
"""Tiles of a stream that still grows."""


class Program:
    """A graph that grows at one stream of tiles; other streams are stored, as it is at the end."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.block = Block(arg_types=[TENSOR])
        self.stored: list[SSAValue] = []
        self.stream: SSAValue = self.load()

    @property
    def type(self) -> step.StreamType:
        assert isinstance(self.stream.type, step.StreamType)
        return self.stream.type

    def number(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def add(self, op: Operation) -> SSAValue:
        """Go on with the first result of an operation."""
        self.block.add_op(op)
        self.stream = op.results[0]
        return self.stream

    def load(self, ref: SSAValue | None = None) -> SSAValue:
        """By a random pattern that stays inside of the tensor."""
        shape = [self.number(1, 3) for _ in range(2)]
        left, strides = TILES - 1, list[int]()
        for size in shape:
            strides.append(self.number(0, left // max(size - 1, 1)))
            left -= (size - 1) * strides[-1]
        (tensor,) = self.block.args
        return self.add(step.LoadOp(tensor, ref, tile=TILE, strides=strides, shape=shape))

    def store(self, value: SSAValue) -> None:
        assert isinstance(value.type, step.StreamType)
        into = TensorType(f64, [product(value.type.dimensions).value * TILE[0], TILE[1]])
        op = step.StoreOp(value, into=into)
        self.block.add_op(op)
        self.stored.append(op.result)

    def module(self) -> ModuleOp:
        self.store(self.stream)
        self.block.add_op(step.YieldOp(*self.stored))
        types = [value.type for value in self.stored]
        main = FuncOp("main", ([TENSOR], types))
        graph = step.GraphOp(main.body.block.args, types, Region(self.block))
        main.body.block.add_ops([graph, ReturnOp(*graph.results)])
        return ModuleOp([main])


def load(program: Program) -> None:
    program.load(program.stream)


def repeat(program: Program) -> None:
    program.add(step.RepeatOp(program.stream, factor=program.number(1, 3)))


def flatten(program: Program) -> None:
    if not program.type.rank:
        return
    low = program.number(0, program.type.rank - 1)
    high = program.number(low + 1, program.type.rank)
    program.add(step.FlattenOp(program.stream, min=low, max=high))


def copies(program: Program) -> None:
    op = step.BroadcastOp(program.stream, consumers=program.number(2, 3))
    program.add(op)
    if program.number(0, 1):
        program.store(op.outputs[1])


def changed(program: Program) -> None:
    program.add(step.MapOp(program.stream, fn="square"))


STEPS: tuple[Callable[[Program], None], ...] = (load, repeat, flatten, copies, changed)


@st.composite
def modules(draw: st.DrawFn) -> ModuleOp:
    program = Program(draw)
    for one in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6)):
        if product(program.type.dimensions).value <= MOST:
            one(program)
    return program.module()


def graph_of(module: ModuleOp) -> step.GraphOp:
    (graph,) = (op for op in module.walk() if isinstance(op, step.GraphOp))
    return graph


def static_load(value: SSAValue) -> bool:
    while isinstance(value.owner, step.BroadcastOp):
        value = value.owner.input
    return isinstance(value.owner, step.LoadOp) and value.owner.ref is None


def waits_or_keeps(op: Operation) -> bool:
    """Whether an operation is one that a static load can replace."""
    match op:
        case step.RepeatOp():
            return static_load(op.input)
        case step.LoadOp(ref=SSAValue(type=step.StreamType() as ref)):
            return ref.dimensions[0] == 1
        case _:
            return False


@settings(max_examples=200, deadline=None)
@given(module=modules())
def test_reloaded_streams_have_the_values_they_had(module: ModuleOp) -> None:
    tensor = np.arange(1.0, 13).reshape(2, 6)
    expected = interpret(module, [tensor])
    before = any(waits_or_keeps(op) for op in module.walk())
    try:
        parse_passes("step-reload", get_all_passes()).apply(make_context(), module)
    except PassFailedException:
        assert not before
    module.verify()
    assert not any(waits_or_keeps(op) for op in module.walk())
    for one, other in zip(interpret(module, [tensor]), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert lower(graph_of(module)).run([tensor], depth=1).deadlock is None
