"""Step functions with values: time decides only the order of arrival, which is replayed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.test import Test
from xdsl.parser import Parser

from headrace.backends.result import Result
from headrace.backends.step import graphs_of, lower
from headrace.backends.step_function import StepFunction
from headrace.dialects import step
from headrace.interpreters.step import interpret, interpret_graph
from headrace.storage.errors import InputError
from headrace.tests.netlists import imported

ROW = "!step.tile<f32, [1, 4]>"
SELECTORS = "!step.stream<!step.selector<2, hot 2>, [1, 3]>"

WAYS = f"!step.stream<{ROW}, [a]>, !step.stream<{ROW}, [b]>"


def both_ways(first: str, second: str) -> ModuleOp:
    """Each of three rows goes both ways, through two functions, and is stored twice."""
    text = f"""
func.func @main(%t: tensor<3x4xf32>, %u: tensor<3x2xi1>) -> tensor<6x4xf32> {{
  %r = step.graph(%t, %u) : (tensor<3x4xf32>, tensor<3x2xi1>) -> tensor<6x4xf32> {{
  ^bb0(%x: tensor<3x4xf32>, %s: tensor<3x2xi1>):
    %0 = step.load %x tile [1, 4] strides [1] shape [3] : tensor<3x4xf32>
    %1 = step.select %s hot 2 : tensor<3x2xi1>
    %2, %3 = step.broadcast %1 consumers 2 : {SELECTORS}
    %4, %5 = step.partition %0, %2 rank 0 dims [a, b] : !step.stream<{ROW}, [1, 3]>, {SELECTORS}
    %6 = step.map %4 fn {first} : !step.stream<{ROW}, [a]>
    %7 = step.map %5 fn {second} : !step.stream<{ROW}, [b]>
    %8 = step.reassemble %3, %6, %7 rank 0 : {SELECTORS}, {WAYS}
    %9 = step.store %8 into tensor<6x4xf32> : !step.stream<{ROW}, [1, 3, 2]>
    step.yield %9 : tensor<6x4xf32>
  }}
  func.return %r : tensor<6x4xf32>
}}
"""
    context = Context()
    for dialect in (Builtin, Func, step.STEP):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


ROWS = np.arange(12, dtype=np.float64).reshape(3, 4)
BOTH = np.ones((3, 2), dtype=np.bool_)


def run(
    module: ModuleOp, arguments: Sequence[object], depth: int, accounting: str = "consistent"
) -> Result:
    return StepFunction.of(module).run(*arguments, depth=depth, accounting=accounting)


def interleaved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], axis=1).reshape(6, 4)


@pytest.mark.parametrize(
    ("slow", "negated_arrives"),
    [("first", "later"), ("second", "earlier")],
)
def test_values_come_in_the_order_of_arrival(slow: str, negated_arrives: str) -> None:
    compute = {"first": ("negate compute 1", "square"), "second": ("negate", "square compute 1")}
    found = run(both_ways(*compute[slow]), [ROWS, BOTH], depth=2)
    order = (-ROWS, ROWS**2) if negated_arrives == "earlier" else (ROWS**2, -ROWS)
    np.testing.assert_array_equal(found.outputs[0], interleaved(*order))


def test_without_a_simulation_the_first_input_comes_first() -> None:
    (found,) = interpret(both_ways("negate compute 1", "square"), [ROWS, BOTH])
    np.testing.assert_array_equal(found, interleaved(-ROWS, ROWS**2))


def test_a_deadlock_has_a_time_and_no_values() -> None:
    found = imported("m11_pack_reassemble_deadlock")
    rows = np.random.default_rng(0).normal(size=(52, 64))
    arguments = [rows if values is None else values for values in found.arguments]
    stuck = run(found.module, arguments, depth=3)
    assert stuck.outputs == ()
    assert stuck.deadlock is not None


def test_a_recorded_graph_computes_on_values_in_the_recorded_time() -> None:
    """Rows are packed by four, pass SiLU, and come back in their order."""
    found = imported("m11_pack_reassemble_deadlock")
    rows = np.random.default_rng(0).normal(size=(52, 64))
    arguments = [rows if values is None else values for values in found.arguments]
    done = run(found.module, arguments, depth=4, accounting="reference")
    assert done.cycles == 2096
    np.testing.assert_allclose(done.outputs[0], rows / (1 + np.exp(-rows)), rtol=1e-5)


def test_simplified_experts_multiply_each_row_by_the_weights_of_its_expert() -> None:
    """The program of the paper's Figures 6 and 7: rows packed by four, and unpacked again."""
    text = Path(__file__).parents[1] / "filecheck" / "dialects" / "step" / "experts.mlir"
    context = Context()
    for dialect in (Builtin, Func, Test, step.STEP):
        context.load_dialect(dialect)
    (graph,) = graphs_of(Parser(context, text.read_text()).parse_module())
    random = np.random.default_rng(0)
    rows = random.normal(size=(10, 64))
    weights = [random.normal(size=(64, 256)) for _ in range(2)]
    expert = np.array([0, 1, 1, 0, 1, 1, 1, 0, 1, 1])
    arguments = [rows, np.eye(2)[expert] != 0, *weights]
    stuck = lower(graph, element_bytes=2).run(arguments, depth=2).deadlock
    assert stuck is not None
    assert stuck.smallest_depth == 9
    result = lower(graph, element_bytes=2).run(arguments, depth=9)
    assert result.deadlock is None
    assert result.requests == 10 * 2 + (1 + 2) * 4 * 64 * 2 + 10 * 8
    (found,) = interpret_graph(graph, arguments, result.arbitration)
    wanted = np.where((expert == 0)[:, None], rows @ weights[0], rows @ weights[1])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_run_says_what_each_graph_used() -> None:
    found = imported("m09_moe_static_tile4")
    run = StepFunction.of(found.module).run(
        *found.arguments, depth=2, accounting="reference", timing_only=True
    )
    (use,) = run.uses
    assert (use.cycles, use.requests, use.onchip_bytes) == (1509, 1636, 21_120)
    assert use.bandwidth == 1024
    assert run.summary()["graphs"][0]["requests"] == 1636


def test_accountings_have_names() -> None:
    with pytest.raises(InputError, match="choose from consistent, reference"):
        StepFunction.of(both_ways("negate", "square")).run(ROWS, BOTH, accounting="bf16")


def test_a_machine_of_sparse_graphs_is_none_of_streams(tmp_path: Path) -> None:
    machine = tmp_path / "machine.toml"
    machine.write_text("[memory]\nchannels = 1\n")
    with pytest.raises(InputError, match="run on what"):
        StepFunction.of(both_ways("negate", "square")).run(ROWS, BOTH, machine=machine)
    machine.write_text("[step]\nchannels = 1\n")
    assert StepFunction.of(both_ways("negate", "square")).run(ROWS, BOTH, machine=machine).cycles
