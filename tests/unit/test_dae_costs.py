"""What a core does for a case, priced: calibrated to the published times of Ember (CGO 2026)."""

import pytest

from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.machine import CoreCosts
from headrace.tests.dae_traces import lookup_work

PUBLISHED = {
    32: (229, 54, 39, 34.5),
    64: (432, 82, 49, 35.7),
    128: (831, 137, 62, 39.6),
}
"""Core cycles per lookup of rows of so many elements at levels 0 to 3 (section 7.3)."""

FIT = ((27.6, 6.31), (29.5, 6.9), (32.6, 1.8), (32.7, 0.41))
"""Fixed cycles of a lookup, and cycles per element or vector, at levels 0 to 3 (section 7.4)."""


@pytest.mark.parametrize("elements", PUBLISHED)
@pytest.mark.parametrize("level", range(4))
def test_the_core_times_of_a_lookup(level: int, elements: int) -> None:
    cycles = lookup_work(level, elements, 8).cycles(CoreCosts())
    assert cycles == pytest.approx(PUBLISHED[elements][level], rel=0.05)


@pytest.mark.parametrize("level", range(4))
def test_the_fit_of_a_lookup(level: int) -> None:
    """The slope is that of the fit; the loop exit is one number for all levels."""
    fixed, slope = FIT[level]
    once, twice = (
        lookup_work(level, elements, 1 if level == 0 else 8).cycles(CoreCosts())
        for elements in ((1, 2) if level == 0 else (8, 16))
    )
    assert twice - once == pytest.approx(slope, abs=0.005)
    assert 2 * once - twice == pytest.approx(fixed, rel=0.05)


def test_work_is_linear() -> None:
    vector = CaseWork(vector_pops=1, vector_operations=3)
    row = CaseWork(dispatches=1, exits=1) + vector * 4
    assert row == CaseWork(dispatches=1, exits=1, vector_pops=4, vector_operations=12)
    assert row.cycles(CoreCosts()) == pytest.approx(4 + 28.3 + 16 * 0.1025)


def test_a_core_alone_loads_what_it_would_pop() -> None:
    work = CaseWork(dispatches=1, scalar_pops=2, vector_pops=3, misaligned_pops=3, exits=1)
    assert work.alone() == CaseWork(scalar_operations=2, vector_operations=3)
