"""
All recorded netlists through the dialect: modules that print and read back, in the recorded shapes.

Their cycles are in `test_step_netlists.py`.
"""

import pytest

from headrace.tests.netlists import imported, netlist_names, read_back, shapes_differ


@pytest.mark.parametrize("name", netlist_names())
def test_netlists_are_modules_in_the_recorded_shapes(name: str) -> None:
    module = imported(name).module
    module.verify()
    assert read_back(str(module)) == str(module)
    assert not shapes_differ(name)
