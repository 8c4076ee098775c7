"""Requests in regions: the same values as without, whoever handles a request."""

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import PassFailedException

from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.interpreters.step import interpret
from headrace.passes.step.step_parallelize import Mode, StepParallelizePass
from headrace.tests.step_attention import HEAD, QUERIES, ROWS, attention_module

MODES: tuple[Mode, ...] = ("interleaved", "coarse", "dynamic")
ROW_TILES = 4


def parsed(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


def parallelized(text: str, mode: Mode, regions: int, block: int) -> ModuleOp:
    module = parsed(text)
    StepParallelizePass(mode, regions, block).apply(make_context(), module)
    module.verify()
    return module


def arguments(lengths: list[int]) -> list[NDArray[np.float64] | NDArray[np.int64]]:
    """A batch in which request b has so many keys before the new one."""
    draw = np.random.default_rng(0)
    count = len(lengths)
    tiles = [length // ROWS + 1 for length in lengths]
    return [
        draw.standard_normal((count * QUERIES, HEAD)) / 8,
        draw.standard_normal((count, HEAD)),
        draw.standard_normal((count, HEAD)),
        draw.standard_normal((count * ROW_TILES * ROWS, HEAD)),
        draw.standard_normal((count * ROW_TILES * ROWS, HEAD)),
        np.arange(count),
        np.array(tiles),
        np.array([length % ROWS for length in lengths]),
        np.zeros((count * QUERIES, HEAD)),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("count", "regions", "block"), [(7, 3, 2), (4, 4, 1), (5, 1, 5), (9, 2, 2)]
)
def test_regions_give_the_same_values(mode: Mode, count: int, regions: int, block: int) -> None:
    text = attention_module(count, ROW_TILES)
    lengths = np.random.default_rng(count).integers(0, ROW_TILES * ROWS, count).tolist()
    expected = interpret(parsed(text), arguments(lengths))
    found = interpret(parallelized(text, mode, regions, block), arguments(lengths))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_blocks_go_to_the_regions_in_turn() -> None:
    module = parallelized(attention_module(9, ROW_TILES), "coarse", 2, 2)
    loads = [op for op in module.walk() if isinstance(op, step.LoadOp)]
    assert [op.integers("shape")[0] for op in loads] == [5, 5, 5, 4, 4, 4]


def test_one_graph_is_not_parallelized_twice() -> None:
    module = parallelized(attention_module(6, ROW_TILES), "dynamic", 2, 1)
    with pytest.raises(PassFailedException, match="has its regions already"):
        StepParallelizePass("dynamic", 2).apply(make_context(), module)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (
            "%y = step.store %x into tensor<8x4xf32> : !step.stream<!step.tile<f32, [1, 4]>, [8]>",
            "requests leave their regions",
        ),
    ],
)
def test_refusals(graph: str, reason: str) -> None:
    text = f"""
func.func @main(%0: tensor<8x4xf32>) -> tensor<8x4xf32> {{
  %1 = step.graph(%0) : (tensor<8x4xf32>) -> tensor<8x4xf32> {{
  ^bb0(%t: tensor<8x4xf32>):
    %l = step.load %t tile [1, 4] strides [1] shape [8] : tensor<8x4xf32>
    %x = step.flatten %l min 0 max 1 : !step.stream<!step.tile<f32, [1, 4]>, [1, 8]>
    {graph}
    step.yield %y : tensor<8x4xf32>
  }}
  return %1 : tensor<8x4xf32>
}}"""
    with pytest.raises(PassFailedException, match=reason):
        StepParallelizePass().apply(make_context(), parsed(text))


def test_more_regions_than_requests_are_refused() -> None:
    with pytest.raises(PassFailedException, match="2 requests for 3 regions"):
        parallelized(attention_module(2, ROW_TILES), "interleaved", 3, 1)
