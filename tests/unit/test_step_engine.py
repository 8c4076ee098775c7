"""The engine on streaming tensor programs: what a result says, and what is refused."""

from typing import Any

import pytest

from headrace.simulators.stream.coroutines import run_coroutines
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.kernel import Variant
from headrace.simulators.stream.kernels import compiled
from headrace.simulators.stream.language import (
    In,
    Ins,
    ManyIns,
    ManyOuts,
    Out,
    StaticInt,
    arrival,
    close,
    finish,
    send,
    stamp_of,
    take,
    tick,
)
from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.memory import ParityMemory
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.statistics import SimulationResult, Traffic
from headrace.simulators.stream.step_memory import StepMemory
from headrace.simulators.stream.step_tokens import words


def product() -> Program:
    """Four tiles [16, 64] times four [64, 8], stored."""
    builder = ProgramBuilder()
    loads = [
        builder.node(
            "step_load",
            shape=(1, 4),
            tile_rows=rows,
            tile_columns=columns,
            width=2,
            name=f"load {rows}",
        )[0]
        for rows, columns in ((16, 64), (64, 8))
    ]
    [result] = builder.node(
        "step_map", *loads, fn="matmul", compute=64, widths=(2, 2), name="product"
    )
    builder.node("step_store", result, width=2, name="store")
    return builder.build()


def run(program: Program, depth: int | None = None) -> SimulationResult:
    return simulate(program, {}, depth=depth)


def test_statistics() -> None:
    result = run(product(), depth=4)
    nodes = {node.name: node for node in result.nodes}
    operations = 4 * 2 * 16 * 64 * 8
    assert nodes["product"].operations == operations
    assert nodes["product"].busy == operations // 64, "it computes longer than it reads"
    assert nodes["product"].tokens == 4
    assert {name: node.requests for name, node in nodes.items()} == {
        "load 16": 4 * 16 * 2,
        "load 64": 4 * 64,
        "product": 0,
        "store": 4 * 16,
    }
    assert result.memory == {
        "load 16": Traffic(read=4 * 16 * 128),
        "load 64": Traffic(read=4 * 64 * 64),
        "store": Traffic(written=4 * 16 * 64),
    }
    for node in result.nodes:
        assert node.busy + node.stalled_on_input + node.stalled_on_output == node.cycles
    assert result.cycles == max(node.cycles for node in result.nodes)
    assert result.tokens == 12


def test_channels_without_capacity_are_never_full() -> None:
    assert run(product()).cycles == run(product(), depth=1000).cycles <= run(product(), 1).cycles


def test_what_nobody_reads_costs_nothing() -> None:
    """A thousand elements at one time to a port without a reader."""

    def cycles(read: bool) -> int:
        builder = ProgramBuilder()
        [numbers] = builder.node("step_words", words=(1500 << 6,))
        [copies] = builder.node("step_flat_map", numbers, fn="copies")
        left, right = builder.node("step_broadcast", copies, lanes=2)
        builder.node("step_record", left, output="left")
        if read:
            builder.node("step_sink", right)
        return run(builder.build()).cycles

    assert cycles(read=False) == cycles(read=True)


def test_a_merge_takes_what_comes_first() -> None:
    """The left input is first, then late; equal times go to the first input."""
    builder = ProgramBuilder()
    [early] = builder.node("step_words", words=tuple(words("1 2")))
    [late] = builder.node("step_words", words=tuple(words("5 6")))
    slow = builder.node("step_map", late, fn="number", widths=(-8,), value=9)
    data, selector = builder.node("step_merge", early, *slow, unit=0, output="merge")
    builder.node("step_record", data, output="data")
    builder.node("step_record", selector, output="selector")
    result = run(builder.build())
    assert result.outputs["merge.choices"].tolist() == [0, 0, 1, 1]
    assert result.outputs["data.words"].tolist() == words("1 2 9 9")
    assert result.outputs["selector.words"].tolist() == words("0 0 1 1")


def test_reassembly_keeps_its_order() -> None:
    builder = ProgramBuilder()
    [late] = builder.node("step_words", words=tuple(words("5 6")))
    slow = builder.node("step_map", late, fn="number", widths=(-8,), value=9)
    [early] = builder.node("step_words", words=tuple(words("1 2")))
    [control] = builder.node("step_words", words=tuple(words("2 2")))
    [y] = builder.node(
        "step_reassemble",
        *slow,
        early,
        control,
        unit=0,
        width=-8,
        control_width=-2,
        starts=Slot("starts"),
        members=Slot("members"),
        output="merge",
    )
    builder.node("step_record", y, output="y")
    table = {"starts": [0, 1, 2, 4], "members": [0, 1, 0, 1]}
    result = simulate(builder.build(), table)
    assert result.outputs["merge.order"].tolist() == [1, 0, 1, 0]
    assert result.outputs["y.words"].tolist() == words("1 9 S1 2 9 S1")


def test_deadlock_names_who_waits() -> None:
    """The merge of a feedback loop that starts empty."""
    builder = ProgramBuilder()
    back = builder.feedback()
    [numbers] = builder.node("step_words", words=tuple(words("1 2")))
    [total] = builder.node("step_map", numbers, back, fn="number", widths=(-8, -8), name="add")
    a, b = builder.node("step_broadcast", total, lanes=2, name="fan")
    builder.connect(back, a)
    builder.node("step_sink", b, name="end")
    result = run(builder.build(), depth=2)
    assert result.deadlock is not None
    assert {one.node for one in result.deadlock.blocked} == {"add", "fan", "end"}
    assert {one.node for one in result.deadlock.cycle} == {"add", "fan"}
    assert result.deadlock.smallest_depth is None
    assert not result.outputs


def test_a_merge_that_waits_for_ever() -> None:
    builder = ProgramBuilder()
    back = builder.feedback()
    [numbers] = builder.node("step_words", words=tuple(words("1")))
    data, _ = builder.node("step_merge", numbers, back, unit=0, output="merge", name="merge")
    a, b = builder.node("step_broadcast", data, lanes=2, name="fan")
    [unit] = builder.node("step_accumulate", a, fn="signal", levels=1, widths=(-8,), name="wait")
    builder.connect(back, unit)
    builder.node("step_sink", b, name="end")
    deadlock = run(builder.build(), depth=4).deadlock
    assert deadlock is not None
    merge = next(one for one in deadlock.blocked if one.node == "merge")
    assert (merge.kind, merge.other) == ("data", "wait")


def test_what_step_programs_cannot_have() -> None:
    with pytest.raises(ProgramError, match="StepMemory"):
        simulate(product(), {}, memory=ParityMemory())
    with pytest.raises(ProgramError, match="occupancy"):
        simulate(product(), {}, occupancy=True)
    with pytest.raises(ProgramError, match="coroutines cannot"):
        run_coroutines(product(), {})
    builder = ProgramBuilder()
    [numbers] = builder.node("step_words", words=(64,))
    builder.node("step_sink", numbers)
    builder.node("step_sink", numbers)
    with pytest.raises(ProgramError, match="fan out with step_broadcast"):
        run(builder.build())


@pytest.mark.parametrize("kind", ["step_words", "step_load", "step_map", "step_merge"])
def test_only_buffers_are_replayed(kind: str) -> None:
    """An element that is no reference to a buffer would lead anywhere in memory."""
    builder = ProgramBuilder()
    [numbers] = builder.node("step_words", words=tuple(words("1 2 S1")))
    [held] = builder.node("step_bufferize", numbers, levels=1)
    if kind == "step_words":
        [wrong] = builder.node(kind, words=(64,))
    elif kind == "step_load":
        [wrong] = builder.node(kind, shape=(1,), tile_rows=4, tile_columns=4, width=2)
    elif kind == "step_map":
        [wrong] = builder.node(kind, held, fn="touch", widths=(0,))
    else:
        _, wrong = builder.node(kind, held, unit=0, output="merge")
    passed = builder.node("step_broadcast", wrong, lanes=2)
    [replayed] = builder.node("step_streamify", passed[0], levels=1, repeat=(2,))
    builder.node("step_sink", replayed)
    with pytest.raises(ProgramError, match="something else than buffers"):
        run(builder.build())


def test_what_fills_a_chunk_of_buffers() -> None:
    builder = ProgramBuilder()
    [numbers] = builder.node("step_words", words=tuple(words("1 2 S1")))
    [held] = builder.node("step_bufferize", numbers, levels=1)
    chunks, _ = builder.node("step_reshape", held, unit=0, chunk=2)
    [replayed] = builder.node("step_streamify", chunks, levels=1, repeat=(2,))
    builder.node("step_sink", replayed)
    with pytest.raises(SimulationError, match="cannot be replayed"):
        run(builder.build())


def test_lanes_to_deal_to() -> None:
    builder = ProgramBuilder()
    [numbers] = builder.node("step_words", words=tuple(words("1 2")))
    with pytest.raises(ProgramError, match="lanes"):
        builder.node("step_deal", numbers, unit=0)


@pytest.mark.parametrize("counted", ["dispatch", "request_bytes"])
def test_what_is_counted_from_one(counted: str) -> None:
    builder = ProgramBuilder()
    parameters: dict[str, Any] = {"tile_rows": 1, "tile_columns": 1, "width": 2, counted: 0}
    builder.node("step_load", shape=(1, 1), **parameters)
    with pytest.raises(ProgramError, match=f"'{counted}' of node 'step_load' is 0; give 1 or more"):
        run(builder.build())


def test_machines_have_sizes() -> None:
    with pytest.raises(ProgramError, match=r"step.channels must be a whole number from 1 "):
        StepMachine(channels=0)
    with pytest.raises(ProgramError, match=r"step.channels must be a whole number .* to 4096"):
        StepMachine(channels=2**13)
    with pytest.raises(ProgramError, match=r"step.latency must be .*, not 1.5"):
        StepMachine(latency=1.5)  # pyright: ignore[reportArgumentType]
    slow = StepMemory(StepMachine(startup=100))
    assert simulate(product(), {}, memory=slow).cycles > run(product()).cycles


def test_a_trace_has_the_busy_times() -> None:
    result = simulate(product(), {}, depth=4, trace=True)
    spans = [one for one in result.intervals if one.node == "product"]
    assert sum(one.end - one.start for one in spans) >= 4 * 2 * 16 * 64 * 8 // 64


def test_times_of_named_ports_are_not_for_primitives() -> None:
    """Only ports that are addressed at run time have `arrival` and `stamp_of`."""

    @primitive
    def ask_arrival(x: In, y: Out) -> None:
        stamp = arrival(x)
        send(y, stamp)
        tick(1)
        close()
        finish()

    @primitive
    def ask_stamp(x: Ins, y: Out, n: StaticInt) -> None:
        for k in range(n):
            stamp = stamp_of(x[k])
            send(y, stamp)
        tick(1)
        close()
        finish()

    for one in (ask_arrival, ask_stamp):
        with pytest.raises(SyntaxError, match="addressed at run time"):
            compiled(Variant(one, 1))


def test_wide_nodes_share_their_code() -> None:
    @primitive
    def forward(x: ManyIns, y: ManyOuts) -> None:
        k = 0
        while k < len(x):
            token = take(x[k])
            send(y[k], token)
            k += 1
        tick(1)
        close()
        finish()

    assert compiled(Variant(forward, 2)).symbol == compiled(Variant(forward, 128)).symbol
