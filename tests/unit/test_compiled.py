"""Programs: built from `sam` IR, run on tensors of every kind, saved and loaded."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from xdsl.dialects.builtin import ModuleOp

import headrace
from headrace.backends.compiled import Program, graphs_with_values
from headrace.backends.graph import Assembly, GraphStep
from headrace.backends.sam import build, histogram
from headrace.backends.steps import (
    CollapseStep,
    ConcatenateStep,
    ConvertStep,
    Extent,
    FillStep,
    InsertStep,
    SliceStep,
)
from headrace.dialects import sam
from headrace.dialects.functions import main_function
from headrace.interpreters.linalg import interpret
from headrace.simulators.stream.machine import MachineDescription
from headrace.simulators.stream.memory import BankedMemory
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Storage
from headrace.storage.values import CSR, from_compressed
from headrace.tests.modules import parse

VECTOR = "#sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>"

ROW_SUMS = """
#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>
!A = tensor<?x?xf64, #CSR>
func.func @main(%A: !A) -> tensor<?xf64> {
  %y = sam.graph(%A) : (!A) -> tensor<?xf64> {
  ^bb0(%a: !A):
    %root = sam.root
    %i, %ri = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, !A
    %j, %rj = sam.scan %ri, %a level 1 axis j : !sam.stream<ref, index, [i]>, !A
    %v = sam.array %rj, %a : !sam.stream<ref, index, [i, j]>, !A
    %s = sam.reduce %v op add : !sam.stream<val, f64, [i, j]>
    %w = sam.write_values %s : !sam.stream<val, f64, [i]>
    %n = sam.extent %a dimension 0 : !A
    %out = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<?xf64>
    sam.yield %out : tensor<?xf64>
  }
  func.return %y : tensor<?xf64>
}
"""

SCALED = """
!X = tensor<5xf32, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>
func.func @main(%x: !X, %c: tensor<f32>) -> !X {
  %y = sam.graph(%x, %c) : (!X, tensor<f32>) -> !X {
  ^bb0(%t: !X, %k: tensor<f32>):
    %root = sam.root
    %i, %r = sam.scan %root, %t level 0 axis i : !sam.stream<ref, index, []>, !X
    %v = sam.array %r, %t : !sam.stream<ref, index, [i]>, !X
    %s = sam.repeat_signal %i : !sam.stream<crd, index, [i]>
    %k0 = sam.repeat %root, %s : !sam.stream<ref, index, []>, !sam.stream<sig, index, [i]>
    %f = sam.array %k0, %k : !sam.stream<ref, index, [i]>, tensor<f32>
    %p = sam.alu %v, %f op mul : !sam.stream<val, f32, [i]>, !sam.stream<val, f32, [i]>
    %l = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
    %w = sam.write_values %p : !sam.stream<val, f32, [i]>
    %n = arith.constant 5 : index
    %out = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f32> -> !X
    sam.yield %out : !X
  }
  func.return %y : !X
}
"""

MATRIX = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0], [0.0, 4.0, 0.0]])


@pytest.fixture
def row_sums() -> Program:
    return build(parse(ROW_SUMS))


@pytest.fixture
def scaled() -> Program:
    return build(parse(SCALED))


# Building


def test_a_node_for_each_operation_and_one_signal_for_each_repeat(scaled: Program) -> None:
    kinds = sorted(str(kind) for kind in scaled.graphs[0].program.kinds)
    assert kinds == sorted(
        ["root", "scan_compressed", "array", "repeat_signal", "repeat", "array", "alu"]
        + ["write_coordinates", "write_values"]
        + ["broadcast"] * 2
    )


def test_a_histogram_counts_a_repeat_and_its_signal_once() -> None:
    (graph,) = (op for op in parse(SCALED).walk() if isinstance(op, sam.GraphOp))
    expected = {"generator": 1, "scan": 1, "array_read": 2, "repeat": 1, "alu": 1, "writer": 2}
    assert histogram(graph) == expected


def test_a_signal_is_driven_by_the_references_beside_the_coordinates(scaled: Program) -> None:
    program = scaled.graphs[0].program
    names = [str(name) for name in program.names]
    signal = next(n for n, kind in enumerate(program.kinds) if kind == "repeat_signal")
    (channel,) = program.node_inputs(signal)
    (source,) = (n for n in range(len(names)) if channel in program.node_outputs(n))
    assert names[source].startswith("broadcast scan")
    assert names[source].endswith(".1")


def test_an_operation_that_computes_outside_a_graph_is_refused_with_its_line() -> None:
    text = """
    func.func @main(%x: tensor<2xf64>) -> tensor<2xf64> {
      %y = math.exp %x {headrace.source = "model.py:7"} : tensor<2xf64>
      func.return %y : tensor<2xf64>
    }
    """
    with pytest.raises(InputError, match=r"'math\.exp' \(model\.py:7\) cannot be compiled outside"):
        build(parse(text))


def test_a_size_of_a_dimension_beyond_the_rank_is_refused() -> None:
    text = """
    func.func @main(%x: tensor<?xf64>) -> tensor<?xf64> {
      %two = arith.constant 2 : index
      %size = tensor.dim %x, %two : tensor<?xf64>
      %y = tensor.empty(%size) : tensor<?xf64>
      func.return %y : tensor<?xf64>
    }
    """
    with pytest.raises(InputError, match=r"'tensor\.dim' .* dimension 2 of tensor<\?xf64>"):
        build(parse(text))


def test_operations_may_stand_in_any_order() -> None:
    lines = ROW_SUMS.splitlines()
    first = next(n for n, line in enumerate(lines) if "sam.scan" in line)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    program = build(parse("\n".join(lines)))
    np.testing.assert_array_equal(program.run(MATRIX).outputs[0], MATRIX.sum(axis=1))


def test_a_cycle_without_an_initial_token_is_refused() -> None:
    text = SCALED.replace("sam.alu %v, %f op mul", "sam.alu %v, %p op mul")
    with pytest.raises(InputError, match="'alu mul %p' lies on a cycle that has no initial token"):
        build(parse(text))


def test_what_stands_behind_a_cycle_is_not_blamed_for_it() -> None:
    text = SCALED.replace("sam.alu %v, %f op mul", "sam.alu %v, %q op mul").replace(
        "    %l = sam.write",
        """    %q = sam.alu %p op neg : !sam.stream<val, f32, [i]>
    %l = sam.write""",
    )
    moved = "    %w = sam.write_values %p : !sam.stream<val, f32, [i]>\n"
    text = text.replace(moved, "").replace("    %p = sam.alu", moved + "    %p = sam.alu")
    with pytest.raises(InputError, match=r"'alu (mul %p|neg %q)' lies on a cycle"):
        build(parse(text))


def test_the_nodes_of_a_program_stand_as_written(scaled: Program) -> None:
    names = [str(name) for name in scaled.graphs[0].program.names]
    written = [name.split()[0] for name in names if not name.startswith("broadcast")]
    assert written == [
        *("root", "scan", "array", "repeat_signal", "repeat", "array", "alu"),
        *("write_coordinates", "write_values"),
    ]


def test_a_function_with_branches_is_refused() -> None:
    text = """
    func.func @main(%x: tensor<2xf64>) -> tensor<2xf64> {
      "test.termop"() [^next] : () -> ()
    ^next:
      func.return %x : tensor<2xf64>
    }
    """
    with pytest.raises(InputError, match=r"@main has 2 blocks, .* replace its branches"):
        build(parse(text))
    with pytest.raises(InputError, match=r"@main has 2 blocks, .* replace its branches"):
        interpret(parse(text), [np.ones(2)])


def test_a_module_without_a_function_is_refused() -> None:
    with pytest.raises(InputError, match="no function to compile; name one 'main'"):
        main_function(ModuleOp([]))


BLOCKED_ROWS = """
#B = #sparse_tensor.encoding<{ map = (d0) -> (d0 floordiv 2 : dense, d0 mod 2 : dense) }>
!B = tensor<5xf64, #B>
!D = tensor<?xf64, #B>
func.func @main(%x: !B) -> !D {
  %y = sam.graph(%x) : (!B) -> !D {
  ^bb0(%t: !B):
    %root = sam.root
    %i, %r = sam.scan %root, %t level 0 axis i : !sam.stream<ref, index, []>, !B
    %v = sam.array %r, %t : !sam.stream<ref, index, [i]>, !B
    %w = sam.write_values %v : !sam.stream<val, tensor<2xf64>, [i]>
    %n = arith.constant 5 : index
    %out = sam.assemble levels() values %w extents(%n) : !sam.values<tensor<2xf64>> -> !D
    sam.yield %out : !D
  }
  func.return %y : !D
}
"""


def test_the_extent_of_a_blocked_result_is_in_elements() -> None:
    x = np.arange(1.0, 6.0)
    (output,) = build(parse(BLOCKED_ROWS)).run(x).outputs
    np.testing.assert_array_equal(output, x)


def test_a_node_counts_blocks_not_elements() -> None:
    text = """
    func.func @main(%x: tensor<?xf64>) -> tensor<?xf64> {
      %y = sam.graph(%x) : (tensor<?xf64>) -> tensor<?xf64> {
      ^bb0(%t: tensor<?xf64>):
        %zero = arith.constant 0 : index
        %n = tensor.dim %t, %zero : tensor<?xf64>
        %root = sam.root
        %i, %r = sam.range %root, %n axis i : !sam.stream<ref, index, []>, index
        %v = sam.array %r, %t : !sam.stream<ref, index, [i]>, tensor<?xf64>
        %w = sam.write_values %v : !sam.stream<val, f64, [i]>
        %out = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<?xf64>
        sam.yield %out : tensor<?xf64>
      }
      func.return %y : tensor<?xf64>
    }
    """
    with pytest.raises(InputError, match=r"dimension 0 of 'x' by tensor\.dim; take it from sam"):
        build(parse(text))


# Running


@pytest.mark.parametrize(
    "matrix",
    [
        MATRIX,
        MATRIX.astype(np.float32),
        MATRIX.astype(int),
        MATRIX.tolist(),
        [[np.float64(value) for value in row] for row in MATRIX],
        scipy.sparse.csr_array(MATRIX),
        scipy.sparse.csc_matrix(MATRIX),
        Storage.from_dense(MATRIX, Format.parse("dcsc", 2)),
    ],
    ids=lambda matrix: type(matrix).__name__,
)
def test_arguments_come_in_every_form(row_sums: Program, matrix: Any) -> None:
    (output,) = row_sums.run(matrix).outputs
    np.testing.assert_array_equal(output, MATRIX.sum(axis=1))


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "u8"])
def test_coordinates_may_be_integers_of_every_type(row_sums: Program, kind: str) -> None:
    matrix: Any = scipy.sparse.csr_array(MATRIX)
    pointers, indices = matrix.indptr.astype(kind), matrix.indices.astype(kind)
    for format in ("ds", "ss", "ds10"):
        stored = from_compressed(MATRIX.shape, CSR, pointers, indices, matrix.data)
        converted = stored.convert(Format.parse(format, 2))
        converted.validate()
        np.testing.assert_array_equal(row_sums.run(converted).outputs[0], MATRIX.sum(axis=1))


@pytest.mark.parametrize("layout", ["dense", "csr", "coo"])
def test_torch_arguments_give_torch_results_of_the_declared_type(
    scaled: Program, layout: str
) -> None:
    x = torch.tensor([0.0, 1.5, 0.0, 2.0, 0.0])
    given = x.to_sparse() if layout == "coo" else x
    (output,) = scaled.run(given, torch.tensor(2.0)).outputs
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, 2 * x)


def test_a_program_serves_every_size(row_sums: Program) -> None:
    for rows, columns in ((0, 0), (1, 4), (4, 1), (3, 0), (50, 20)):
        matrix = np.random.default_rng(rows).integers(0, 3, (rows, columns)).astype(float)
        (output,) = row_sums.run(matrix).outputs
        np.testing.assert_array_equal(output, matrix.sum(axis=1))


def test_results_keep_their_storage(scaled: Program) -> None:
    (stored,) = scaled.run([0, 1, 0, 0, 2], 3).storages
    assert str(stored.format) == "s"
    assert stored.coordinates[0] is not None
    assert stored.coordinates[0].tolist() == [1, 4]


def test_statistics_belong_to_the_nodes(row_sums: Program) -> None:
    result = row_sums.run(MATRIX)
    assert result.cycles == max(node.cycles for node in result.nodes) > 0
    assert result.tokens > 0
    assert result.deadlock is None


def test_a_shallow_channel_costs_cycles_or_deadlocks_but_never_changes_values(
    row_sums: Program,
) -> None:
    unbounded = row_sums.run(MATRIX)
    for depth in (1, 2, 3):
        result = row_sums.run(MATRIX, depth=depth)
        assert result.deadlock is not None or result.cycles >= unbounded.cycles
        for output in result.outputs:
            np.testing.assert_array_equal(output, unbounded.outputs[0])


def test_the_time_alone_has_the_same_cycles_and_no_outputs(row_sums: Program) -> None:
    full, timing = row_sums.run(MATRIX), row_sums.run(MATRIX, timing_only=True)
    assert timing.nodes == full.nodes
    assert timing.outputs == ()


def test_the_shapes_of_results_are_known_before_their_values() -> None:
    vector, length = Format.dense(1), Extent("rows", 0)
    product = headrace.einsum("Y(i,k) = A(i,j) * X(j,k)", A="csr")
    layout = (
        ConvertStep(product.results[0].name, "rows", Format.parse("ds", 2)),
        CollapseStep("rows", "flat", vector, ((0, 1),), (-1,)),
        SliceStep("flat", "head", vector, (0,), (length,), (1,), (length,)),
        InsertStep("head", "flat", "whole", vector, (1,), (length,), (1,)),
        ConcatenateStep(("flat", "head"), "joined", vector, 0),
        FillStep("ones", Format.dense(2), (Extent("joined", 0), 2), 1.0),
    )
    results = tuple(replace(product.results[0], name=step.result) for step in layout)
    program = replace(product, steps=product.steps + layout, results=results)
    full = program.run(MATRIX, np.ones((3, 5)))
    assert full.shapes == tuple(output.shape for output in full.outputs)
    assert full.shapes == ((4, 5), (20,), (4,), (20,), (24,), (24, 2))
    stuck = program.run(MATRIX, np.ones((3, 5)), depth=1)
    assert stuck.deadlock is not None
    for result in (stuck, program.run(MATRIX, np.ones((3, 5)), timing_only=True)):
        assert result.shapes == full.shapes
        assert result.outputs == ()


def test_values_are_known_where_a_step_between_graphs_leaves_out_zeros() -> None:
    dense, sparse = Format.dense(1), Format.parse("s", 1)
    program = build(parse(ROW_SUMS)).graphs[0].program

    def graph(name: str, operand: str, result: str) -> GraphStep:
        return GraphStep(name, program, (operand,), (Assembly(result, dense, (), (), ""),))

    steps = (
        graph("first", "a", "b"),
        ConvertStep("b", "c", dense),
        graph("second", "c", "d"),
        ConvertStep("d", "e", sparse),
        graph("third", "e", "f"),
        ConvertStep("f", "g", dense),
    )
    assert graphs_with_values(steps) == {"first", "second"}


def test_traffic_is_counted_by_tensor(row_sums: Program) -> None:
    memory = row_sums.run(MATRIX).memory
    assert memory["y"].written == 8 * len(MATRIX)
    assert memory["y"].read == 0
    assert memory["A"].read >= 8 * np.count_nonzero(MATRIX)
    assert row_sums.run(MATRIX).bytes == sum(t.read + t.written for t in memory.values())


@pytest.mark.parametrize("memory", ["ledger", "exact", "parity"])
def test_a_memory_costs_cycles_but_never_changes_values(row_sums: Program, memory: str) -> None:
    free, slow = row_sums.run(MATRIX), row_sums.run(MATRIX, memory=memory)
    assert slow.cycles > free.cycles
    np.testing.assert_array_equal(slow.outputs[0], free.outputs[0])


def test_a_machine_gives_the_numbers_of_the_memory(row_sums: Program, tmp_path: Path) -> None:
    cycles: list[int] = []
    for latency in (0, 500):
        path = tmp_path / "machine.toml"
        path.write_text(f"[memory]\nlatency = {latency}")
        cycles.append(row_sums.run(MATRIX, machine=path).cycles)
    assert cycles[1] >= cycles[0] + 500
    with pytest.raises(InputError, match="no memory 'fast'; choose from ledger, exact, parity"):
        row_sums.run(MATRIX, memory="fast")


@pytest.mark.parametrize(
    ("memory", "name"), [("parity", "parity"), (BankedMemory(), "BankedMemory")]
)
def test_a_memory_with_numbers_of_its_own_takes_no_machine(
    row_sums: Program, memory: Any, name: str
) -> None:
    with pytest.raises(InputError, match=f"the memory '{name}' has numbers of its own; leave"):
        row_sums.run(MATRIX, memory=memory, machine=MachineDescription())


def test_a_line_that_the_ledger_cannot_count_is_refused(row_sums: Program, tmp_path: Path) -> None:
    path = tmp_path / "machine.toml"
    path.write_text("[memory]\ninterval = 17")
    with pytest.raises(InputError, match=r"memory\.interval = 17; give .* or the exact memory"):
        row_sums.run(MATRIX, machine=path)
    assert row_sums.run(MATRIX, machine=path, memory="exact").cycles > row_sums.run(MATRIX).cycles


def test_a_trace_has_every_node_of_every_graph(row_sums: Program, tmp_path: Path) -> None:
    result = row_sums.run(MATRIX)
    result.trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {f"graph 0: {node.name}" for node in result.nodes}
    assert (
        max(event["ts"] + event["dur"] for event in events if event["ph"] == "X") <= result.cycles
    )
    with pytest.raises(InputError, match="cannot be written"):
        result.trace(tmp_path / "nowhere" / "trace.json")


# Bad arguments


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), r"takes 2 arguments \(x, c\), but 0 are given"),
        ((np.zeros(4), 1.0), r"argument x has shape \(4,\), but must have \(5\)"),
        ((np.zeros((5, 1)), 1.0), r"argument x has shape \(5, 1\), but must have \(5\)"),
        ((np.zeros(5), "one"), "argument c has elements of type <U3"),
        ((np.zeros(5), np.zeros(1)), r"argument c has shape \(1,\), but must have \(\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    scaled: Program, args: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        scaled.run(*args)


def test_a_matrix_with_unsorted_columns_is_refused(row_sums: Program) -> None:
    matrix = scipy.sparse.csr_array(MATRIX)
    matrix.indices[1:3] = matrix.indices[1:3][::-1].copy()
    with pytest.raises(InputError, match="argument A, level 1: coordinates must increase"):
        row_sums.run(matrix)


def test_a_channel_depth_of_zero_is_refused(row_sums: Program) -> None:
    with pytest.raises(InputError, match="depth 0 can hold no token; give 1 or more"):
        row_sums.run(MATRIX, depth=0)


# Binding and saving


def test_bound_tensors_are_part_of_the_program(scaled: Program) -> None:
    bound = scaled.bind({"c": np.float32(3)})
    assert [argument.name for argument in bound.arguments] == ["x"]
    np.testing.assert_array_equal(bound.run([0, 1, 0, 0, 2]).outputs[0], [0, 3, 0, 0, 6])
    with pytest.raises(InputError, match="no argument 'k'; it has x, c"):
        scaled.bind({"k": 1})


def test_a_saved_program_runs_without_compiler_or_torch(tmp_path: Path, scaled: Program) -> None:
    scaled.bind({"c": 2.0}).save(tmp_path / "program.npz")
    code = (
        "import sys, headrace; p = headrace.load(sys.argv[1]);"
        "print(p.run([0, 1, 0, 0, 2]).outputs[0].tolist(),"
        "[m for m in ('xdsl', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "program.npz")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[0.0, 2.0, 0.0, 0.0, 4.0] []\n"


def test_a_loaded_program_is_the_saved_one(tmp_path: Path, row_sums: Program) -> None:
    row_sums.save(tmp_path / "program.npz")
    loaded = headrace.load(tmp_path / "program.npz")
    assert loaded.arguments == row_sums.arguments
    assert loaded.results == row_sums.results
    assert loaded.run(MATRIX).cycles == row_sums.run(MATRIX).cycles


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_program_is_refused(tmp_path: Path, row_sums: Program, kept: float) -> None:
    path = tmp_path / "program.npz"
    row_sums.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="is not a complete npz file"):
        headrace.load(path)


def test_another_npz_is_no_program(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", A=np.ones(2))
    with pytest.raises(InputError, match="is no saved program"):
        headrace.load(tmp_path / "x.npz")


@pytest.mark.parametrize("manifest", ["not json", "{}", "null", '{"version": 2}'])
def test_a_damaged_manifest_is_named(manifest: str, tmp_path: Path):
    path = tmp_path / "program.npz"
    np.savez(path, manifest=np.frombuffer(manifest.encode(), dtype=np.uint8))
    with pytest.raises(InputError, match="is damaged"):
        Program.load(path)


@pytest.mark.parametrize("name", ["steps.0.program.kinds", "manifest"])
def test_a_changed_program_is_refused(tmp_path: Path, row_sums: Program, name: str) -> None:
    path = tmp_path / "program.npz"
    row_sums.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    if name == "manifest":
        text = arrays[name].tobytes().replace(b'"constants"', b'"constant"')
        arrays[name] = np.frombuffer(text, dtype=np.uint8)
    else:
        arrays[name] = arrays[name][:-1]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="was changed since it was saved"):
        headrace.load(path)


@pytest.mark.parametrize("depth", [0, -1, 2**30, 10**30, 2.5, "x", True])
def test_what_is_no_depth_is_refused(row_sums: Program, depth: Any) -> None:
    with pytest.raises(InputError, match=r"depth"):
        row_sums.run(MATRIX, depth=depth)


@pytest.mark.parametrize("machine", ["nowhere.toml", {"memory": {"channels": 2}}])
def test_what_is_no_machine_is_refused(row_sums: Program, machine: Any) -> None:
    with pytest.raises(InputError, match="machine"):
        row_sums.run(MATRIX, machine=machine)
