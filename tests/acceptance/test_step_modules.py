"""
All recorded netlists through the dialect: modules that print and read back, in the recorded shapes.

Cycles are those of the independent model, exactly.
"""

import pytest

from headrace.backends.step import lower
from headrace.backends.step_netlist import machine_of
from headrace.tests.netlists import imported, netlist_names, read_back, recorded, shapes_differ

GRAPHS = [name for name in netlist_names() if not name.startswith("m")]


@pytest.mark.parametrize("name", netlist_names())
def test_netlists_are_modules_in_the_recorded_shapes(name: str) -> None:
    module = imported(name).module
    module.verify()
    assert read_back(str(module)) == str(module)
    assert not shapes_differ(name)


@pytest.mark.parametrize("name", GRAPHS)
def test_modules_take_the_recorded_cycles(name: str) -> None:
    netlist, found = recorded(name), imported(name)
    result = lower(found.graph, netlist.element_bytes).run(
        found.arguments, depth=netlist.channel_depth, machine=machine_of(netlist)
    )
    assert result.deadlock is None
    assert result.cycles == netlist.meta["model_cycles"]
