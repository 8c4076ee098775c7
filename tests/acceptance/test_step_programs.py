"""
Small programs of the literature as stream graphs, `examples/step`, give the recorded outputs.

The record is of an early functional form of the language; single precision.
"""

from pathlib import Path

import numpy as np
import pytest

from headrace.backends.step_function import StepFunction
from headrace.interpreters.step import interpret
from headrace.tests.modules import parse
from headrace.tests.reference import reference_path

EXAMPLES = Path(__file__).parents[2] / "examples" / "step"

RECORDED = {
    "attention_softmax": "attention__G_0_4_01",
    "attention_online_softmax": "attention__G_0_6_01",
    "batched_matmul_outer_products": "bmm__bmm_0",
    "batched_matmul_replay": "bmm__bmm_1",
    "sum_of_products_of_tiles": "gemm-easy__G_0_6_03",
    "sum_of_products_of_numbers": "gemm-easy__G_0_7_01",
    "mixture_of_depths": "moe__G_0_10",
    "expert_affinity": "moe__G_0_3_03",
    "router_keep": "moe__G_0_3_04",
    "routed_rows": "moe__G_0_5_02",
    "gated_expert": "moe__G_0_7_01",
    "expert_choice": "moe__G_0_7_03",
    "mixture_of_experts_top1": "moe__G_0_9_01",
    "mixture_of_experts_top2": "moe__G_0_9_02",
    "rms_norm": "norm__G_0_8_01",
    "layer_norm": "norm__G_0_9_02",
    "rotary_embedding_halves": "rope__G_0_3_02",
    "rotary_embedding_pairs": "rope__G_0_3_03",
}
"""Examples, with the programs that they do the same as."""


@pytest.mark.parametrize("example", RECORDED)
def test_an_example_gives_the_recorded_outputs(example: str) -> None:
    recorded = np.load(reference_path(f"step/golden/pcl_lite/{RECORDED[example]}.npz"))
    module = parse((EXAMPLES / f"{example}.mlir").read_text(encoding="utf-8"))
    module.verify()
    inputs = [recorded[name] for name in recorded.files if name.startswith("in_")]
    outputs = [recorded[name] for name in recorded.files if name.startswith("out")]
    for result, expected in zip(interpret(module, inputs), outputs, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


ROUTED = (
    "mixture_of_depths",
    "mixture_of_experts_top1",
    "mixture_of_experts_top2",
    "routed_rows",
)
"""Examples whose routing the values of their tiles decide."""


@pytest.mark.parametrize("depth", [1, 2, None])
@pytest.mark.parametrize("example", ROUTED)
def test_an_example_that_routes_itself_runs_in_time(example: str, depth: int | None) -> None:
    """The recorded outputs, bytes that are known, and more cycles the shallower channels are."""
    recorded = np.load(reference_path(f"step/golden/pcl_lite/{RECORDED[example]}.npz"))
    function = StepFunction.of(parse((EXAMPLES / f"{example}.mlir").read_text(encoding="utf-8")))
    inputs = [recorded[name] for name in recorded.files if name.startswith("in_")]
    run, unbounded = function.run(*inputs, depth=depth), function.run(*inputs)
    outputs = [recorded[name] for name in recorded.files if name.startswith("out")]
    for result, expected in zip(run.outputs, outputs, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    assert run.deadlock is None
    assert run.cycles >= unbounded.cycles
    assert run.uses[0].onchip_bytes == unbounded.uses[0].onchip_bytes is not None


def test_every_example_is_tested() -> None:
    # The decode step of attention has a test of its own: test_step_decode.py.
    assert {path.stem for path in EXAMPLES.glob("*.mlir")} == {*RECORDED, "decode_attention"}
