"""
Decode attention from PyTorch in four regions: cycles as published for graphs written by hand.

Acceptance C4 and P5 of the specification: Figures 14 and 21.
"""

from pathlib import Path

import numpy as np
import pytest

import headrace
from headrace.backends.netlist import read_netlist
from headrace.models.decode_attention import decode_attention
from headrace.tests.reference import reference_path

MODES = {"co": "coarse", "il": "interleaved", "dyn": "dynamic"}
WINDOWS = sorted(reference_path("step/golden/netlists").glob("attn_*.json.gz"))
EVERY_DAY = ("b16_stdev0479_2477", "b16_stdev1456_2805", "b64_stdev0996_4007", "b64_stdev1374_3239")
"""Both batches, small and large deviations, and the two windows where `dynamic` does not win."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.name.removesuffix(".json.gz"),
            marks=[] if any(name in path.name for name in EVERY_DAY) else pytest.mark.slow,
        )
        for path in WINDOWS
    ],
)
def test_regions_of_attention_have_the_published_cycles(path: Path) -> None:
    meta = read_netlist(path).meta
    lengths = np.load(reference_path(f"step/{meta['trace']}"))
    model, args = decode_attention(lengths, positions=meta["max_N"])
    mode = MODES[path.name.split("_")[-1].split(".")[0]]
    passes = f"step-lower{{compute=2048 softmax=plain}},step-parallelize{{mode={mode}}}"
    function = headrace.compile(model, args, target="step", pipeline=passes)
    result = function.run(*args, depth=1, accounting="reference", timing_only=True)
    assert result.deadlock is None
    assert result.cycles == pytest.approx(meta["published_cycles"], rel=0.002)
