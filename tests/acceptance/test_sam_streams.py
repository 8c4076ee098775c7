"""The recorded streams of single operators, token by token, and their cycles."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream.program import ProgramBuilder, Slot, Stream
from headrace.tests.reference import reference_path
from headrace.tests.simulators import ENGINE, SIMULATORS, Simulator, run_streams, tokens

STREAMS: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads(reference_path("sam/primitive_streams.json").read_text())["cases"]
}

JOINED = ("crd0", "crd1", "ref0", "ref1")

PORTS: dict[str, tuple[str, Sequence[str]]] = {
    "fiberlookup": ("scan_compressed", ("ref",)),
    "fiberlookup_dense": ("scan_dense", ("ref",)),
    "bitvector_scan": ("scan_bitvector", ("ref",)),
    "repsiggen": ("repeat_signal", ("crd",)),
    "repeat": ("repeat", ("ref", "sig")),
    "intersect": ("intersect", JOINED),
    "union": ("union", JOINED),
    "bitvector_intersect": ("bitvector_intersect", ("bv0", "ref0", "bv1", "ref1")),
    "arrayvals": ("array", ("ref",)),
    "mul": ("alu", ("in0", "in1")),
    "add": ("alu", ("in0", "in1")),
    "div": ("alu", ("in0", "in1")),
    "exp": ("alu", ("in0",)),
    "scalarmul": ("alu", ("in0",)),
    "scalarmax": ("alu", ("in0",)),
    "reduce": ("reduce", ("val",)),
    "maxreduce": ("reduce", ("val",)),
    "crddrop": ("coordinate_drop", ("outer", "inner")),
    "crdhold": ("coordinate_hold", ("outer", "inner")),
    "points_to_fibers": ("points_to_fibers", ("crd_outer", "crd_inner")),
    "stopdrop_all": ("stop_drop", ("in",)),
    "stopdrop_empty": ("stop_drop", ("in",)),
    "crdmask": ("mask", ("crd_outer", "crd_inner", "ref_inner")),
    "scatter": ("fork", ("in",)),
    "split": ("split", ("crd",)),
    "flatten": ("flatten", ("crd_outer", "crd_inner")),
    "bitvector_build": ("bitvector_build", ("crd",)),
}
"""The engine's primitive and the order of its inputs; an accumulator's are in order already."""

FIXED: dict[str, dict[str, Any]] = {
    "mul": {"op": "mul"},
    "add": {"op": "add"},
    "div": {"op": "div"},
    "exp": {"op": "exp"},
    "scalarmul": {"op": "mul"},
    "scalarmax": {"op": "max"},
    "maxreduce": {"op": "max"},
    "stopdrop_all": {"mode": "all"},
    "stopdrop_empty": {"mode": "empty"},
    "crdmask": {"predicate": "gt"},
}

RENAMED = {"dim": "extent", "scalar": "scalar", "factor": "factor", "lanes": "lanes"}

VALUE_PORTS = {"val", "in0", "in1", "vals"}

WRITERS = {"fiberwrite", "fiberwrite_vals"}
COMPOSED = {"repeat_with_generator", "spacc_order1_points"}


def with_values(port: str, text: str) -> str:
    """Numbers of a value stream with a point, as the harness wants them."""
    words = (w if w[0] in "SDNR" else repr(float(w)) for w in text.split())
    return " ".join(words) if port in VALUE_PORTS else text


def run(
    simulator: Simulator,
    entry: Mapping[str, Any],
    order: Sequence[str],
    build: Any,
    arrays: Mapping[str, Any] | None = None,
) -> tuple[Any, Any, int]:
    inputs = [with_values(port, entry["inputs"][port]) for port in order]
    expected = [with_values(port, text) for port, text in entry["outputs"].items()]
    interval = entry.get("params", {}).get("reader_ii", 0)
    found, outcome = run_streams(simulator, inputs, build, expected, arrays, interval)
    return found, [tokens(text) for text in expected], outcome.cycles


def arrays_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a stream case; a scan without coordinates stores its positions."""
    arrays: dict[str, Any] = {}
    if "seg" in params:
        arrays["segments"] = np.array(params["seg"])
        arrays["coordinates"] = np.array(params.get("crd", range(params["seg"][-1])))
    if "words" in params:
        arrays["words"] = np.array(params["words"])
    if "vals" in params:
        arrays["values"] = np.array(params["vals"], dtype=np.float64)
    return arrays


@pytest.mark.parametrize(
    "name", [n for n, e in STREAMS.items() if e["primitive"] not in WRITERS and n not in COMPOSED]
)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_stream_of_one_operator(simulator: Simulator, name: str) -> None:
    entry = STREAMS[name]
    params = entry.get("params", {})
    kind, order = PORTS.get(entry["primitive"], ("accumulate", tuple(entry["inputs"])))
    arrays = arrays_of(params)
    given: dict[str, Any] = {
        **FIXED.get(entry["primitive"], {}),
        **{RENAMED[key]: value for key, value in params.items() if key in RENAMED},
        **{key: Slot(key) for key in arrays},
    }

    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        return builder.node(kind, *streams, **given)[: len(entry["outputs"])]

    found, expected, cycles = run(simulator, entry, order, build, arrays)
    assert found == expected
    assert entry["cycles"] in (cycles, None)


@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_repeat_with_its_signal_generator(simulator: Simulator) -> None:
    entry = STREAMS["repeat_with_generator"]

    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        (signal,) = builder.node("repeat_signal", streams[1])
        return builder.node("repeat", streams[0], signal)

    found, expected, cycles = run(simulator, entry, ("ref", "crd"), build)
    assert found == expected
    assert cycles == entry["cycles"]


@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_accumulation_of_points(simulator: Simulator) -> None:
    """
    The published point form: fibers without stops. Points made into fibers, below one reduced
    coordinate, are an accumulator of order 2.
    """
    entry = STREAMS["spacc_order1_points"]
    outer, inner, val = (entry["inputs"][port] for port in ("crd_outer", "crd_inner", "val"))
    fibers, _ = run_streams(
        simulator,
        (outer, inner),
        lambda builder, streams: builder.node("points_to_fibers", *streams),
        (outer, inner),
    )
    values, _ = run_streams(
        simulator,
        (outer, val),
        lambda builder, streams: builder.node("points_to_fibers", *streams),
        (outer, val),
    )
    deeper = {"S0": "S1", "S1": "S2"}
    crd_outer, crd_inner = (
        " ".join(w if isinstance(w, str) else str(int(w)) for w in stream) for stream in fibers
    )

    def lift(text: str, last: str) -> str:
        """One more list around everything: only the last stop rises."""
        head, _, _ = text.rpartition(f"{last} D")
        return f"{head}{deeper[last]} D"

    val_fibers = with_values("val", " ".join(map(str, values[1])))
    found, _ = run_streams(
        simulator,
        ("0 S0 D", lift(crd_outer, "S0"), lift(crd_inner, "S1"), lift(val_fibers, "S1")),
        lambda builder, streams: builder.node("accumulate", *streams),
        ("0", "0", "0.0"),
    )
    expected = [tokens(text) for text in entry["outputs"].values()]
    without_stops = [token for token in found[2] if token == "D" or isinstance(token, float)]
    assert [found[0], found[1], without_stops] == expected


def test_accumulation_of_points_by_its_own_primitive() -> None:
    """The engine has the published form as one node; no clock rule is published for it."""

    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        return builder.node("accumulate_points", *streams)

    entry = STREAMS["spacc_order1_points"]
    found, expected, _ = run(ENGINE, entry, ("crd_outer", "crd_inner", "val"), build)
    assert found == expected


@pytest.mark.parametrize(
    ("mode", "segments"), [("drop", [0, 2, 3]), ("keep", [0, 2, 2, 3])], ids=["drop", "keep"]
)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_coordinate_writer(simulator: Simulator, mode: str, segments: list[int]) -> None:
    entry = STREAMS["write_coordinates"]

    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        builder.node("write_coordinates", *streams, mode=mode, output="X.0")
        return ()

    _, outcome = run_streams(simulator, [entry["inputs"]["in"]], build, ())
    assert outcome.outputs["X.0.coordinates"].tolist() == [1, 2, 4]
    assert outcome.outputs["X.0.segments"].tolist() == segments


@pytest.mark.parametrize(
    ("mode", "segments"), [("drop", [0, 1, 3]), ("keep", [0, 0, 1, 3])], ids=["drop", "keep"]
)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_coordinate_writer_with_a_leading_empty_fiber(
    simulator: Simulator, mode: str, segments: list[int]
) -> None:
    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        builder.node("write_coordinates", *streams, mode=mode, output="X.0")
        return ()

    _, outcome = run_streams(simulator, ["S0 6 S0 3 8 S1 D"], build, ())
    assert outcome.outputs["X.0.coordinates"].tolist() == [6, 3, 8]
    assert outcome.outputs["X.0.segments"].tolist() == segments


@pytest.mark.parametrize("simulator", SIMULATORS, ids=str)
def test_value_writer(simulator: Simulator) -> None:
    def build(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        builder.node("write_values", *streams, output="X")
        return ()

    _, outcome = run_streams(simulator, ["1.0 2.0 S0 S0 4.0 S1 D"], build, ())
    assert outcome.outputs["X.values"].tolist() == [1.0, 2.0, 4.0]
