"""Bytes and operations of a PyTorch model on stream graphs, in what a run says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import headrace
from headrace.models import moe
from headrace.models.example import Example
from headrace.simulators.stream.machine import StepMachine

SIZES = moe.Sizes(experts=4, chosen=2, width=64, hidden=128)
ROUTING = np.array([[0, 1], [0, 2], [1, 0], [0, 1], [0, 2]])
"""Expert 0 gets five rows, 1 three, 2 two, and 3 none."""


def layer() -> Example:
    return moe.layer(SIZES, form="batched", routing=ROUTING, values=False)


def compiled(passes: str) -> headrace.StepFunction:
    return headrace.compile(*layer(), target="step", pipeline=passes)


def test_traffic_is_the_closed_form() -> None:
    """Section 2.3 of the specification: rows, weights of the routing, result, tiles of experts."""
    _, args = layer()
    rows, width, hidden = len(ROUTING), SIZES.width, SIZES.hidden
    found = used(compiled("step-lower{rows=2}"), args, accounting="reference")
    tiles = 3 + 2 + 1
    loads = 2 * rows * width + 2 * rows * SIZES.chosen + 6 * width * hidden * tiles
    assert found["traffic"] == loads + 4 * rows * width
    assert found["deadlock"] is None
    columns = 64
    expert = 12 * 2 * width + 6 * width * columns
    rest = 10 * width + 2
    assert found["onchip_bytes"] == 4 * expert + rest
    assert found["onchip_bytes_active"] == 3 * expert + rest


def test_dynamic_tiles_read_the_weights_of_an_expert_once() -> None:
    _, args = layer()
    static, dynamic = (
        used(compiled(passes), args)
        for passes in ("step-lower{rows=2}", "step-lower{rows=2},step-dynamic-tile")
    )
    assert static["traffic"] - dynamic["traffic"] == 3 * 3 * 4 * SIZES.width * SIZES.hidden
    assert dynamic["requests"] < static["requests"]
    # Three experts get 5, 3 and 2 rows, of which tiles of two rows pad two.
    assert dynamic["flops"] / static["flops"] == pytest.approx(10 / 12, rel=0.01)
    assert dynamic["reference_flops"] > dynamic["flops"]


def test_numbers_of_two_bytes_take_less_time() -> None:
    function = compiled("step-lower{rows=2}")
    _, args = layer()
    halves = used(function, args, accounting="reference")["requests"]
    assert halves < used(function, args)["requests"]


def used(
    function: headrace.StepFunction, args: Sequence[object], accounting: str = "consistent"
) -> dict[str, Any]:
    run = function.run(*args, depth=2, accounting=accounting, timing_only=True)
    (use,) = run.uses
    return {**use.summary(), "deadlock": run.deadlock}


def test_a_graph_must_fit_the_capacity_of_the_machine() -> None:
    function = compiled("step-lower{rows=2}")
    _, args = layer()
    needed = used(function, args)["onchip_bytes"]
    enough = StepMachine(capacity=needed)
    assert function.run(*args, depth=2, machine=enough, timing_only=True).deadlock is None
    with pytest.raises(headrace.InputError, match="the largest holders are"):
        function.run(*args, depth=2, machine=StepMachine(capacity=needed - 1), timing_only=True)


def test_a_capacity_is_refused_where_arrivals_decide_what_is_held() -> None:
    function = compiled("step-lower{rows=2},step-dynamic-tile,step-time-multiplex{regions=2}")
    _, args = layer()
    with pytest.raises(headrace.InputError, match="depends on the order of arrivals"):
        function.run(*args, machine=StepMachine(capacity=10**6), timing_only=True)
