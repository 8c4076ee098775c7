"""Graphs of `step`: feedback, records of arrival, memory, claimed sizes, entry IR around."""

from typing import Any

import numpy as np
import pytest

from headrace.dialects import step
from headrace.interpreters.step import interpret, interpret_graph
from headrace.storage.errors import InputError
from headrace.tests.modules import parse

SELECTOR = "!step.selector<2, hot 1>"

FEEDBACK = f"""
func.func @main(
  %requests: tensor<6xi64>, %first: tensor<2x2xi1>, %turns: tensor<6x2xi1>, %more: tensor<6x2xi1>
) -> tensor<6xi64> {{
  %0 = step.graph(%requests, %first, %turns, %more)
      : (tensor<6xi64>, tensor<2x2xi1>, tensor<6x2xi1>, tensor<6x2xi1>) -> tensor<6xi64> {{
  ^bb0(%r: tensor<6xi64>, %f: tensor<2x2xi1>, %t: tensor<6x2xi1>, %m: tensor<6x2xi1>):
    %1 = step.integers %r : tensor<6xi64>
    %request = step.flatten %1 min 0 max 1 : !step.stream<index, [1, 6]>
    %2 = step.select %f hot 1 : tensor<2x2xi1>
    %initial = step.flatten %2 min 0 max 1 : !step.stream<{SELECTOR}, [1, 2]>
    %3 = step.select %t hot 1 : tensor<6x2xi1>
    %turn = step.flatten %3 min 0 max 1 : !step.stream<{SELECTOR}, [1, 6]>
    %4 = step.select %m hot 1 : tensor<6x2xi1>
    %not_last = step.flatten %4 min 0 max 1 : !step.stream<{SELECTOR}, [1, 6]>
    %5 = step.reassemble %turn, %initial, %next rank 0
        : !step.stream<{SELECTOR}, [6]>, !step.stream<{SELECTOR}, [2]>,
          !step.stream<{SELECTOR}, [4]>
    %region = step.flatten %5 min 0 max 1 : !step.stream<{SELECTOR}, [6, 1]>
    %there, %back = step.broadcast %region consumers 2 : !step.stream<{SELECTOR}, [6]>
    %in0, %in1 = step.partition %request, %there rank 0 dims [e0, "6 - e0"]
        : !step.stream<index, [6]>, !step.stream<{SELECTOR}, [6]>
    %work0, %watch0 = step.broadcast %in0 consumers 2 : !step.stream<index, [e0]>
    %work1, %watch1 = step.broadcast %in1 consumers 2 : !step.stream<index, [6 - e0]>
    %each0 = step.promote %watch0 rank 0 : !step.stream<index, [e0]>
    %each1 = step.promote %watch1 rank 0 : !step.stream<index, [6 - e0]>
    %ready0 = step.accumulate %each0 fn signal rank 1 : !step.stream<index, [e0, 1]>
    %ready1 = step.accumulate %each1 fn signal rank 1 : !step.stream<index, [6 - e0, 1]>
    %signals, %free = step.eager_merge %ready0, %ready1 rank 0
        : !step.stream<index, [e0]>, !step.stream<index, [6 - e0]>
    %next, %last = step.partition %free, %not_last rank 0 dims [4, 2]
        : !step.stream<{SELECTOR}, [6]>, !step.stream<{SELECTOR}, [6]>
    %6 = step.reassemble %back, %work0, %work1 rank 0
        : !step.stream<{SELECTOR}, [6]>, !step.stream<index, [e0]>, !step.stream<index, [6 - e0]>
    %address = step.flatten %6 min 0 max 1 : !step.stream<index, [6, 1]>
    %looked_up = step.random_load %r, %address tile [1, 1]
        : tensor<6xi64>, !step.stream<index, [6]>
    %result = step.store %looked_up into tensor<6xi64>
        : !step.stream<!step.tile<i64, [1, 1]>, [6]>
    step.yield %result : tensor<6xi64>
  }}
  func.return %0 : tensor<6xi64>
}}
"""
"""Six requests for two regions: two are dealt, the others go to the region that is free."""

REQUESTS = np.array([5, 3, 4, 0, 2, 1])
FIRST = np.eye(2)
TURNS = np.array([[1, 0]] * 2 + [[0, 1]] * 4)
MORE = np.array([[1, 0]] * 4 + [[0, 1]] * 2)


def fed_back(arrivals: list[int] | None) -> Any:
    module = parse(FEEDBACK)
    (graph,) = (op for op in module.walk() if isinstance(op, step.GraphOp))
    (merge,) = (n for n, op in enumerate(graph.body.block.ops) if isinstance(op, step.EagerMergeOp))
    records = [] if arrivals is None else [{merge: arrivals}]
    (result,) = interpret(module, [REQUESTS, FIRST, TURNS, MORE], records)
    return result


@pytest.mark.parametrize(
    "arrivals", [None, [0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 1]]
)
def test_what_is_fed_back_may_change_the_region_but_no_result(arrivals: list[int] | None) -> None:
    assert (fed_back(arrivals) == REQUESTS[REQUESTS]).all()


@pytest.mark.parametrize(
    ("arrivals", "message"),
    [
        # Region 0 has four requests, and so four signals.
        ([0, 0, 0, 1, 0, 0], r"%signals\): D comes on 'step.accumulate' \(.*%ready0\)"),
        ([0, 1, 0, 1, 0], r"%next\): D comes on 'step.eager_merge' \(.*%signals\)"),
        ([0, 2], r"%signals\): the record has a unit of input 2, which is none"),
    ],
)
def test_a_record_that_could_not_happen_is_refused(arrivals: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fed_back(arrivals)


CACHE = """
func.func @main(%cache: tensor<4x2xf32>, %new: tensor<2x2xf32>, %at: tensor<2xi64>)
    -> (tensor<4x2xf32>, tensor<2x2xf32>) {
  %0, %1 = step.graph(%cache, %new, %at)
      : (tensor<4x2xf32>, tensor<2x2xf32>, tensor<2xi64>) -> (tensor<4x2xf32>, tensor<2x2xf32>) {
  ^bb0(%c: tensor<4x2xf32>, %n: tensor<2x2xf32>, %a: tensor<2xi64>):
    %row = step.load %n tile [1, 2] strides [1] shape [2] : tensor<2x2xf32>
    %address = step.integers %a : tensor<2xi64>
    %read, %write = step.broadcast %address consumers 2 : !step.stream<index, [1, 2]>
    %done, %changed = step.random_store %c, %write, %row
        : tensor<4x2xf32>, !step.stream<index, [1, 2]>,
          !step.stream<!step.tile<f32, [1, 2]>, [1, 2]>
    %old = step.random_load %c, %read tile [1, 2] : tensor<4x2xf32>, !step.stream<index, [1, 2]>
    %result = step.store %old into tensor<2x2xf32>
        : !step.stream<!step.tile<f32, [1, 2]>, [1, 2]>
    step.yield %changed, %result : tensor<4x2xf32>, tensor<2x2xf32>
  }
  func.return %0, %1 : tensor<4x2xf32>, tensor<2x2xf32>
}
"""


def test_a_random_store_makes_a_tensor_and_leaves_the_argument() -> None:
    cache, new = np.arange(8.0).reshape(4, 2), np.array([[10.0, 11], [12, 13]])
    changed, old = interpret(parse(CACHE), [cache, new, np.array([3, 1])])
    assert changed.tolist() == [[0, 1], [12, 13], [4, 5], [10, 11]]
    assert old.tolist() == [[6, 7], [2, 3]]
    assert cache.tolist() == np.arange(8.0).reshape(4, 2).tolist()


def test_an_address_out_of_range_names_the_operation() -> None:
    with pytest.raises(InputError, match=r"'step.random_store' \(operation 3, %done\): address 4"):
        interpret(parse(CACHE), [np.zeros((4, 2)), np.zeros((2, 2)), np.array([4, 1])])


CLAIMED = """
func.func @main(%x: tensor<4xi64>, %s: tensor<4x2xi1>, %t: tensor<4x2xi1>) {
  step.graph(%x, %s, %t) : (tensor<4xi64>, tensor<4x2xi1>, tensor<4x2xi1>) -> () {
  ^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>, %2: tensor<4x2xi1>):
    %3 = step.integers %0 : tensor<4xi64>
    %4 = step.select %1 : tensor<4x2xi1>
    %5, %6 = step.partition %3, %4 rank 0 dims [e0, e1]
        : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
    %7 = step.integers %0 : tensor<4xi64>
    %8 = step.select %2 : tensor<4x2xi1>
    %9, %10 = step.partition %7, %8 rank 0 dims [e0, f1] assumed [e0]
        : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
    step.yield
  }
  func.return
}
"""


def test_sizes_that_are_claimed_to_be_equal_are_compared() -> None:
    left = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    more = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    assert interpret(parse(CLAIMED), [np.arange(4), left, 1 - left]) == []
    with pytest.raises(InputError, match=r"\(operation 5\) makes sizes \[3\].* e0, e0 is 2 at"):
        interpret(parse(CLAIMED), [np.arange(4), left, more])


def test_streams_that_are_read_together_must_line_up() -> None:
    text = CLAIMED.replace(
        "    step.yield",
        """    %11 = step.map %5, %9 fn add : !step.stream<index, [e0]>, !step.stream<index, [e0]>
    step.yield""",
    )
    left = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    more = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    with pytest.raises(InputError, match=r"'step.map' \(operation 6\): .* D and a value meet"):
        interpret(parse(text), [np.arange(4), left, more])


def test_entry_ir_runs_between_graphs() -> None:
    text = """
    func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
      %y = step.graph(%x) : (tensor<4x2xf32>) -> tensor<4x2xf32> {
      ^bb0(%0: tensor<4x2xf32>):
        %1 = step.load %0 tile [2, 2] strides [1] shape [2] : tensor<4x2xf32>
        %2 = step.map %1 fn square : !step.stream<!step.tile<f32, [2, 2]>, [1, 2]>
        %3 = step.store %2 into tensor<4x2xf32>
            : !step.stream<!step.tile<f32, [2, 2]>, [1, 2]>
        step.yield %3 : tensor<4x2xf32>
      }
      %z = arith.addf %x, %y : tensor<4x2xf32>
      func.return %z : tensor<4x2xf32>
    }
    """
    x = np.arange(8.0).reshape(4, 2)
    (result,) = interpret(parse(text), [x])
    assert (result == x + x**2).all()


def test_tiles_are_computed_in_the_type_of_the_arrays() -> None:
    (graph,) = (op for op in parse(CACHE).walk() if isinstance(op, step.GraphOp))
    for number in (np.float32, np.float64):
        inputs = [np.zeros((4, 2), number), np.ones((2, 2), number), np.array([0, 1])]
        assert {result.dtype for result in interpret_graph(graph, inputs)} == {np.dtype(number)}
