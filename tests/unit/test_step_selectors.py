"""Selectors made of the values of tiles: found before time, where time cannot matter."""

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from headrace.analyses.step_symbols import known_symbols
from headrace.backends.step import graphs_of, lower
from headrace.backends.step_function import StepFunction
from headrace.storage.errors import InputError
from headrace.tests.modules import parse

TILE = "!step.tile<f32, [1, 2]>"
ROWS = f"!step.stream<{TILE}, [1, 4]>"
EITHER = "!step.stream<!step.selector<2, hot 1>, [1, 4]>"
ANY = "!step.stream<!step.selector<2>, [1, 4]>"
PARTS = f"!step.stream<{TILE}, [a]>, !step.stream<{TILE}, [b]>"

ROUTES = f"""
    %y, %z = step.partition %x, %h rank 0 dims [y, z] : {ROWS}, {ANY}
    %w = step.load %w1, %z tile [2, 2] strides [0] shape [1]
      : tensor<2x2xf32>, !step.stream<{TILE}, [z]>
    step.sink %w : !step.stream<!step.tile<f32, [2, 2]>, [z, 1]>
    step.sink %y : !step.stream<{TILE}, [y]>
"""
"""A weight is read for each row of %x that goes the second way."""


def function(made: str, fn: str = f"to_selector : {ROWS}", used: str = ROUTES) -> ModuleOp:
    """Rows %x go where %s says, which `made` makes of the rows %p."""
    return parse(f"""
func.func @main(%x0: tensor<4x2xf32>, %p0: tensor<4x2xf32>, %c0: tensor<4x2xi1>,
                %a0: tensor<4xi64>, %w0: tensor<2x2xf32>) {{
  step.graph(%x0, %p0, %c0, %a0, %w0)
      : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xi1>, tensor<4xi64>, tensor<2x2xf32>) -> () {{
  ^bb0(%x1: tensor<4x2xf32>, %p1: tensor<4x2xf32>, %c1: tensor<4x2xi1>, %a1: tensor<4xi64>,
       %w1: tensor<2x2xf32>):
    %x = step.load %x1 tile [1, 2] strides [1] shape [4] : tensor<4x2xf32>
    %p = step.load %p1 tile [1, 2] strides [1] shape [4] : tensor<4x2xf32>
    {made}
    %h = step.map %s fn {fn}
    {used}
    step.yield
  }}
  func.return
}}
""")


X = np.arange(8.0).reshape(4, 2)
CHOICES = np.eye(2, dtype=bool)[[0, 1, 1, 0]]
ADDRESSES = np.arange(4)

PLAIN = f"%s = step.map %p fn relu : {ROWS}"

EACH_ONE_WAY = f"""
    %e = step.select %c1 hot 1 : tensor<4x2xi1>
    %c, %d = step.broadcast %e consumers 2 : {EITHER}
    %i, %j = step.partition %p, %c rank 0 dims [a, b] : {ROWS}, {EITHER}
"""

IN_ORDER = f"""{EACH_ONE_WAY}
    %l = step.reassemble %d, %i, %j rank 0 : {EITHER}, {PARTS}
    %s = step.flatten %l min 0 max 1 : !step.stream<{TILE}, [1, 4, 1]>
"""

AS_THEY_COME = f"""{EACH_ONE_WAY}
    step.sink %d : {EITHER}
    %s, %o = step.eager_merge %i, %j rank 0 : {PARTS}
    step.sink %o : !step.stream<!step.selector<2, hot 1>, [a + b]>
"""
COME = (
    f"to_selector : !step.stream<{TILE}, [a + b]>",
    f"step.sink %h : !step.stream<!step.selector<2>, [a + b]>\nstep.sink %x : {ROWS}",
)

SUMS_OF_WAYS = f"""
    %e = step.select %c1 : tensor<4x2xi1>
    %c, %d = step.broadcast %e consumers 2 : {ANY}
    %i, %j = step.partition %p, %c rank 0 dims [a, b] : {ROWS}, {ANY}
    %l = step.reassemble %d, %i, %j rank 0 dim l : {ANY}, {PARTS}
    %s = step.accumulate %l fn add rank 1 : !step.stream<{TILE}, [1, 4, ~l]>
"""

WRITTEN = f"""
    %a = step.integers %a1 : tensor<4xi64>
    %f, %g = step.broadcast %a consumers 2 : !step.stream<index, [1, 4]>
    %done, %new = step.random_store %x1, %f, %p
      : tensor<4x2xf32>, !step.stream<index, [1, 4]>, {ROWS}
    step.sink %done : !step.stream<i1, [1, 4]>
    %s = step.random_load %new, %g tile [1, 2] : tensor<4x2xf32>, !step.stream<index, [1, 4]>
"""


def test_what_is_not_zero_is_selected_and_gives_sizes() -> None:
    """None, one or both of two. What is only moved needs no values, and all is counted."""
    module = function(PLAIN)
    (graph,) = graphs_of(module)
    rows = np.array([[1.0, 0], [0, -1], [2, 3], [0, 4]])
    given = [None, rows, None, None, None]
    made = lower(graph).selectors_of_tiles(given)
    assert list(made.values()) == [[(0,), (), (0, 1), (1,)]]
    assert known_symbols(graph, given, made) == {"y": 2, "z": 2}
    run = StepFunction.of(module).run(*given, depth=1, timing_only=True)
    assert run.deadlock is None
    assert run.uses[0].traffic == 4 * 8 + 4 * 8 + 2 * 16
    assert run.uses[0].onchip_bytes == 8 + 8 + 16


def test_rows_that_select_need_values() -> None:
    run = StepFunction.of(function(PLAIN)).run
    with pytest.raises(InputError, match=r"argument 1 .* decide when things happen: give its"):
        run(X, None, CHOICES, ADDRESSES, X[:2], timing_only=True)


def test_a_row_selects_as_many_as_its_type_says() -> None:
    used = "step.sink %h : !step.stream<!step.selector<2, hot 1>, [1, 4]>"
    one = function(
        PLAIN, f"to_selector scalar 1.0 : f64 : {ROWS}", f"{used}\nstep.sink %x : {ROWS}"
    )
    with pytest.raises(InputError, match=r"'step\.map' \(operation 3, %h\): a row selects 0"):
        StepFunction.of(one).run(X, -X, CHOICES, ADDRESSES, X[:2])


def test_rows_that_went_one_way_each_keep_their_order() -> None:
    """A reassembly of one at a time waits for what is next, whatever else is there."""
    (graph,) = graphs_of(function(IN_ORDER))
    given = [X, [[1, 0], [0, 1], [1, 1], [0, 0]], CHOICES, ADDRESSES, X[:2]]
    assert list(lower(graph).selectors_of_tiles(given).values()) == [[(0,), (1,), (0, 1), ()]]


@pytest.mark.parametrize(
    ("module", "culprit"),
    [
        (function(SUMS_OF_WAYS), "step.reassemble"),
        (function(AS_THEY_COME, *COME), "step.eager_merge"),
        (function(WRITTEN), "step.random_load"),
    ],
)
def test_selectors_that_depend_on_what_comes_first_are_refused(
    module: ModuleOp, culprit: str
) -> None:
    run = StepFunction.of(module).run
    with pytest.raises(InputError, match=rf"'{culprit}' hands on in the order.*step\.select"):
        run(X, X, CHOICES, ADDRESSES, X[:2])
