"""`sam-block`: operands get blocks that were asked for, or the request is refused."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from headrace.backends.steps import ConvertStep
from headrace.cli.driver import lower
from headrace.frontends.einsum import import_einsum
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level

Array = npt.NDArray[np.float64]

ROWS, COLUMNS = (Level.DENSE, Level.COMPRESSED), (Level.COMPRESSED, Level.DENSE)
BOTH = (Level.COMPRESSED, Level.COMPRESSED)


def blocks(rows: int, columns: int, levels: tuple[Level, ...] = ROWS) -> Format:
    return Format(levels, (0, 1), (rows, columns))


def sparse(seed: int, *shape: int) -> Array:
    rng = np.random.default_rng(seed)
    return rng.random(shape) * (rng.random(shape) < 0.5)


@pytest.mark.parametrize(
    ("text", "axes", "reason"),
    [
        ("Y(i,j,k) = relu(T(i,j,k))", "0,1,2", "a tensor with blocks on 3 axes"),
        ("Y(i,j) = sum(k, exp(A(i,k) + B(j,k)))", "0,1,2", "a tensor with blocks on 3 axes"),
    ],
)
def test_blocks_that_were_asked_for_are_refused_with_the_reason(text: str, axes: str, reason: str):
    spec = f"sam-fuse{{regions=all}},sam-block{{axes={axes} sizes=2,2,2}},sam-lower"
    with pytest.raises(InputError, match=f"blocks were asked for, but {reason} does not work"):
        lower(import_einsum(text, {}), spec)


@pytest.mark.parametrize("priority", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("levels", [ROWS, COLUMNS, BOTH])
def test_tiles_in_every_order_of_axes(priority: tuple[int, ...], levels: tuple[Level, ...]):
    """Operands that are stored in another order get copies, whose tiles are not turned."""
    order = ",".join(map(str, priority))
    a, x = sparse(0, 7, 9), sparse(1, 9, 5)
    module = import_einsum("Y(i,k) = A(i,j) * X(j,k)", {"A": blocks(3, 2, levels), "X": "ss10"})
    program = lower(
        module,
        f"sam-fuse{{regions=all}},sam-order{{priority={order} copies=any}},"
        "sam-block{axes=2 sizes=4},sam-lower",
    )
    np.testing.assert_allclose(program.run(a, x).outputs[0], a @ x, atol=1e-12)
    assert program.notes == ()


def test_blocks_that_were_asked_for_come_before_those_that_are_stored():
    a, x = sparse(0, 8, 8), sparse(1, 8, 8)
    module = import_einsum("Y(i,k) = A(i,j) * X(j,k)", {"A": blocks(2, 2)})
    program = lower(module, "sam-fuse{regions=all},sam-block{axes=0,1 sizes=4,8},sam-lower")
    result = program.run(a, x)
    np.testing.assert_allclose(result.outputs[0], a @ x, atol=1e-12)
    (copy,) = [s for s in program.steps if isinstance(s, ConvertStep) and s.source == "A"]
    assert copy.format.block == (4, 8)
