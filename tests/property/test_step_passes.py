"""Passes on experts do not change what a layer computes, whatever the routing and the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from headrace.backends.step_function import StepFunction
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.interpreters.step import interpret
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.step_moe import ExpertLayer, Routing

TILINGS = (
    "",
    "step-tile{rows=3}",
    "step-tile{rows=1 columns=2}",
    "step-dynamic-tile",
    "step-dynamic-tile{round=3}",
    "step-dynamic-tile{maximum=2}",
    "step-dynamic-tile{maximum=3},step-tile{rows=2}",
    "step-dynamic-tile,step-tile{rows=5}",
)


@st.composite
def layers(draw: st.DrawFn) -> tuple[ExpertLayer, Routing]:
    """A small layer, and a routing with experts that get no row, and rows without an expert."""
    rows = draw(st.integers(1, 8))
    experts = draw(st.sampled_from([2, 4]))
    chosen = draw(st.sampled_from([None, 1, 2]))
    layer = ExpertLayer(
        rows=rows,
        experts=experts,
        width=draw(st.sampled_from([1, 3, 4])),
        hidden=4 * draw(st.integers(1, 2)),
        tile_rows=draw(st.integers(1, 4)),
        tile_hidden=draw(st.sampled_from([1, 2, 4])),
        chosen=chosen,
    )
    count = st.integers(0, experts) if chosen is None else st.just(chosen)
    return layer, [
        draw(st.permutations(range(experts)).map(list))[: draw(count)] for _ in range(rows)
    ]


def rewritten(layer: ExpertLayer, spec: str) -> ModuleOp:
    module = layer.module()
    if spec:
        parse_passes(spec, get_all_passes()).apply(make_context(), module)
    module.verify()
    return module


@pytest.mark.parametrize("multiplexing", ["", "step-time-multiplex{regions=1}"])
@pytest.mark.parametrize("tiling", TILINGS)
@settings(max_examples=8, deadline=None)
@given(drawn=layers(), seed=st.integers(0, 99))
def test_passes_keep_values(
    tiling: str, multiplexing: str, drawn: tuple[ExpertLayer, Routing], seed: int
) -> None:
    layer, routing = drawn
    arguments = layer.arguments(np.random.default_rng(seed), routing)
    module = rewritten(layer, ",".join(filter(None, (tiling, multiplexing))))
    (result,) = interpret(module, arguments)
    np.testing.assert_allclose(result, layer.expected(arguments), rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(drawn=layers(), seed=st.integers(0, 99), dynamic=st.booleans())
def test_shared_bodies_give_the_same_in_every_order_of_arrival(
    drawn: tuple[ExpertLayer, Routing], seed: int, dynamic: bool
) -> None:
    layer, routing = drawn
    rng = np.random.default_rng(seed)
    arguments = layer.arguments(rng, routing)
    spec = f"{'step-dynamic-tile,' if dynamic else ''}step-time-multiplex{{regions=2}}"
    if layer.experts == 2:
        spec = spec.replace("regions=2", "regions=1")
    module = rewritten(layer, spec)
    (graph,) = (op for op in module.walk() if isinstance(op, step.GraphOp))
    rows = np.asarray(arguments[1]).sum(axis=0)
    tiles = [min(count, 1) if dynamic else -(-count // layer.tile_rows) for count in rows.tolist()]
    merges = [n for n, op in enumerate(graph.body.block.ops) if isinstance(op, step.EagerMergeOp)]
    record = {
        place: rng.permutation([0] * tiles[2 * region] + [1] * tiles[2 * region + 1]).tolist()
        for region, place in enumerate(merges)
    }
    (result,) = interpret(module, arguments, [record])
    np.testing.assert_allclose(result, layer.expected(arguments), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tiling", TILINGS)
@settings(max_examples=8, deadline=None)
@given(drawn=layers(), seed=st.integers(0, 99))
def test_simulated_orders_of_arrival_give_the_same(
    tiling: str, drawn: tuple[ExpertLayer, Routing], seed: int
) -> None:
    layer, routing = drawn
    arguments = layer.arguments(np.random.default_rng(seed), routing)
    module = rewritten(layer, ",".join(filter(None, (tiling, "step-time-multiplex{regions=1}"))))
    run = StepFunction.of(module).run(*arguments)
    assert run.deadlock is None
    np.testing.assert_allclose(run.outputs[0], layer.expected(arguments), rtol=1e-12, atol=1e-12)
