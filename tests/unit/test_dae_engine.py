"""The engine of access-execute programs against the interpreters, for every family and level."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.analyses.dae_counts import queue_counts
from headrace.backends.dae import build
from headrace.interpreters import dlc
from headrace.pipelines.load import resolve_pipeline
from headrace.simulators.dae.execute import execute
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.small_floats import decoding_tables, rounded_small, small_bits
from headrace.simulators.dae.timing import simulate
from headrace.storage.bfloat16 import round_to_bfloat16
from headrace.storage.errors import InputError
from headrace.tests import dae_programs
from headrace.tests.ember_nests import NESTS, Draw, function, lowered, parse
from headrace.tests.unit.test_dae_interpreters import buffers

MACHINE = DaeMachine()


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("name", NESTS)
def test_engine_interpreter_and_static_counts_agree(name: str, level: int) -> None:
    text, draw = NESTS[name]
    nest = function(lowered(text, resolve_pipeline(f"ember-opt{level}")))
    program, counts = build(nest), queue_counts(nest)
    for seed in range(3):
        given = draw(Draw(seed))
        expected, found = ([np.array(array) for array in given] for _ in range(2))
        traffic = dlc.run_function(nest, expected)
        run = execute(program, found, MACHINE)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
        assert (run.tokens, run.words) == (traffic.tokens, traffic.words)
        assert counts.evaluate(given) == (traffic.tokens, traffic.words)
        assert run.trace.total_words == run.words
        assert run.trace.total_tokens == run.tokens - 1
        timed = execute(program, given, MACHINE, values=False)
        assert (timed.tokens, timed.words) == (run.tokens, run.words)
        for part in fields(run.trace):
            one, other = getattr(timed.trace, part.name), getattr(run.trace, part.name)
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("level", range(4))
def test_sums_are_those_of_the_interpreter_to_the_bit(level: int) -> None:
    nest = dae_programs.decoupled(level, 4)
    found = buffers([3, 0, 2], 7)
    expected = [np.array(array) for array in found]
    dlc.run_function(nest, expected)
    execute(build(nest), found, MACHINE)
    np.testing.assert_array_equal(found[3], expected[3])


def test_the_trace_is_what_the_access_unit_did() -> None:
    """Two bags of 2 and 1 rows, of 4 f64 that fill half a line; no tensors share lines."""
    given = buffers([2, 1], 4)
    given[0][:] = [4, 1, 0]
    trace = execute(build(dae_programs.decoupled(3)), given, MACHINE).trace
    kinds = [trace.kinds[int(kind)] for kind in trace.kind.tolist()]
    assert kinds == ["%e", "%e", "end of %p", "%e", "end of %p"]
    assert trace.tokens.tolist() == [1, 1, 1, 1, 1]
    assert trace.words.tolist() == [4, 4, 0, 4, 0]
    requests = [
        (trace.streams[int(trace.stream[i])].name, int(trace.lines[i]), int(trace.parent[i]))
        for i in range(len(trace.stream))
    ]
    # Both offsets lie in one line that each of their streams asks for; so do all indices.
    assert requests == [
        ("offsets", 1, -1),
        ("offsets 2", 1, -1),
        ("indices", 1, 1),
        ("table", 1, 2),
        ("table", 1, 2),
    ]
    assert trace.first_request.tolist() == [0, 4, 5, 5, 5, 5]
    assert [stream.height for stream in trace.streams] == [2, 2, 1, 0]


@pytest.mark.parametrize("level", range(4))
def test_cycles_are_near_those_of_the_calibrated_run(level: int) -> None:
    """RM1 of the specification: 64 bags of 64 rows of 32 numbers, without locality."""
    random = np.random.default_rng(0)
    given = [
        random.integers(0, 1_000_000, 4096),
        np.arange(65) * 64,
        np.broadcast_to(np.float64(0), (1_000_000, 32)),
        np.zeros((64, 32)),
    ]
    run = execute(build(dae_programs.decoupled(level, 8)), given, MACHINE)
    cycles = simulate(run.trace, MACHINE).cycles / 4096
    assert cycles == pytest.approx([229.5, 57.1, 39.8, 34.4][level], rel=0.03)


def test_an_index_outside_names_tensor_index_and_place() -> None:
    given = buffers([2, 1], 4)
    given[0][2] = 6
    where = r"index 6 .* size 6 of %table of @embedding_bag, where %b is 1, %p is 2, %e is 0"
    with pytest.raises(InputError, match=where):
        execute(build(dae_programs.decoupled(1)), given, MACHINE)


@pytest.mark.parametrize("level", range(4))
def test_an_index_outside_in_a_case_names_the_loops_around_its_token(level: int) -> None:
    text, draw = NESTS["edge_list"]
    program = build(function(lowered(text, resolve_pipeline(f"ember-opt{level}"))))
    given = draw(Draw(0))
    given[0][1] = 99
    where = r"index 99 .* of %out of @add_at_0, where %p is 1, %e is 0$"
    with pytest.raises(InputError, match=where):
        execute(program, given, MACHINE)


def test_without_values_tables_are_neither_read_nor_written() -> None:
    """A table of 2 TB and bags of it, of which there is one number in memory."""
    nothing = np.broadcast_to(np.float64(0), (1 << 33, 32))
    given = [np.array([1 << 32, 5]), np.array([0, 2]), nothing, nothing[:1]]
    program = build(dae_programs.decoupled(3, 8))
    run = execute(program, given, MACHINE, values=False)
    assert (run.tokens, run.words) == (2 + 1 + 1, 64)
    rows = run.trace.line[run.trace.stream == 3]
    assert rows[0] - rows[1] == ((1 << 32) - 5) * 32 * 8 // 64


COUNT_POSITIVE = """
func.func @count(%x: memref<?xf64>, %out: memref<1xi64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f64
  %size = memref.dim %x, %c0 : memref<?xf64>
  scf.for %i = %c0 to %size step %c1 {
    %v = memref.load %x[%i] : memref<?xf64>
    %holds = arith.cmpf ogt, %v, %zero : f64
    %one = arith.extui %holds : i1 to i64
    %before = memref.load %out[%c0] : memref<1xi64>
    %after = arith.addi %before, %one : i64
    memref.store %after, %out[%c0] : memref<1xi64>
  }
  func.return
}
"""


def test_floats_on_which_integers_depend_are_computed_all_the_same() -> None:
    program = build(function(parse(COUNT_POSITIVE)))
    count = np.zeros(1, np.int64)
    execute(program, [np.array([1.0, -1.0, 2.0]), count], MACHINE, values=False)
    assert count[0] == 2


def test_a_row_beyond_a_chunk_of_the_queue_is_refused() -> None:
    with pytest.raises(InputError, match="token of case '1' comes after 20 words"):
        execute(build(dae_programs.decoupled(3)), buffers([1], 20), DaeMachine(queue_words=32))


def test_buffers_of_another_type_or_number_are_refused() -> None:
    program, given = build(dae_programs.decoupled(0)), buffers([1], 4)
    with pytest.raises(InputError, match="takes 4 buffers, but 3"):
        execute(program, given[:3], MACHINE)
    given[2] = given[2].astype(np.float32)
    with pytest.raises(InputError, match="%table is an array of float32"):
        execute(program, given, MACHINE)


def test_a_saved_program_runs_alike(tmp_path: Path) -> None:
    program = build(dae_programs.decoupled(3))
    program.save(tmp_path / "program.npz")
    found, expected = buffers([2, 1], 4), buffers([2, 1], 4)
    first = execute(program, expected, MACHINE)
    second = execute(Program.load(tmp_path / "program.npz"), found, MACHINE)
    np.testing.assert_array_equal(found[3], expected[3])
    np.testing.assert_array_equal(first.trace.line, second.trace.line)
    (tmp_path / "program.npz").write_bytes(b"")
    with pytest.raises(InputError, match="cannot read an access-execute program"):
        Program.load(tmp_path / "program.npz")


NUMBERS = st.floats(width=64) | st.floats(-1e5, 1e5) | st.floats(-1e-6, 1e-6)


@settings(max_examples=300, deadline=None)
@given(x=NUMBERS)
def test_small_floats_are_those_of_numpy(x: float) -> None:
    with np.errstate(over="ignore"):
        half = np.float16(x)
    found: Any = np.float64(rounded_small(x, 10, -14))
    np.testing.assert_array_equal(found, np.float64(half))
    single = np.float32(x) if abs(x) < 3e38 else np.float32(np.inf) * np.float32(np.sign(x))
    brain: Any = np.float64(rounded_small(float(single), 7, -126))
    np.testing.assert_array_equal(brain, np.float64(round_to_bfloat16(np.array([single]))[0]))
    if not np.isnan(x):
        assert small_bits(float(half), 10, -14) == int(half.view(np.uint16))
        tables = decoding_tables()
        assert tables[0, small_bits(found, 10, -14)] == found
        assert tables[1, small_bits(brain, 7, -126)] == brain
