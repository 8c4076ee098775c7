"""
Decode attention in four regions, which step-parallelize makes of one: cycles as published.

Acceptance C4 and P5 of the specification: Figures 14 and 21.
"""

from pathlib import Path

import numpy as np
import pytest
from xdsl.parser import Parser

from headrace.backends.netlist import read_netlist
from headrace.backends.step_function import StepFunction
from headrace.cli.driver import make_context
from headrace.passes.step.step_parallelize import Mode, StepParallelizePass
from headrace.tests.reference import REFERENCE_DATA
from headrace.tests.step_attention import ROWS, attention_module

MODES: dict[str, Mode] = {"co": "coarse", "il": "interleaved", "dyn": "dynamic"}
WINDOWS = sorted((REFERENCE_DATA / "step" / "golden" / "netlists").glob("attn_*.json.gz"))


@pytest.mark.skipif(not WINDOWS, reason="the recorded graphs are not there")
@pytest.mark.parametrize("path", WINDOWS, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_cycles_of_regions_are_the_published_ones(path: Path) -> None:
    meta = read_netlist(path).meta
    lengths = np.load(REFERENCE_DATA / "step" / meta["trace"])
    module = Parser(
        make_context(), attention_module(len(lengths), meta["max_N"] // ROWS)
    ).parse_module()
    StepParallelizePass(MODES[path.name.split("_")[-1].split(".")[0]]).apply(make_context(), module)
    module.verify()
    requests = (np.arange(len(lengths)), lengths // ROWS + 1, lengths % ROWS)
    function = StepFunction.of(module, element_bytes=2)
    result = function.run(*[None] * 5, *requests, None, depth=1, timing_only=True)
    assert result.deadlock is None
    assert result.cycles == pytest.approx(meta["published_cycles"], rel=0.002)
