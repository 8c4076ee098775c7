"""
Random pipelines of passes on random layers and attention: whatever is accepted keeps the values.

After every pass the module is legal, comes back from its text, and computes the same: interpreted,
and in the order of arrival that a simulation of random depth records. A deadlock is a result of
shallow channels, never of unbounded ones.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.transforms import get_all_passes as get_all_xdsl_passes
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.step_function import StepFunction
from headrace.cli.driver import lower_step, make_context
from headrace.frontends.torch_export import import_model
from headrace.interpreters.step import interpret
from headrace.models.decode_attention import decode_attention
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.step_moe import ExpertLayer

Array = npt.NDArray[Any]
CASES, CASES_SLOW = 10, 300
PASSES = {
    "step-tile": 3,
    "step-dynamic-tile": 3,
    "step-parallelize": 3,
    "step-time-multiplex": 3,
    "step-simplify": 1,
    "step-size-fifos": 2,
    "canonicalize": 1,
    "cse": 1,
}
"""How often each is tried."""


def specification(random: Random, name: str) -> str:
    """A pass with random options, which need not be possible."""
    number = random.randint(1, 4)
    match name:
        case "step-tile":
            options = random.choice((f"rows={number}", f"columns={number}", f"rows={number}"))
        case "step-dynamic-tile":
            options = random.choice(("", f"round={number}", f"maximum={number}", "compute=64"))
        case "step-parallelize":
            mode = random.choice(("interleaved", "coarse", "dynamic"))
            options = f"mode={mode} regions={number} block={random.randint(1, 2)}"
        case "step-time-multiplex":
            options = f"regions={number}"
        case "step-size-fifos":
            options = f"depths={number},{random.randint(1, 9)} channels=0,{random.randint(1, 40)}"
        case _:
            options = ""
    return f"{name}{{{options}}}" if options else name


def expert_layer(random: Random) -> tuple[ModuleOp, Sequence[Array], Sequence[Array]]:
    """A layer with random sizes and routing, its arguments, and what it computes."""
    chosen = random.choice((None, 1, 2))
    experts = random.choice((2, 4)) if chosen != 1 else random.choice((1, 2, 4))
    layer = ExpertLayer(
        rows=random.randint(1, 8),
        experts=experts,
        width=random.choice((1, 3, 4)),
        hidden=4 * random.randint(1, 2),
        tile_rows=random.randint(1, 4),
        tile_hidden=random.choice((1, 2)),
        chosen=chosen,
    )
    routing = [
        random.sample(range(experts), random.randint(0, experts) if chosen is None else chosen)
        for _ in range(layer.rows)
    ]
    arguments = layer.arguments(np.random.default_rng(random.randrange(2**32)), routing)
    return layer.module(), arguments, [layer.expected(arguments)]


def attention(random: Random) -> tuple[ModuleOp, Sequence[Array], Sequence[Array]]:
    """Attention over caches from PyTorch with random lengths, lowered with random tiles."""
    positions = random.choice((4, 8, 12))
    lengths = [random.randrange(positions) for _ in range(random.randint(1, 6))]
    model, args = decode_attention(
        lengths, positions=positions, dtype=torch.float64, seed=random.randrange(2**16)
    )
    imported = import_model(model, args)
    softmax = random.choice(("online", "plain"))
    lower_step(imported.module, f"step-lower{{rows={random.choice((0, 2, 4))} softmax={softmax}}}")
    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    return imported.module, arguments, [one.detach().numpy() for one in model(*args)]


def expect_equal(found: Sequence[Any], expected: Sequence[Array]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def expect_values(
    module: ModuleOp, arguments: Sequence[Array], expected: Sequence[Array], depth: int | None
) -> None:
    module.verify()
    assert str(Parser(make_context(), str(module)).parse_module()) == str(module)
    expect_equal(interpret(module, arguments), expected)
    function = StepFunction.of(module)
    result = function.run(*arguments, depth=depth)
    if result.deadlock is not None and depth is not None:
        result = function.run(*arguments)
    own_depths = "step.depths" in str(module)
    assert result.deadlock is None or own_depths
    if result.deadlock is None:
        expect_equal(result.outputs, expected)


def check(seed: int) -> Counter[str]:
    """The passes that were accepted; refused ones leave the module to the next."""
    random = Random(seed)
    make = attention if seed % 3 == 2 else expert_layer
    module, arguments, expected = make(random)
    expect_values(module, arguments, expected, random.choice((None, 1, 2, 8)))
    accepted: Counter[str] = Counter()
    refusals: list[str] = []
    for name in random.choices(list(PASSES), list(PASSES.values()), k=5):
        changed = module.clone()
        try:
            passes = parse_passes(
                specification(random, name), get_all_xdsl_passes() | get_all_passes()
            )
            passes.apply(make_context(), changed)
        except PassFailedException as error:
            refusals.append(str(error))
            continue
        module = changed
        accepted[name] += 1
        expect_values(module, arguments, expected, random.choice((None, 1, 2, 8)))
    assert all(any(name in refusal for name in PASSES) for refusal in refusals)
    return accepted


@pytest.mark.parametrize("seed", range(CASES))
def test_accepted_passes_keep_values(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_accepted_passes_keep_values_at_length() -> None:
    accepted: Counter[str] = Counter()
    for seed in range(CASES, CASES + CASES_SLOW):
        accepted += check(seed)
    assert all(accepted[name] > CASES_SLOW / 30 for name in PASSES if name.startswith("step-"))
