"""Requests in regions: what PyTorch computes, whoever handles a request."""

import numpy as np
import pytest
import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import PassFailedException

import headrace
from headrace.backends.step_function import StepFunction
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.models.decode_attention import decode_attention
from headrace.models.example import Example
from headrace.passes.step.step_parallelize import Mode, StepParallelizePass

MODES: tuple[Mode, ...] = ("interleaved", "coarse", "dynamic")
POSITIONS = 96


def attention(count: int) -> Example:
    lengths = np.random.default_rng(count).integers(0, POSITIONS, count)
    return decode_attention(lengths, positions=POSITIONS, dtype=torch.float64)


def parallelized(example: Example, mode: Mode, regions: int, block: int) -> StepFunction:
    passes = f"step-lower,step-parallelize{{mode={mode} regions={regions} block={block}}}"
    return headrace.compile(*example, target="step", pipeline=passes)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("count", "regions", "block"), [(7, 3, 2), (4, 4, 1), (5, 1, 5), (9, 2, 2)]
)
def test_regions_compute_what_pytorch_computes(
    mode: Mode, count: int, regions: int, block: int
) -> None:
    model, args = example = attention(count)
    result = parallelized(example, mode, regions, block).run(*args, depth=1)
    for ours, theirs in zip(result.outputs, model(*args), strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=1e-12)


def test_blocks_go_to_the_regions_in_turn() -> None:
    function = parallelized(attention(9), "coarse", 2, 2)
    integers = [op for op in function.module.walk() if isinstance(op, step.IntegersOp)]
    found = {str(op.results[0].type) for op in integers}
    assert found == {f"!step.stream<index, [1, {count}]>" for count in (5, 4)}


def test_one_graph_is_not_parallelized_twice() -> None:
    module = parallelized(attention(6), "dynamic", 2, 1).module
    with pytest.raises(PassFailedException, match="has its regions already"):
        StepParallelizePass("dynamic", 2).apply(make_context(), module)


ROWS = "!step.stream<!step.tile<f32, [1, 4]>, [8]>"

SCATTER = f"""
func.func @main(%0: tensor<8x4xf32>, %1: tensor<8xi64>) -> tensor<8x4xf32> {{
  %2 = step.graph(%0, %1) : (tensor<8x4xf32>, tensor<8xi64>) -> tensor<8x4xf32> {{
  ^bb0(%t: tensor<8x4xf32>, %n: tensor<8xi64>):
    %l = step.load %t tile [1, 4] strides [1] shape [8] : tensor<8x4xf32>
    %x = step.flatten %l min 0 max 1 : !step.stream<!step.tile<f32, [1, 4]>, [1, 8]>
    %m = step.integers %n : tensor<8xi64>
    %i = step.flatten %m min 0 max 1 : !step.stream<index, [1, 8]>
    %d, %y = step.random_store %t, %i, %x : tensor<8x4xf32>, !step.stream<index, [8]>, {ROWS}
    step.yield %y : tensor<8x4xf32>
  }}
  return %2 : tensor<8x4xf32>
}}"""
"""Eight rows, each stored at the address that comes with it."""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"%y = step.store %x into tensor<8x4xf32> : {ROWS}", "requests leave their regions"),
        (
            f"%l1, %p = step.reshape %x rank 0 chunk 2 : {ROWS}\n"
            "%y = step.store %l1 into tensor<8x4xf32> : "
            "!step.stream<!step.tile<f32, [1, 4]>, [4, 2]>",
            "packs units of several requests",
        ),
        (
            f"%l1 = step.promote %x : {ROWS}\n"
            "%y = step.store %l1 into tensor<8x4xf32> : "
            "!step.stream<!step.tile<f32, [1, 4]>, [1, 8]>",
            "one list of all requests",
        ),
        (
            f"%l1, %p = step.reshape %x rank 0 chunk 1 outer : {ROWS}\n"
            "%y = step.store %l1 into tensor<8x4xf32> : "
            "!step.stream<!step.tile<f32, [1, 4]>, [1, 8, 1]>",
            "one list of all requests",
        ),
    ],
)
def test_what_ties_requests_together_is_refused(body: str, reason: str) -> None:
    with pytest.raises(PassFailedException, match=reason):
        StepParallelizePass().apply(make_context(), rows(body))


def test_regions_may_not_store_one_tile() -> None:
    """Rows 0 and 2 are of one region, 0 and 3 of two."""
    regions = parsed(SCATTER)
    StepParallelizePass("interleaved", 2).apply(make_context(), regions)
    x = np.arange(32.0).reshape(8, 4)
    within, between = np.arange(8), np.arange(8)
    within[2] = between[3] = 0
    (one,), (other,) = (
        StepFunction.of(module).run(x, within).outputs for module in (parsed(SCATTER), regions)
    )
    np.testing.assert_array_equal(one, other)
    assert one[0].tolist() == x[2].tolist()
    with pytest.raises(headrace.InputError, match=r"regions 0 and 1 both store the tile .* 0, so"):
        StepFunction.of(regions).run(x, between)


@pytest.mark.parametrize("place", [8, 2**40])
def test_an_address_of_no_tile_is_an_error_of_timing_too(place: int) -> None:
    places = np.array([*range(7), place])
    function = StepFunction.of(parsed(SCATTER))
    with pytest.raises(headrace.InputError, match="an address is that of no tile of the tensor"):
        function.run(None, places, timing_only=True)


def test_dynamic_regions_need_a_sign_that_they_are_ready() -> None:
    with pytest.raises(PassFailedException, match="nothing tells when a region is ready"):
        StepParallelizePass("dynamic").apply(make_context(), parsed(SCATTER))


def rows(body: str) -> ModuleOp:
    """A graph that reads the eight rows of a tensor."""
    return parsed(f"""
func.func @main(%0: tensor<8x4xf32>) -> tensor<8x4xf32> {{
  %1 = step.graph(%0) : (tensor<8x4xf32>) -> tensor<8x4xf32> {{
  ^bb0(%t: tensor<8x4xf32>):
    %l = step.load %t tile [1, 4] strides [1] shape [8] : tensor<8x4xf32>
    %x = step.flatten %l min 0 max 1 : !step.stream<!step.tile<f32, [1, 4]>, [1, 8]>
    {body}
    step.yield %y : tensor<8x4xf32>
  }}
  return %1 : tensor<8x4xf32>
}}""")


def parsed(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


def test_more_regions_than_requests_are_refused() -> None:
    with pytest.raises(headrace.InputError, match="2 requests for 3 regions"):
        parallelized(attention(2), "interleaved", 3, 1)
