"""What the engine promises apart from recorded figures: errors, deadlocks, programs, records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream import tokens
from headrace.simulators.stream.catalogue import CATALOGUE
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.language import (
    DONE,
    In,
    Out,
    fail,
    finish,
    peek,
    pop,
    send,
    take,
    tick,
    token_of,
    value_of,
)
from headrace.simulators.stream.machine import MachineDescription
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.report import write_trace
from headrace.simulators.stream.schedule import SMALLEST_OUTPUT, UNBOUNDED_RING, Run
from headrace.simulators.stream.simulate import simulate


def source(builder: ProgramBuilder, text: str) -> Stream:
    name = f"in {text}"
    (stream,) = builder.node("source", tokens=Slot(name), name=name)
    return stream


def arrays(*texts: str, values: bool = False) -> dict[str, Any]:
    return {f"in {text}": np.array(tokens.parse(text, values)) for text in texts}


def vector_sum() -> Program:
    builder = ProgramBuilder()
    crd, ref = builder.node(
        "scan_compressed",
        *builder.node("root"),
        segments=Slot("A.0.segments"),
        coordinates=Slot("A.0.coordinates"),
    )
    (val,) = builder.node("array", ref, values=Slot("A.values"))
    (doubled,) = builder.node("alu", val, val, op="add")
    builder.node("write_coordinates", crd, output="X.0")
    builder.node("write_values", doubled, output="X")
    return builder.build()


VECTOR: dict[str, Any] = {
    "A.0.segments": np.array([0, 3]),
    "A.0.coordinates": np.array([1, 4, 6]),
    "A.values": np.array([1.0, 2.0, 3.0]),
}


def test_program_saves_and_loads(tmp_path: Path) -> None:
    program = vector_sum()
    program.save(tmp_path / "p.npz")
    loaded = Program.load(tmp_path / "p.npz")
    assert loaded.slots() == ["A.0.coordinates", "A.0.segments", "A.values"]
    first, second = simulate(program, VECTOR), simulate(loaded, VECTOR)
    assert first.cycles == second.cycles
    assert second.outputs["X.values"].tolist() == [2.0, 4.0, 6.0]


def test_truncated_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    vector_sum().save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ProgramError, match="cannot read a stream program"):
        Program.load(path)


def test_fan_out_gets_one_broadcast() -> None:
    program = vector_sum()
    assert program.kinds.tolist().count("broadcast") == 1
    index = program.kinds.tolist().index("broadcast")
    assert len(program.node_outputs(index)) == 2


def test_broadcast_costs_one_hop_and_no_occupancy() -> None:
    def run(readers: int) -> int:
        builder = ProgramBuilder()
        stream = source(builder, "0 1 S0 D")
        for reader in range(readers):
            builder.node("sink", stream, output=f"{reader}")
        return simulate(builder.build(), arrays("0 1 S0 D")).cycles

    assert run(3) == run(1) + 1


@pytest.mark.parametrize("depth", [0, -3])
def test_depth_below_one_is_refused(depth: int) -> None:
    with pytest.raises(ProgramError, match=f"channel depth {depth} is too small"):
        simulate(vector_sum(), VECTOR, depth=depth)


def test_missing_array_is_named() -> None:
    bound = {name: array for name, array in VECTOR.items() if name != "A.values"}
    with pytest.raises(ProgramError, match=r"slot 'A.values', 'values' of node 'array', is not"):
        simulate(vector_sum(), bound)


def test_wrong_type_of_array_is_refused() -> None:
    with pytest.raises(ProgramError, match="must be a vector of int64, not float64"):
        simulate(vector_sum(), VECTOR | {"A.0.coordinates": np.array([1.0, 4.0, 6.0])})


@pytest.mark.parametrize(
    ("kind", "inputs", "parameters", "message"),
    [
        ("scann", 1, {}, "there is no primitive 'scann'"),
        ("repeat", 1, {}, "repeat takes 2 input streams, not 1"),
        ("array", 1, {}, "array needs the parameter 'values'"),
        ("array", 1, {"values": Slot("v"), "size": 3}, "array has no parameter 'size'"),
        ("write_values", 1, {}, "write_values needs output="),
        ("accumulate", 3, {"order": 2}, "an accumulator of order 2 does not have 3 inputs"),
        ("reduce", 1, {"rows": 0, "columns": 2}, "needs tiles of rows x columns"),
    ],
)
def test_bad_nodes_are_refused_with_their_name(
    kind: str, inputs: int, parameters: dict[str, Any], message: str
) -> None:
    builder = ProgramBuilder()
    streams = [source(builder, "D") for _ in range(inputs)]
    with pytest.raises(ProgramError, match=message) as error:
        builder.node(kind, *streams, name="culprit", **parameters)
    assert "node 'culprit'" in str(error.value)


def test_unknown_operation_is_refused() -> None:
    builder = ProgramBuilder()
    builder.node("alu", source(builder, "D"), op="squint")
    with pytest.raises(ProgramError, match="no such operation"):
        simulate(builder.build(), arrays("D"))


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ("1 2 S0 D", "1 S0 S0 D", "port x1, token 2: S0 against a value"),
        ("1 S0 D", "1 N S0 D", "port x1, token 2: N against a stop"),
        ("1 S0 D", "1 S1 D", "port x1, token 2: S1 against a stop"),
        ("S1~1 D", "S1 D", "port x1, token 1: S1 against a stop"),
        ("1 D", "1 S0 D", "port x1, token 2: S0 against a stop"),
    ],
)
def test_misaligned_operands_are_reported_with_port_and_position(
    left: str, right: str, message: str
) -> None:
    builder = ProgramBuilder()
    streams = [source(builder, left), source(builder, right)]
    (val,) = builder.node("alu", *streams, op="add", name="sum")
    builder.node("sink", val, output="out")
    with pytest.raises(SimulationError) as error:
        simulate(builder.build(), arrays(left, right, values=True))
    assert str(error.value).startswith(f"node 'sum' (alu), {message}")


def test_reference_outside_the_segments_is_reported() -> None:
    builder = ProgramBuilder()
    builder.node(
        "scan_compressed",
        source(builder, "0 5 S0 D"),
        segments=Slot("s"),
        coordinates=Slot("c"),
        name="rows",
    )
    bound = arrays("0 5 S0 D") | {"s": np.array([0, 1]), "c": np.array([0])}
    with pytest.raises(SimulationError, match=r"node 'rows' .*token 2: reference 5 is outside"):
        simulate(builder.build(), bound)


@pytest.mark.parametrize("segments", [[0, 9], [-1, 1], [2, 1]])
def test_segments_that_leave_the_coordinates_are_reported(segments: list[int]) -> None:
    with pytest.raises(SimulationError, match="the segment of reference 0 leaves the coordinates"):
        simulate(vector_sum(), VECTOR | {"A.0.segments": np.array(segments)})


def test_negative_coordinates_are_refused() -> None:
    with pytest.raises(ProgramError, match=r"'coordinates' of node .* holds -2"):
        simulate(vector_sum(), VECTOR | {"A.0.coordinates": np.array([1, -2, 3])})


def test_empty_program_takes_no_time() -> None:
    result = simulate(ProgramBuilder().build(), {})
    assert (result.cycles, result.tokens, result.deadlock) == (0, 0, None)


def test_joiner_reports_operands_that_end_differently() -> None:
    builder = ProgramBuilder()
    texts = ("1 S0 S1 D", "1 S1 D")
    crds = [source(builder, text) for text in texts]
    refs = [source(builder, text) for text in texts]
    builder.node("intersect", *crds, *refs, name="join")
    with pytest.raises(SimulationError, match=r"node 'join' .*operands disagree about stops"):
        simulate(builder.build(), arrays(*texts))


# Cycles in the graph ------------------------------------------------------------------------------


@primitive
def running_sum(x: In, past: In, total: Out, future: Out) -> None:
    """Adds each value to a sum that travels around a cycle."""
    while True:
        token = take(x)
        if token == DONE:
            send(total, DONE)
            send(future, DONE)
            finish()
        old = take(past)
        new = value_of(token) + value_of(old)
        send(total, token_of(new))
        send(future, token_of(new))
        tick(1)


@pytest.fixture
def feedback(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Program]:
    """A running sum whose state takes three cycles to come back."""
    monkeypatch.setitem(CATALOGUE, "running_sum", running_sum)

    def build(initial: str) -> Program:
        builder = ProgramBuilder()
        past = builder.feedback(tokens.parse(initial, values=True))
        total, future = builder.node("running_sum", source(builder, "1 2 3 D"), past, name="sum")
        (delayed,) = builder.node("alu", future, op="mul", scalar=1.0, name="delay")
        builder.connect(past, delayed)
        builder.node("sink", total, output="out")
        return builder.build()

    return build


@pytest.mark.parametrize("depth", [None, 16, 2])
def test_cycle_with_an_initial_token_runs(
    feedback: Callable[[str], Program], depth: int | None
) -> None:
    """The sum takes 1 at time 1; its state is back two hops later, so one value in 2 cycles."""
    result = simulate(feedback("0"), arrays("1 2 3 D", values=True), depth=depth)
    found = result.outputs["out.tokens"].tolist()
    assert tokens.format_stream(found, values=True) == "1 3 6 D"
    clocks = {node.name: node.cycles for node in result.nodes}
    assert clocks["sum"] == 6


def test_cycle_without_an_initial_token_is_a_deadlock(feedback: Callable[[str], Program]) -> None:
    deadlock = simulate(feedback(""), arrays("1 2 3 D", values=True), depth=4).deadlock
    assert deadlock is not None
    assert deadlock.smallest_depth is None
    assert {blocked.node for blocked in deadlock.cycle} == {"sum", "delay"}
    assert "a cycle needs an initial token" in str(deadlock)


def test_feedback_that_was_never_connected_is_refused() -> None:
    builder = ProgramBuilder()
    builder.node("sink", builder.feedback(), output="out")
    with pytest.raises(ProgramError, match=r"never connected; call connect"):
        builder.build()


# Records ------------------------------------------------------------------------------------------


def test_busy_and_stalled_cycles_add_up_to_the_clock() -> None:
    for node in simulate(vector_sum(), VECTOR, depth=1).nodes:
        assert node.busy + node.stalled_on_input + node.stalled_on_output == node.cycles
        assert min(node.busy, node.stalled_on_input, node.stalled_on_output) >= 0


def test_peak_of_a_channel_is_what_a_slow_reader_lets_pile_up() -> None:
    """One token a cycle in, one every three cycles out: token k is sent at k, taken at 1 + 3 k."""
    builder = ProgramBuilder()
    builder.node("sink", source(builder, "0 1 2 3 4 5 D"), output="out", interval=3)
    program = builder.build()
    bound = arrays("0 1 2 3 4 5 D")
    (channel,) = simulate(program, bound, occupancy=True).channels
    # Before token 2 is taken at 7, all 7 tokens (stamps 1 to 7) are there but the first two.
    assert channel.peak == 5
    assert simulate(program, bound, depth=2, occupancy=True).channels[0].peak == 2
    assert simulate(program, bound).channels[0].peak is None


def test_peaks_are_enough_capacity_to_run_as_if_unbounded() -> None:
    program = vector_sum()
    unbounded = simulate(program, VECTOR, occupancy=True)
    depth = max(channel.peak or 0 for channel in unbounded.channels)
    assert simulate(program, VECTOR, depth=depth + 1).cycles == unbounded.cycles


def test_rings_stay_as_they_are_while_their_reader_waits_for_a_larger_array() -> None:
    builder = ProgramBuilder()
    crd, _ = builder.node("scan_dense", *builder.node("root"), extent=2 * SMALLEST_OUTPUT)
    builder.node("write_coordinates", crd, output="X.0")
    run = Run(builder.build(), {}, None, None)
    run.run()
    assert max(len(ring) for ring in run.rings) == 2 * UNBOUNDED_RING


def test_trace_shows_busy_times_of_every_node(tmp_path: Path) -> None:
    result = simulate(vector_sum(), VECTOR, trace=True)
    write_trace(result, tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert {e["args"]["name"] for e in events if e["ph"] == "M"} == {n.name for n in result.nodes}
    spans = [e for e in events if e["ph"] == "X"]
    assert max(e["ts"] + e["dur"] for e in spans) == result.cycles
    assert simulate(vector_sum(), VECTOR).cycles == result.cycles


def test_timing_only_keeps_times_and_leaves_values_out() -> None:
    full, timed = simulate(vector_sum(), VECTOR), simulate(vector_sum(), VECTOR, timing_only=True)
    assert [n.cycles for n in timed.nodes] == [n.cycles for n in full.nodes]
    assert "X.values" not in timed.outputs
    assert timed.outputs["X.0.coordinates"].tolist() == [1, 4, 6]


def test_traffic_counts_the_words_of_each_tensor() -> None:
    memory = simulate(vector_sum(), VECTOR).memory
    assert (memory["A"].read, memory["A"].written) == (8 * (2 + 3 + 3), 0)
    assert (memory["X"].read, memory["X"].written) == (0, 8 * (3 + 1 + 3))


def test_nan_values_are_values() -> None:
    control = np.array([tokens.stop(0)]).view(np.float64)
    values = np.array([np.nan, control[0], -np.nan])
    result = simulate(vector_sum(), VECTOR | {"A.values": values})
    assert np.isnan(result.outputs["X.values"]).tolist() == [True] * 3


# Machines and the language ------------------------------------------------------------------------


def test_machine_description_reads_toml(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("[memory]\nchannels = 4\n")
    assert MachineDescription.load(path).memory.channels == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[memory", "is not valid TOML"),
        ("[mem]\n", "there is no section 'mem'"),
        ("[memory]\nchanels = 4\n", "the memory has no 'chanels'"),
        ("[memory]\nchannels = 0\n", "memory.channels must be a whole number from 1"),
        ("[memory]\nchannels = 4097\n", "memory.channels must be a whole number from 1 to 4096"),
        ("memory = 3\n", r"write \[memory\] above its keys"),
    ],
)
def test_bad_machine_descriptions_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(ProgramError, match=message):
        MachineDescription.load(path)


def test_primitive_without_a_tick_is_refused_where_it_is_defined() -> None:
    def forgets(x: In, y: Out) -> None:
        while True:
            token = take(x)
            send(y, token)
            if token == DONE:
                finish()

    with pytest.raises(SyntaxError, match=r"forgets: tick\(\) is never called") as error:
        primitive(forgets)
    assert error.value.filename == __file__
    assert error.value.lineno == forgets.__code__.co_firstlineno


def test_unknown_name_in_a_primitive_points_at_its_line() -> None:
    def outlandish(x: In, y: Out) -> None:
        while True:
            token = take(x)
            send(y, abs(token))
            tick(1)
            if token == DONE:
                finish()

    with pytest.raises(SyntaxError, match="outlandish: unknown name 'abs'") as error:
        primitive(outlandish)
    assert error.value.lineno == outlandish.__code__.co_firstlineno + 3


def test_unused_port_is_refused() -> None:
    def deaf(x: In, y: Out) -> None:
        send(y, DONE)
        tick(1)
        finish()

    with pytest.raises(SyntaxError, match="deaf: port 'x' is never used"):
        primitive(deaf)


@helper
def pass_on(x: In, y: Out) -> int:
    token = take(x)
    send(y, token)
    return token


def misspells(x: In, y: Out) -> None:
    token = peek(x)
    pop(x, wen=token == DONE)  # pyright: ignore[reportCallIssue]


def gives_too_much(x: In, y: Out) -> None:
    send(y, DONE, 3, 4)  # pyright: ignore[reportCallIssue]


def gives_too_little(x: In, y: Out) -> None:
    take()  # pyright: ignore[reportCallIssue]
    send(y, DONE)


def gives_a_helper_too_little(x: In, y: Out) -> None:
    pass_on(x)  # pyright: ignore[reportCallIssue]


def names_what_has_no_name(x: In, y: Out) -> None:
    for k in range(3, step=2):  # pyright: ignore[reportCallIssue]
        send(y, k)


def unpacks(x: In, y: Out) -> None:
    send(*(y, DONE))


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (unpacks, 1, r"send\(\*\(y, DONE\)\): arguments are given one by one"),
        (misspells, 2, r"pop\(x, wen=token == DONE\): .* unexpected keyword argument 'wen'"),
        (gives_too_much, 1, r"send\(y, DONE, 3, 4\): too many positional arguments"),
        (gives_too_little, 1, r"take\(\): missing a required argument: 'port'"),
        (gives_a_helper_too_little, 1, r"pass_on\(x\): missing a required argument: 'y'"),
        (names_what_has_no_name, 1, "range takes its arguments by position"),
    ],
)
def test_arguments_that_a_verb_does_not_have_are_refused_at_their_line(
    body: Callable[..., None], line: int, message: str
) -> None:
    with pytest.raises(SyntaxError, match=f"{body.__name__}: {message}") as error:
        primitive(body)
    assert error.value.lineno == body.__code__.co_firstlineno + line


def test_a_helper_has_no_defaults_and_no_packed_arguments() -> None:
    def prepared(x: In, step: int = 7) -> int:
        return step

    def packed(x: In, *steps: int) -> int:
        return 0

    with pytest.raises(SyntaxError, match="prepared: 'step' of a helper cannot have a default"):
        helper(prepared)
    with pytest.raises(SyntaxError, match="packed: arguments are declared one by one"):
        helper(packed)


@primitive
def twice(x: In, y: Out) -> None:
    """Every token two times, with all arguments that can be named by name."""
    again = 0
    while True:
        token = peek(port=x)
        if token == DONE:
            send(token=DONE, port=y)
            finish()
        if token == 9:
            fail("{token} is too many", token=token)
        send(y, token, at=10)
        pop(x, when=again == 1)
        again = 1 - again
        tick(1)


def test_arguments_by_name_mean_what_they_mean_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "twice", twice)

    def run(text: str) -> list[int]:
        builder = ProgramBuilder()
        (doubled,) = builder.node("twice", source(builder, text), name="twice")
        builder.node("sink", doubled, output="out")
        return simulate(builder.build(), arrays(text)).outputs["out.tokens"].tolist()

    assert tokens.format_stream(run("1 2 D")) == "1 1 2 2 D"
    with pytest.raises(SimulationError, match=r"node 'twice' \(twice\): 9 is too many"):
        run("9 D")
