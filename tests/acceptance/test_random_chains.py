"""Random chains of matrix products have one value in every bracketing, fused or not."""

from random import Random

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.func import FuncOp

from headrace.frontends.einsum import import_einsum
from headrace.passes.sam.product_chains import chains
from headrace.passes.sam.sam_associate import SamAssociatePass
from headrace.tests.fusion import lowered, run

INDICES, NAMES = "ijklmno", "ABCDEF"


def bracketed(draw: Random, parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    split = draw.randrange(1, len(parts))
    halves = [bracketed(draw, parts[:split]), bracketed(draw, parts[split:])]
    return f"({' * '.join(halves)})"


def random_chain(
    draw: Random,
) -> tuple[str, dict[str, tuple[str, tuple[int, ...]]], dict[str, np.ndarray]]:
    """A product in index notation, and for each factor its format, shape and values."""
    count = draw.randint(3, 6)
    sizes = {index: draw.randint(3, 9) for index in INDICES}
    rng = np.random.default_rng(draw.randrange(1 << 32))
    factors: list[str] = []
    formats: dict[str, tuple[str, tuple[int, ...]]] = {}
    inputs: dict[str, np.ndarray] = {}
    for name, first, second in zip(NAMES[:count], INDICES, INDICES[1:], strict=False):
        indices = (first, second) if draw.random() < 0.7 else (second, first)
        shape = tuple(sizes[index] for index in indices)
        factors.append(f"{name}({indices[0]},{indices[1]})")
        formats[name] = (draw.choice(["dd", "ds", "ss", "ds10", "dd"]), shape)
        inputs[name] = rng.standard_normal(shape) * (rng.random(shape) < 0.5)
    ends = [INDICES[0], INDICES[count]]
    draw.shuffle(ends)
    return f"Y({ends[0]},{ends[1]}) = {bracketed(draw, factors)}", formats, inputs


@pytest.mark.parametrize("seed", range(20))
def test_random_chains_are_right_in_every_bracketing(seed: int) -> None:
    draw = Random(seed)
    text, formats, inputs = random_chain(draw)
    module = import_einsum(text, formats)
    letters = [use.partition(")")[0].replace(",", "") for use in text.split("(") if ")" in use]
    expected = np.einsum(f"{','.join(letters[1:])}->{letters[0]}", *inputs.values(), optimize=True)
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    (chain,) = chains(function)
    assert len(chain.factors) == len(inputs)
    forms = draw.sample(range(chain.bracketings), min(4, chain.bracketings))
    for form in forms:
        changed = module.clone()
        SamAssociatePass((form,)).apply(Context(), changed)
        for regions in ("none", "all"):
            found, _ = run(lowered(changed, regions=regions), inputs)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=text)
