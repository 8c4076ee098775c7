"""Operands stored in blocks: the values are those of dense arithmetic, however they are read."""

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.parser import Parser

import headrace
from headrace.cli.driver import lower, make_context
from headrace.storage.levels import Format, Level

Array = npt.NDArray[np.float64]

ROWS, COLUMNS = (Level.DENSE, Level.COMPRESSED), (Level.COMPRESSED, Level.DENSE)
BOTH = (Level.COMPRESSED, Level.COMPRESSED)


def blocks(rows: int, columns: int, levels: tuple[Level, ...] = ROWS) -> Format:
    return Format(levels, (0, 1), (rows, columns))


def sparse(seed: int, *shape: int) -> Array:
    """Half of the elements are zero, and so are rows 2 and 3 of a matrix."""
    rng = np.random.default_rng(seed)
    value = rng.random(shape) * (rng.random(shape) < 0.5)
    if len(shape) > 1:
        value[2:4] = 0
    return value


@pytest.mark.parametrize("levels", [ROWS, COLUMNS, BOTH])
@pytest.mark.parametrize("block", [(2, 3), (4, 1)])
def test_sizes_that_the_program_does_not_know_are_counted_in_blocks(
    levels: tuple[Level, ...], block: tuple[int, int]
):
    """The sizes are first met on X, which has no blocks of its own."""
    program = headrace.einsum("Y(i,k) = X(i,j) * A(j,k)", A=blocks(*block, levels))
    for shape in ((5, 7), (8, 2)):
        a, x = sparse(0, *shape), sparse(1, 6, shape[0])
        np.testing.assert_allclose(program.run(x, a).outputs[0], x @ a, atol=1e-12)


SYMMETRIC = """
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (
    i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>

func.func @main(%A: tensor<6x6xf64, #BSR> {headrace.symmetric}, %X: tensor<6x3xf64>)
    -> tensor<6x3xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<6x3xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<6x3xf64>) -> tensor<6x3xf64>
  %Y = linalg.matmul ins(%A, %X : tensor<6x6xf64, #BSR>, tensor<6x3xf64>)
      outs(%f : tensor<6x3xf64>) -> tensor<6x3xf64>
  func.return %Y : tensor<6x3xf64>
}
"""


def test_a_tile_of_a_symmetric_matrix_is_not_its_own_transpose():
    module = Parser(make_context(), SYMMETRIC).parse_module()
    order = "sam-fuse{regions=all},sam-order{priority=1,0,2 copies=any},sam-lower"
    half, x = sparse(0, 6, 6), sparse(1, 6, 3)
    a = half + half.T
    np.testing.assert_allclose(lower(module, order).run(a, x).outputs[0], a @ x, atol=1e-12)
