"""The recorded stream cases of the published simulators, on the interpreter of `sam`."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headrace.dialects import sam
from headrace.interpreters.sam_tokens import Stop, format_tokens, parse_tokens
from headrace.tests.reference import REFERENCE_DATA
from headrace.tests.sam_operations import (
    bv,
    compressed,
    crd,
    extent,
    ref,
    run,
    sig,
    stream,
    val,
    values,
)

Case = dict[str, Any]
Streams = dict[str, str]

FILE = REFERENCE_DATA / "sam" / "primitive_streams.json"

NOT_AN_OPERATION = {"spaccumulator_points": "sam has the accumulator on fibers only"}
OPEN = {"reduce_empty"}
"""Cases whose streams are three rows without the stop that ends the list of rows."""


def close(streams: Streams) -> Streams:
    """The last stop of each stream also ends the list of rows."""
    closed: Streams = {}
    for name, text in streams.items():
        *tokens, last, done = parse_tokens(text)
        assert isinstance(last, Stop)
        closed[name] = format_tokens([*tokens, Stop(last.level + 1, last.hollow), done])
    return closed


def cases() -> list[Case]:
    return json.loads(FILE.read_text())["cases"] if FILE.exists() else []


def named(names: Sequence[str], results: Sequence[str]) -> Streams:
    return dict(zip(names, results, strict=True))


def scan(i: Streams, seg: list[int], crd: list[int] | None = None, **_: Any) -> Streams:
    coordinates = crd or list(range(seg[-1]))
    results = run(sam.ScanOp, ref(i["ref"]), compressed(seg, coordinates), level=1, axis="z")
    return named(("crd", "ref"), results)


def scan_dense(i: Streams, dim: int) -> Streams:
    return named(("crd", "ref"), run(sam.RangeOp, ref(i["ref"]), extent(dim), axis="z"))


def scan_bitvector(i: Streams, words: list[int]) -> Streams:
    fibers = [[bit for bit in range(word.bit_length()) if word >> bit & 1] for word in words]
    segments = [sum(len(fiber) for fiber in fibers[:n]) for n in range(len(fibers) + 1)]
    matrix = compressed(segments, [c for fiber in fibers for c in fiber])
    return named(("bv", "ref"), run(sam.ScanBitvectorOp, ref(i["ref"]), matrix, level=1, axis="z"))


def signal(i: Streams) -> Streams:
    return named(("sig",), run(sam.RepeatSignalOp, crd(i["crd"])))


def repeat(i: Streams) -> Streams:
    refs = ref(i["ref"])
    assert isinstance(refs.type, sam.StreamType)
    signals = sig(i["sig"], "".join((*refs.type.axis_names, "z")))
    return named(("ref",), run(sam.RepeatOp, refs, signals))


def generated_repeat(i: Streams) -> Streams:
    return repeat({"ref": i["ref"], **signal(i)})


def join(op: type[sam.JoinOperation]) -> Callable[[Streams], Streams]:
    def joined(i: Streams) -> Streams:
        operands = crd(i["crd0"]), crd(i["crd1"]), ref(i["ref0"]), ref(i["ref1"])
        return named(("crd", "ref0", "ref1"), run(lambda *v: op(v[:2], v[2:]), *operands))

    return joined


def array(i: Streams, vals: list[float]) -> Streams:
    return named(("val",), run(sam.ArrayOp, ref(i["ref"]), values(vals)))


def alu(op: str) -> Callable[..., Streams]:
    def computed(i: Streams, scalar: float | None = None) -> Streams:
        operands = [val(text) for text in i.values()]
        return named(("val",), run(lambda *v: sam.AluOp(op, v, scalar), *operands))

    return computed


def reduce(op: str) -> Callable[[Streams], Streams]:
    return lambda i: named(("val",), run(sam.ReduceOp, val(i["val"]), op=op))


def accumulate(i: Streams, order: int) -> Streams:
    names = ("crd_outer", "crd_inner") if order == 1 else ("crd_2", "crd_1", "crd_0")
    operands = [crd(i[name]) for name in names]
    results = run(lambda *v: sam.AccumulateOp(v[:-1], v[-1]), *operands, val(i["val"]))
    return named((*names[1:], "val"), results)


def outer_and_inner(op: Callable[..., Any], kind: str = "crd") -> Callable[[Streams], Streams]:
    return lambda i: named(
        ("outer", "inner"), run(op, stream(kind, i["outer"]), stream(kind, i["inner"]))
    )


def points_to_fibers(i: Streams) -> Streams:
    operands = crd(i["crd_outer"]), crd(i["crd_inner"])
    results = run(sam.PointsToFibersOp, *operands, outer_axis="i", inner_axis="j")
    return named(("crd_outer", "crd_inner"), results)


def stop_drop(mode: str) -> Callable[[Streams], Streams]:
    return lambda i: named(("out",), run(sam.StopDropOp, crd(i["in"]), mode=mode))


def mask(i: Streams, drop_if: str) -> Streams:
    assert drop_if == "outer>inner"
    names = ("crd_outer", "crd_inner", "ref_inner")
    operands = crd(i["crd_outer"]), crd(i["crd_inner"]), ref(i["ref_inner"])
    return named(names, run(sam.MaskOp, *operands, predicate="gt"))


def scatter(i: Streams, lanes: int) -> Streams:
    *outputs, _ = run(sam.ForkOp, crd(i["in"]), lanes=lanes)
    return named([f"out{lane}" for lane in range(lanes)], outputs)


def split(i: Streams, factor: int) -> Streams:
    results = run(sam.SplitOp, crd(i["crd"]), factor=factor, outer_axis="x", inner_axis="y")
    return named(("crd_outer", "crd_inner"), results)


def flatten(i: Streams, factor: int) -> Streams:
    operands = crd(i["crd_outer"]), crd(i["crd_inner"])
    return named(("crd",), run(sam.FlattenOp, *operands, factor=factor, axis="z"))


def bitvector_build(i: Streams) -> Streams:
    return named(("bv",), run(sam.BitvectorBuildOp, crd(i["crd"])))


def bitvector_intersect(i: Streams) -> Streams:
    operands = bv(i["bv0"]), ref(i["ref0"]), bv(i["bv1"]), ref(i["ref1"])
    return named(("bv", "ref0", "ref1"), run(sam.BitvectorIntersectOp, *operands))


def write_coordinates(i: Streams, empty: str) -> Streams:
    ((segments, coordinates),) = run(sam.WriteCoordinatesOp, crd(i["in"]), mode=empty)
    return {"crd": format_tokens(coordinates), "seg": format_tokens(segments)}


def write_values(i: Streams) -> Streams:
    return {"vals": format_tokens(run(sam.WriteValuesOp, val(i["in"]))[0].tolist())}


MEANING: dict[str, Callable[..., Streams]] = {
    "fiberlookup": scan,
    "fiberlookup_dense": scan_dense,
    "bitvector_scan": scan_bitvector,
    "repsiggen": signal,
    "repeat": repeat,
    "repsiggen+repeat": generated_repeat,
    "intersect": join(sam.IntersectOp),
    "union": join(sam.UnionOp),
    "arrayvals": array,
    "mul": alu("mul"),
    "add": alu("add"),
    "div": alu("div"),
    "exp": alu("exp"),
    "scalarmul": alu("mul"),
    "scalarmax": alu("max"),
    "reduce": reduce("add"),
    "maxreduce": reduce("max"),
    "spaccumulator": accumulate,
    "crddrop": outer_and_inner(sam.CoordinateDropOp),
    "crdhold": outer_and_inner(sam.CoordinateHoldOp),
    "points_to_fibers": points_to_fibers,
    "stopdrop_all": stop_drop("all"),
    "stopdrop_empty": stop_drop("empty"),
    "crdmask": mask,
    "scatter": scatter,
    "split": split,
    "flatten": flatten,
    "bitvector_build": bitvector_build,
    "bitvector_intersect": bitvector_intersect,
    "fiberwrite": write_coordinates,
    "fiberwrite_vals": write_values,
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_recorded_streams(case: Case) -> None:
    primitive = case["primitive"]
    if primitive in NOT_AN_OPERATION:
        pytest.skip(NOT_AN_OPERATION[primitive])
    inputs, outputs = case["inputs"], case["outputs"]
    if case["name"] in OPEN:
        inputs, outputs = close(inputs), close(outputs)
    results = MEANING[primitive](inputs, **case.get("params", {}))
    expected = {name: parse_tokens(text) for name, text in outputs.items()}
    assert {name: parse_tokens(text) for name, text in results.items()} == expected


def test_the_recorded_streams_are_there() -> None:
    if not FILE.exists():
        pytest.skip(f"needs the recorded reference data: {FILE} is absent")
    assert len(cases()) == 46
