"""
All recorded netlists through the dialect: modules that print and read back, in the recorded shapes.

Their cycles are in `test_step_netlists.py`.
"""

import re

import pytest

from headrace.tests.netlists import imported, netlist_names, read_back, shapes_differ

LARGE = re.compile("fig9_qwen_b64_tile(8|16|32)|fig12_static_regions(32|64|128)")
"""Graphs of thousands of nodes like those of other cases."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if LARGE.fullmatch(name) else name
        for name in netlist_names()
    ],
)
def test_netlists_are_modules_in_the_recorded_shapes(name: str) -> None:
    module = imported(name).module
    module.verify()
    assert read_back(str(module)) == str(module)
    assert not shapes_differ(name)
