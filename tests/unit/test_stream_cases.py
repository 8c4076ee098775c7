"""
Single primitives against recorded streams and cycles.

Every case drives one primitive: a source per input that sends a token a cycle, a sink per output.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream import tokens
from headrace.simulators.stream.program import ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import SimulationResult, simulate

DATA = Path(
    os.environ.get("HEADRACE_REFERENCE_DATA", Path(__file__).parents[2].parent / "shared" / "data")
)
FILE = DATA / "sam" / "primitive_streams.json"
if not FILE.exists():
    pytest.skip(f"no reference data in {DATA}", allow_module_level=True)

Case = dict[str, Any]
CASES: list[Case] = json.loads(FILE.read_text())["cases"]

VALUE_PORTS = {"val", "vals", "in0", "in1"}
"""Ports that carry numbers; all others carry integers."""


def node(kind: str, **parameters: Any) -> Callable[[ProgramBuilder, list[Stream]], Any]:
    return lambda builder, inputs: builder.node(kind, *inputs, **parameters)


def repeat_with_generator(builder: ProgramBuilder, inputs: list[Stream]) -> tuple[Stream, ...]:
    (signal,) = builder.node("repeat_signal", inputs[1])
    return builder.node("repeat", inputs[0], signal)


def joiner(kind: str) -> Callable[[ProgramBuilder, list[Stream]], Any]:
    return lambda builder, inputs: builder.node(kind, inputs[0], inputs[2], inputs[1], inputs[3])


BUILD: dict[str, Callable[[ProgramBuilder, list[Stream]], Any]] = {
    "fiberlookup": node(
        "scan_compressed", segments=Slot("segments"), coordinates=Slot("coordinates")
    ),
    "fiberlookup_dense": node("scan_dense", extent=Slot("dim")),
    "bitvector_scan": node("scan_bitvector", words=Slot("words")),
    "repsiggen": node("repeat_signal"),
    "repeat": node("repeat"),
    "repsiggen+repeat": repeat_with_generator,
    "intersect": joiner("intersect"),
    "union": joiner("union"),
    "bitvector_intersect": node("bitvector_intersect"),
    "arrayvals": node("array", values=Slot("vals")),
    **{op: node("alu", op=op) for op in ("mul", "add", "div", "exp")},
    "scalarmul": node("alu", op="mul", scalar=Slot("scalar")),
    "scalarmax": node("alu", op="max", scalar=Slot("scalar")),
    "reduce": node("reduce"),
    "maxreduce": node("reduce", op="max"),
    "spaccumulator": node("accumulate"),
    "spaccumulator_points": node("accumulate_points"),
    "crddrop": node("coordinate_drop"),
    "crdhold": node("coordinate_hold"),
    "points_to_fibers": node("points_to_fibers"),
    "stopdrop_all": node("stop_drop", mode="all"),
    "stopdrop_empty": node("stop_drop", mode="empty"),
    "crdmask": node("mask", predicate="gt"),
    "scatter": node("fork", lanes=2),
    "split": node("split", factor=Slot("factor")),
    "flatten": node("flatten", factor=Slot("factor")),
    "bitvector_build": node("bitvector_build"),
}


STREAM_CASES = [case for case in CASES if not case["primitive"].startswith("fiberwrite")]


def arrays_of(case: Case) -> dict[str, Any]:
    arrays = dict(case.get("params", {}))
    segments = np.array(arrays.pop("seg", [0]))
    # Cases from the hardware generator name only the segments; fibers count from 0.
    coordinates = np.array(arrays.pop("crd", range(segments[-1])), dtype=np.int64)
    arrays |= {"segments": segments, "coordinates": coordinates}
    return arrays


def run(case: Case, depth: int | None = None) -> SimulationResult:
    builder = ProgramBuilder()
    arrays = arrays_of(case)
    streams: list[Stream] = []
    for port, text in case["inputs"].items():
        arrays[f"in.{port}"] = np.array(tokens.parse(text, port in VALUE_PORTS))
        streams += builder.node("source", tokens=Slot(f"in.{port}"), name=f"source {port}")
    outputs = BUILD[case["primitive"]](builder, streams)
    for port, stream in zip(case["outputs"], outputs, strict=False):
        interval = case.get("params", {}).get("reader_ii", 0)
        builder.node("sink", stream, output=port, interval=interval)
    return simulate(builder.build(), arrays, depth=depth)


def kinds_and_numbers(words: list[int], values: bool) -> tuple[list[int], list[float]]:
    """Control tokens (0 where there is data), and the data."""
    number = tokens.number if values else float
    return (
        [word if tokens.is_control(word) else 0 for word in words],
        [number(word) for word in words if not tokens.is_control(word)],
    )


@pytest.mark.parametrize("case", STREAM_CASES, ids=[case["name"] for case in STREAM_CASES])
def test_streams_and_cycles(case: Case) -> None:
    result = run(case)
    assert result.deadlock is None
    for port, text in case["outputs"].items():
        found = result.outputs[f"{port}.tokens"].tolist()
        values = port in VALUE_PORTS
        expected = tokens.parse(text, values)
        if values:
            controls, numbers = kinds_and_numbers(found, values)
            expected_controls, expected_numbers = kinds_and_numbers(expected, values)
            assert controls == expected_controls
            np.testing.assert_allclose(numbers, expected_numbers, rtol=1e-15)
        else:
            assert tokens.format_stream(found) == tokens.format_stream(expected)
    if case["cycles"] is not None:
        assert result.cycles == case["cycles"]


@pytest.mark.parametrize(
    ("mode", "segments"), [("drop", [0, 2, 3]), ("keep", [0, 2, 2, 3])], ids=["drop", "keep"]
)
def test_coordinate_writer_closes_segments(mode: str, segments: list[int]) -> None:
    builder = ProgramBuilder()
    (crd,) = builder.node("source", tokens=Slot("in"))
    builder.node("write_coordinates", crd, mode=mode, output="X.0")
    case = next(case for case in CASES if case["name"] == "write_coordinates")
    arrays = {"in": np.array(tokens.parse(case["inputs"]["in"]))}
    result = simulate(builder.build(), arrays)
    assert result.outputs["X.0.coordinates"].tolist() == [1, 2, 4]
    assert result.outputs["X.0.segments"].tolist() == segments


def test_value_writer_ignores_stops() -> None:
    builder = ProgramBuilder()
    (val,) = builder.node("source", tokens=Slot("in"))
    builder.node("write_values", val, output="X")
    result = simulate(
        builder.build(), {"in": np.array(tokens.parse("1 2 S0 S0 4 S1 D", values=True))}
    )
    assert result.outputs["X.values"].tolist() == [1.0, 2.0, 4.0]
