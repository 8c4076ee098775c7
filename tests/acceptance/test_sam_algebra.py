"""
Every operator maps the streams of nested lists to the streams of the expected nested lists.

Random lists up to three deep, a third of them empty: the algebra of stops and their marks is
closed.
"""

from collections.abc import Iterable
from random import Random

import pytest

from headrace.tests.operators import RULES, Rule
from headrace.tests.simulators import SIMULATORS, Simulator, run_streams, tokens

TRIALS, TRIALS_SLOW = 40, 2_000


def check(simulator: Simulator, rule: Rule, seeds: Iterable[int]) -> None:
    for seed in seeds:
        trial = rule(Random(f"{rule.__name__} {seed}"))
        streams, _ = run_streams(simulator, trial.inputs, trial.build, trial.expected, trial.arrays)
        expected = [tokens(text) for text in trial.expected]
        assert streams == expected, f"seed {seed}: {trial.inputs}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_operator_maps_nested_lists(simulator: Simulator, rule: Rule) -> None:
    check(simulator, rule, range(TRIALS))


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_operator_maps_nested_lists_at_length(simulator: Simulator, rule: Rule) -> None:
    check(simulator, rule, range(TRIALS, TRIALS + TRIALS_SLOW))
