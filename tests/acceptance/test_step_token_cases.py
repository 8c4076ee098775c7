"""
The recorded cases of operators on streams of tokens.

What the paper and its authors' front end do is recorded as operator, parameters, and tokens; the
rules are also tested by themselves in `tests/unit/test_step_operators.py`.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest

from headrace.interpreters import step_functions as functions
from headrace.interpreters import step_memory as memory
from headrace.interpreters import step_routing as routing
from headrace.interpreters import step_shape as shape
from headrace.interpreters.step_compute import accumulate, flat_map, nest, scan
from headrace.interpreters.step_network import Channel, Process, run
from headrace.interpreters.step_tokens import DONE, decode, encode, nested_map
from headrace.interpreters.step_values import Buffer, Tile
from headrace.tests.reference import reference_path
from headrace.tests.step_streams import apply, nested, parse, show

Case = Mapping[str, Any]

CASES: list[Case] = json.loads(
    reference_path("step/golden/token_cases.json").read_text(encoding="utf-8")
)["cases"]


def of_one(process: Callable[..., Process], **options: Any) -> Callable[..., Process]:
    def build(source: Channel, result: Channel) -> Process:
        return process("op", [source], result, **options)

    return build


def many(process: Callable[..., Process], inputs: int, **options: Any) -> Callable[..., Process]:
    """A process of a list of sources, a selector and a result or several."""

    def build(*channels: Channel) -> Process:
        sources, rest = channels[:inputs], channels[inputs:]
        return process("op", sources, *rest, **options)

    return build


def routed(process: Callable[..., Process], inputs: int, rank: int) -> Callable[..., Process]:
    """A process with a list of results."""

    def build(*channels: Channel) -> Process:
        return process("op", *channels[:inputs], channels[inputs:], rank)

    return build


def together(*values: Any) -> tuple[Any, ...]:
    return values


def copies(n: int) -> list[int]:
    return [n] * n


def repeated(factor: int, value: Any) -> list[Any]:
    return [value] * factor


def add(state: int | None, n: int) -> int:
    return (state or 0) + n


def empty() -> Tile:
    return Tile.of(np.zeros((0, 0)))


def load(case: Case) -> Callable[..., Process]:
    """A load of names: the words of the description that the result has too are the tiles."""
    words = str(case["params"]["tensor"]).split()
    tiles: list[str] = [word for word in words if word in case["outputs"]["out"]["tokens"]]
    dims, strides = case["params"]["out_shape"], case["params"]["stride"]

    def function(_: Any) -> Any:
        return nested_map(tiles.__getitem__, memory.affine(dims, strides), len(dims))

    return of_one(nest, rank=len(dims), function=function)


def stacked(case: Case, join: Callable[[Tile, Tile], Tile]) -> Callable[..., Process]:
    return of_one(accumulate, rank=case["params"]["b"], step=join, initial=empty)


def operator(case: Case) -> tuple[Callable[..., Process], int]:
    """The process of a case, and how many results it has."""
    given = case["params"]
    match case["op"]:
        case "Flatten":
            return partial(shape.flatten, low=given["min"], high=given["max"]), 1
        case "Promote" if given.get("outer_form"):
            return partial(shape.promote_outermost, rank=case["inputs"]["in"]["rank"]), 1
        case "Promote":
            return partial(shape.promote, rank=given["rank"]), 1
        case "Reshape":
            return partial(shape.reshape, "op", rank=given["dim"], chunk=given["chunk"]), 2
        case "Expand":
            return partial(shape.expand, "op", rank=given["rank"]), 1
        case "RepeatStatic":
            return of_one(nest, rank=1, function=partial(repeated, given["n"])), 1
        case "Zip":
            return many(nest, 2, rank=0, function=together), 1
        case "Accum" if given["fn"] == "RetileRow":
            return stacked(case, functions.retile_rows), 1
        case "Accum" if given["fn"] == "RetileCol":
            return stacked(case, functions.retile_columns), 1
        case "Accum":
            return of_one(accumulate, rank=given["b"], step=add, initial=int), 1
        case "Scan":
            exclusive = given.get("exclusive", False)
            options = {"step": add, "initial": int, "exclusive": exclusive}
            return of_one(scan, rank=given["b"], **options), 1
        case "FlatMap" if given["fn"] == "RetileStreamify":
            split = partial(functions.split_rows, size=1, masked=given["drop_padding"])
            return of_one(flat_map, rank=0, function=split), 1
        case "FlatMap":
            return of_one(flat_map, rank=given["b"], function=copies), 1
        case "Map":
            return many(nest, 2, rank=0, function=functions.matmul), 1
        case "Partition":
            return routed(routing.partition, 2, given["rank"]), given["n"]
        case "Reassemble":
            return many(routing.reassemble, 3, rank=given["rank"], arrivals=[0, 1, 2, 0]), 1
        case "Parallelize":
            return routed(routing.deal, 1, given["rank"]), given["n"]
        case "LinearOffChipLoad":
            return load(case), 1
        case "RandomOffChipLoad":
            return of_one(nest, rank=0, function=given["tensor"].split().__getitem__), 1
        case "Bufferize":
            return partial(memory.bufferize, rank=given["rank"]), 1
        case "Streamify":
            dims, strides = given["out_shape"], given["stride"]

            def read(buffer: Buffer) -> Any:
                return memory.affine_buffer(buffer, dims, strides)

            return partial(memory.streamify, "op", rank=0, depth=len(dims), read=read), 1
        case name:
            raise AssertionError(f"no operator for {name}")


def text(stream: Case) -> tuple[str, int]:
    words = " ".join(map(str, stream["tokens"]))
    return words.replace("{0,7}", "{0,2}"), stream["rank"]


RUNNABLE = [
    case
    for case in CASES
    if case["op"] != "encode"
    and case["id"] not in {"reassemble-roundtrip", "eagermerge-fig4", "retile-streamify-mask"}
]
"""All that are tokens in, tokens out."""


@pytest.mark.parametrize("case", RUNNABLE, ids=lambda case: case["id"])
def test_tokens_of_an_operator(case: Case) -> None:
    process, results = operator(case)
    outputs = apply(process, *map(text, case["inputs"].values()), results=results)
    recorded = [text(result)[0] for result in case["outputs"].values()]
    assert outputs[: len(recorded)] == recorded


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["op"] == "encode"], ids=lambda case: case["id"]
)
def test_tokens_of_a_list(case: Case) -> None:
    words, rank = text(case["outputs"]["s"])
    nested = decode(parse(words), rank)
    assert show(encode(nested, rank)) == words
    for size in case["outputs"]["s"]["shape"]:
        assert size == "ragged" or len(nested) == size
        nested = nested[0] if nested else nested


@pytest.mark.parametrize("option", ["a", "b"])
def test_interleavings_of_an_eager_merge(option: str) -> None:
    (case,) = (case for case in CASES if case["id"] == "eagermerge-fig4")
    inputs = case["inputs"]
    numbers = {name.removeprefix("in"): n for n, name in enumerate(inputs)}
    recorded = case["outputs"][f"sel_option_{option}"]
    arrivals = [numbers[selector.strip("{}")] for selector in recorded[:-1]]
    merge = many(routing.eager_merge, len(inputs), rank=1, arrivals=arrivals)
    data, control = apply(merge, *map(text, inputs.values()), results=2)
    assert data == " ".join(case["outputs"][f"data_option_{option}"])
    assert control == " ".join([*(f"{{{n}}}" for n in arrivals), "D"])


def test_rows_of_padding_are_dropped() -> None:
    (case,) = (case for case in CASES if case["id"] == "retile-streamify-mask")
    process, _ = operator(case)
    words = case["inputs"]["in"]["tokens"][:-1]
    tiles = [Tile.masked(np.ones((3, 4)), int(word.split()[-1])) for word in words]
    source, result = Channel("", [*tiles, DONE]), Channel()
    run({"op": process(source, result)})
    rows = nested(result, 0)
    assert len(rows) == case["outputs"]["out"]["count"]
    assert {row.shape for row in rows} == {(1, 4)}


def test_every_case_is_run() -> None:
    assert len(RUNNABLE) + sum(case["op"] == "encode" for case in CASES) + 3 == len(CASES) == 42
