"""
Compiled primitives equal their own text, run by Python: outputs, and every node's final clock.

This checks the code generator: suspension, bursts, limits of rings, saved variables.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.simulators.stream import tokens
from headrace.simulators.stream.coroutines import run_coroutines
from headrace.simulators.stream.program import ProgramBuilder, Slot
from headrace.simulators.stream.simulate import simulate
from headrace.tests.stream_graphs import random_graph


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_at_random_depths(seed: int) -> None:
    program, arrays = random_graph(seed)
    random = np.random.default_rng(seed)
    for least, most in ((0, 1), (1, 2), (1, 4), (0, 9)):
        depths = random.integers(least, most, len(program.capacities), endpoint=True)
        variant = replace(program, capacities=depths.astype(np.int64))
        compiled, text = simulate(variant, arrays), run_coroutines(variant, arrays)
        assert (compiled.deadlock is not None) == bool(text.stuck)
        assert {node.name: node.cycles for node in compiled.nodes} == text.clocks
        for name, values in compiled.outputs.items():
            np.testing.assert_allclose(values, text.outputs[name], rtol=1e-12, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(
    fibers=st.lists(st.lists(st.integers(0, 200), max_size=40), max_size=30),
    depth=st.sampled_from([None, 1, 2, 3, 7, 64]),
    interval=st.integers(0, 3),
)
def test_long_streams_wrap_around_their_rings(
    fibers: list[list[int]], depth: int | None, interval: int
) -> None:
    words: list[int] = []
    for number, fiber in enumerate(fibers):
        words += [*fiber, tokens.stop(1 if number == len(fibers) - 1 else 0)]
    builder = ProgramBuilder()
    (crd,) = builder.node("source", tokens=Slot("in"))
    (signal,) = builder.node("repeat_signal", crd)
    (count,) = builder.node("number", crd)
    (val,) = builder.node("array", crd, values=Slot("values"))
    (total,) = builder.node("reduce", builder.node("alu", val, val, op="mul")[0])
    for name, stream in (("signal", signal), ("count", count), ("total", total)):
        builder.node("sink", stream, output=name, interval=interval)
    program = builder.build()
    arrays = {
        "in": np.array([*words, tokens.DONE]),
        "values": np.random.default_rng(len(words)).random(201),
    }
    compiled, text = (run(program, arrays, depth=depth) for run in (simulate, run_coroutines))
    assert compiled.cycles == text.cycles
    for name, values in compiled.outputs.items():
        np.testing.assert_array_equal(values, text.outputs[name])
