"""
Kernels on tiny random inputs full of empty fibers, empty tensors and absent operands.

Right values whatever the depth; no failure; no deadlock with unbounded channels; and the compiled
engine agrees with the plain reference on every clock.
"""

import functools
import json
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest

from headrace.backends.neutral import NeutralGraph, read_graph
from headrace.backends.neutral_case import Case, dense_case
from headrace.tests.kernels import MEANING, random_inputs, row_product
from headrace.tests.reference import reference_path
from headrace.tests.simulators import ENGINE, REFERENCE

TRIALS, TRIALS_SLOW = 8, 142
DEPTHS = (1, 2, 8)


@functools.cache
def graph(kernel: str) -> NeutralGraph:
    if kernel.startswith("rowdot"):
        return row_product(int(kernel[-1]))
    index = json.loads(reference_path("sam/index.json").read_text())
    name = next(entry["name"] for entry in index["cases"] if entry["kernel"] == kernel)
    return read_graph(reference_path(f"sam/{name}/graph.json"))


def random_case(kernel: str, seed: int) -> Case:
    inputs = random_inputs(graph(kernel), np.random.default_rng([seed, *kernel.encode()]))
    if kernel in ("mha", "sparse_attention"):
        inputs = {name: tensor / -5.0 for name, tensor in inputs.items()}
    return dense_case(f"{kernel} {seed}", graph(kernel), inputs, MEANING[kernel](inputs))


def check(kernel: str, seeds: Iterable[int]) -> None:
    for seed in seeds:
        case = random_case(kernel, seed)
        unbounded = ENGINE.run(case.program, case.arrays)
        assert not unbounded.deadlock, case.name
        error = case.max_error(unbounded.outputs)
        assert error is not None
        assert error <= 1e-9, case.name
        for depth, memory in product((None, *DEPTHS), (False, True)):
            what = f"{case.name}, depth {depth}, memory {memory}"
            found, expected = (
                simulator.run(case.program, case.arrays, depth=depth, memory=memory)
                for simulator in (ENGINE, REFERENCE)
            )
            assert found.deadlock == expected.deadlock, what
            if found.deadlock:
                continue
            assert found.nodes == expected.nodes, what
            assert found.requested_words == expected.requested_words, what
            for name, values in unbounded.outputs.items():
                np.testing.assert_array_equal(found.outputs[name], values)
                np.testing.assert_allclose(expected.outputs[name], values, rtol=1e-12)


@pytest.mark.parametrize("kernel", MEANING)
def test_values_and_clocks_of_random_programs(kernel: str) -> None:
    check(kernel, range(TRIALS))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", MEANING)
def test_values_and_clocks_of_many_random_programs(kernel: str) -> None:
    check(kernel, range(TRIALS, TRIALS + TRIALS_SLOW))
