"""Step graphs on the stream engine: recorded cycles, deadlocks, arbitration, refusals."""

from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.test import Test
from xdsl.parser import Parser

from headrace.analyses.step_compute import operation_flops
from headrace.backends.step import StepResult, graphs_of, lower
from headrace.backends.step_netlist import machine_of
from headrace.dialects import step
from headrace.simulators.stream.netlist import DEFAULT_DEPTH
from headrace.storage.errors import InputError
from headrace.tests.netlists import MICRO, imported, recorded


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Func, Test, step.STEP):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def replay(name: str, depth: int | None) -> StepResult:
    found = imported(name)
    program = lower(found.graph, recorded(name).element_bytes)
    return program.run(found.arguments, depth=depth, machine=machine_of(recorded(name)))


@pytest.mark.parametrize("name", MICRO)
def test_micro_graphs_take_the_recorded_cycles(name: str) -> None:
    for expected in recorded(name).meta["expected"]:
        result = replay(name, expected["channel_depth"] or DEFAULT_DEPTH)
        assert bool(result.deadlock) == expected.get("deadlock", False)
        if result.deadlock is None:
            assert result.cycles == expected["cycles"]
            assert result.requests == expected["hbm_requests"]


@pytest.mark.parametrize(
    "name",
    [
        "attn_b16_stdev0479_1063_co",
        "attn_b16_stdev0479_1063_il",
        "attn_b16_stdev0479_1063_dyn",
        "fig8_tb16_tf128",
        "fig9_mixtral_b64_tile16",
        "fig9_mixtral_b64_dyn",
    ],
)
def test_graphs_of_the_evaluation_take_the_recorded_cycles(name: str) -> None:
    assert replay(name, recorded(name).channel_depth).cycles == recorded(name).meta["model_cycles"]


def test_a_deadlock_names_operations_and_the_depth_that_is_enough() -> None:
    deadlock = replay("m11_pack_reassemble_deadlock", 1).deadlock
    assert deadlock is not None
    assert deadlock.smallest_depth == 4
    assert "reassemble 15" in {blocked.node for blocked in deadlock.blocked}


def test_statistics_are_of_operations_by_their_place() -> None:
    name = "m05_matmul_accum"
    result = replay(name, 2)
    for place, operation in enumerate(list(imported(name).graph.body.block.ops)[:-1]):
        node = result.nodes[place]
        assert node.name.split()[0] == operation.name.removeprefix("step.")
        assert (node.operations or 0) == operation_flops(operation).value


def test_orders_of_arrival_are_recorded_by_the_place_of_the_operation() -> None:
    name = "attn_b16_stdev0479_1063_dyn"
    arbitration = replay(name, 1).arbitration
    operations = list(imported(name).graph.body.block.ops)
    assert isinstance(operations[0], step.EagerMergeOp)
    served = arbitration[0]
    assert len(served) == 16
    assert set(served.tolist()) == {0, 1, 2, 3}
    assert {place for place, op in enumerate(operations) if isinstance(op, step.ReassembleOp)} == (
        arbitration.keys() - {0}
    )


ROWS = "!step.stream<!step.tile<f32, [1, 64]>, [1, 4]>"
SELECTORS = "!step.stream<!step.selector<2, hot 1>, [1, 4]>"
PARTS = "!step.stream<!step.tile<f32, [1, 64]>, [a]>, !step.stream<!step.tile<f32, [1, 64]>, [b]>"

ROUTED = f"""
%t, %u = "test.op"() : () -> (tensor<4x64xf32>, tensor<4x2xi1>)
%r = step.graph(%t, %u) : (tensor<4x64xf32>, tensor<4x2xi1>) -> tensor<4x64xf32> {{
^bb0(%x: tensor<4x64xf32>, %s: tensor<4x2xi1>):
  %0 = step.load %x tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  %1 = step.select %s hot 1 : tensor<4x2xi1>
  %2, %3 = step.broadcast %1 consumers 2 : {SELECTORS}
  %4, %5 = step.partition %0, %2 rank 0 dims [a, b] : {ROWS}, {SELECTORS}
  %6 = step.reassemble %3, %4, %5 rank 0 : {SELECTORS}, {PARTS}
  %7 = step.flatten %6 min 0 max 1 : !step.stream<!step.tile<f32, [1, 64]>, [1, 4, 1]>
  %8 = step.store %7 into tensor<4x64xf32> : {ROWS}
  step.yield %8 : tensor<4x64xf32>
}}
"""


@pytest.mark.parametrize("taken", [[0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
def test_one_program_serves_all_selectors(taken: list[int]) -> None:
    (graph,) = graphs_of(parse(ROUTED))
    selectors = np.eye(2, dtype=np.bool_)[taken]
    result = lower(graph).run([None, selectors], depth=2)
    assert result.deadlock is None
    assert result.arbitration[4].tolist() == taken
    assert result.requests == 2 * 4 * (64 * 4 // 64)


def test_bytes_of_numbers_are_those_of_their_type_unless_told() -> None:
    (graph,) = graphs_of(parse(ROUTED))
    selectors = np.eye(2)[[0, 1, 0, 1]]
    assert lower(graph, element_bytes=2).run([None, selectors]).requests == 2 * 4 * 2


@pytest.mark.parametrize("arguments", [[], [None, None]])
def test_missing_selectors_are_asked_for(arguments: list[Any]) -> None:
    (graph,) = graphs_of(parse(ROUTED))
    with pytest.raises(InputError, match="argument 1 of the graph holds selectors"):
        lower(graph).run(arguments)


def graph_of(body: str) -> step.GraphOp:
    """A graph that loads %x, [1, 4] rows of 64, and ends with a stream %y of as many rows."""
    (graph,) = graphs_of(
        parse(f"""
%t = "test.op"() : () -> tensor<4x64xf32>
%r = step.graph(%t) : (tensor<4x64xf32>) -> tensor<4x64xf32> {{
^bb0(%x0: tensor<4x64xf32>):
  %x = step.load %x0 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  {body}
  %z = step.store %y into tensor<4x64xf32> : {ROWS}
  step.yield %z : tensor<4x64xf32>
}}
""")
    )
    return graph


PAIRS = f"{ROWS}, {ROWS}"
TUPLES = "!step.stream<tuple<!step.tile<f32, [1, 64]>, !step.tile<f32, [1, 64]>>, [1, 4]>"


def test_a_function_of_tuples_is_one_of_their_parts() -> None:
    fork = f"%a, %b = step.broadcast %x consumers 2 : {ROWS}"
    zipped = graph_of(f"{fork}\n%c = step.zip %a, %b : {PAIRS}\n%y = step.map %c fn add : {TUPLES}")
    plain = graph_of(f"{fork}\n%y = step.map %a, %b fn add : {PAIRS}")
    assert lower(zipped).run([None]).cycles == lower(plain).run([None]).cycles


def test_a_function_of_tuples_that_were_routed_is_refused() -> None:
    body = (
        f"%a, %b = step.broadcast %x consumers 2 : {ROWS}\n%c = step.zip %a, %b : {PAIRS}\n"
        f"%d, %e = step.broadcast %c consumers 2 : {TUPLES}\n%y = step.map %d fn add : {TUPLES}\n"
        f"step.sink %e : {TUPLES}"
    )
    with pytest.raises(InputError, match=r"reads tuples that 'step\.broadcast' hands on"):
        lower(graph_of(body))


def test_results_that_nothing_reads_hold_nothing_up() -> None:
    unread = graph_of(f"%y, %b = step.broadcast %x consumers 2 : {ROWS}")
    read = graph_of(f"%y, %b = step.broadcast %x consumers 2 : {ROWS}\nstep.sink %b : {ROWS}")
    assert lower(unread).run([None], depth=1).cycles == lower(read).run([None], depth=1).cycles


TALL = "!step.stream<!step.tile<f32, [4, 64]>, [1, 2]>"


def split(fn: str, size: int, piece: str, count: int) -> step.GraphOp:
    """Two tiles of 4 x 64 that leave in pieces."""
    (graph,) = graphs_of(
        parse(f"""
%t = "test.op"() : () -> tensor<8x64xf32>
%r = step.graph(%t) : (tensor<8x64xf32>) -> tensor<8x64xf32> {{
^bb0(%x0: tensor<8x64xf32>):
  %x = step.load %x0 tile [4, 64] strides [1] shape [2] : tensor<8x64xf32>
  %y = step.flat_map %x fn {fn} size {size} : {TALL}
  %z = step.store %y into tensor<8x64xf32> : !step.stream<!step.tile<f32, {piece}>, [1, {count}]>
  step.yield %z : tensor<8x64xf32>
}}
""")
    )
    return graph


@pytest.mark.parametrize(
    ("graph", "pieces", "requests_of_a_piece"),
    [
        (split("split_rows", 2, "[2, 64]", 4), 4, 2 * 4),
        (split("split_columns", 16, "[4, 16]", 8), 8, 4 * 1),
    ],
)
def test_tiles_are_split_into_pieces_of_a_size(
    graph: step.GraphOp, pieces: int, requests_of_a_piece: int
) -> None:
    result = lower(graph).run([None], depth=2)
    assert result.nodes[1].tokens == pieces
    assert result.nodes[2].requests == pieces * requests_of_a_piece


def test_a_transposed_tile_has_as_many_rows_as_it_had_columns() -> None:
    (graph,) = graphs_of(
        parse(f"""
%t = "test.op"() : () -> tensor<8x64xf32>
%r = step.graph(%t) : (tensor<8x64xf32>) -> tensor<128x4xf32> {{
^bb0(%x0: tensor<8x64xf32>):
  %x = step.load %x0 tile [4, 64] strides [1] shape [2] : tensor<8x64xf32>
  %y = step.map %x fn transpose : {TALL}
  %z = step.store %y into tensor<128x4xf32> : !step.stream<!step.tile<f32, [64, 4]>, [1, 2]>
  step.yield %z : tensor<128x4xf32>
}}
""")
    )
    assert lower(graph).run([None], depth=2).nodes[2].requests == 2 * 64


def test_masked_columns_take_a_cycle_for_each_tile() -> None:
    """As long as setting the number of valid rows."""
    lengths = "!step.stream<index, [1, 4]>"

    def cycles(body: str) -> int:
        (graph,) = graphs_of(
            parse(f"""
%t, %n = "test.op"() : () -> (tensor<4x64xf32>, tensor<4xi64>)
%r = step.graph(%t, %n) : (tensor<4x64xf32>, tensor<4xi64>) -> tensor<4x64xf32> {{
^bb0(%x0: tensor<4x64xf32>, %n0: tensor<4xi64>):
  %x = step.load %x0 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  %l = step.integers %n0 : tensor<4xi64>
  {body}
  %z = step.store %y into tensor<4x64xf32> : {ROWS}
  step.yield %z : tensor<4x64xf32>
}}
""")
        )
        return lower(graph).run([None, [1, 0, 1, 1]], depth=2).cycles

    masked = cycles(f"%y = step.map %x, %l fn mask_columns : {ROWS}, {lengths}")
    offset = cycles(f"%y = step.map %x, %l fn set_offset : {ROWS}, {lengths}")
    assert masked == offset


def lists_of(lengths: str) -> step.GraphOp:
    """As many addresses for each request as %m says."""
    (graph,) = graphs_of(
        parse(f"""
%t = "test.op"() : () -> tensor<4xi64>
step.graph(%t) : (tensor<4xi64>) -> () {{
^bb0(%t0: tensor<4xi64>):
  %n = step.integers %t0 : tensor<4xi64>
  %a, %b = step.broadcast %n consumers 2 : {LENGTHS}
  {lengths}
  %c = step.cache_read_address %a, %m row_tiles 8 dim l : {LENGTHS}, {LENGTHS}
  step.sink %c : !step.stream<index, [1, 4, ~l]>
  step.yield
}}
""")
    )
    return graph


LENGTHS = "!step.stream<index, [1, 4]>"


def test_lengths_may_be_routed_and_reshaped() -> None:
    body = (
        f"%d = step.flatten %b min 0 max 1 : {LENGTHS}\n"
        "%m = step.promote %d : !step.stream<index, [4]>"
    )
    result = lower(lists_of(body)).run([[1, 2, 0, 3]])
    assert result.nodes[4].tokens == 1 + 2 + 1 + 3


def test_lengths_that_the_graph_computes_are_refused() -> None:
    body = f"%m = step.scan %b fn add rank 1 : {LENGTHS}"
    with pytest.raises(InputError, match=r"integers say that 'step\.scan' computes"):
        lower(lists_of(body))
