"""Netlists in files: what is read, what is written back, and what is refused."""

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.backends.netlist import netlist_data, parse_netlist, read_netlist, write_netlist
from headrace.simulators.stream.netlist import Port
from headrace.storage.errors import InputError
from headrace.tests.reference import reference_path

META: dict[str, Any] = {
    "name": "example",
    "onchip_bw": 64,
    "elem_bytes": 2,
    "hbm": {"addr_offset": 64, "channels": 32, "latency": 2, "ii": 2, "startup": 14},
}


def example() -> dict[str, Any]:
    """Rows of a tensor go to two stores."""
    load = {
        "tile_row": 1,
        "tile_col": 64,
        "par_dispatch": 1,
        "n_byte": 2,
        "out_shape_tiled": [4],
        "tensor_shape_tiled": [4],
        "stride": [1],
    }
    store = {"tile_row": 1, "tile_col": 64, "par_dispatch": 1}
    partition = {
        "num_consumers": 2,
        "partition_rank": 0,
        "switch_cycles": [1, 1],
        "write_back_mu": False,
    }
    hot = {"underlying": {"shape": [4, 2], "hot": [[0], [1], [0, 1], []]}}
    return {
        "meta": copy.deepcopy(META),
        "nodes": [
            {"id": 0, "op": "OffChipLoad", "params": load, "inputs": {}},
            {"id": 1, "op": "SelectGen", "params": hot, "inputs": {}},
            {
                "id": 2,
                "op": "FlatPartition",
                "params": partition,
                "inputs": {"input": [0, None], "control": [1, None]},
            },
            {"id": 3, "op": "OffChipStore", "params": store, "inputs": {"input": [2, 0]}},
            {"id": 4, "op": "OffChipStore", "params": store, "inputs": {"input": [2, 1]}},
        ],
    }


def test_ports_are_read_by_operand() -> None:
    nodes = parse_netlist(example(), "example").nodes
    assert nodes[2].inputs == {"input": (Port(0),), "control": (Port(1),)}
    assert nodes[4].ports == (Port(2, 1),)


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_netlist_is_written_as_it_was_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"again{suffix}"
    netlist = parse_netlist(example(), "example")
    write_netlist(path, netlist)
    assert read_netlist(path) == netlist
    assert netlist_data(netlist) == example()


@pytest.mark.parametrize("name", ["micro/m10_moe_dynamic_tile.json", "attention"])
def test_a_recorded_netlist_is_written_as_it_was_read(name: str) -> None:
    if name == "attention":
        name = "netlists/attn_b16_stdev0479_1063_dyn.json.gz"
    path = reference_path(f"step/golden/{name}")
    content = path.read_bytes()
    data = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    assert netlist_data(read_netlist(path)) == data


def test_a_file_without_a_name_is_called_like_the_file(tmp_path: Path) -> None:
    data = example()
    del data["meta"]["name"]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(data))
    assert read_netlist(path).name == "rows"


def node(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["nodes"][number].update(changes)

    return change


def parameter(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["nodes"][number]["params"].update(changes)

    return change


def removed(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        del data[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (removed("meta"), "lacks 'meta'"),
        (removed("nodes"), "lacks 'nodes'"),
        (removed("meta", "hbm", "channels"), "meta.hbm lacks 'channels'"),
        (removed("meta", "onchip_bw"), "meta lacks 'onchip_bw'"),
        (removed("nodes", 3, "inputs"), "node 3 .OffChipStore. lacks 'inputs'"),
        (removed("nodes", 0, "params", "tile_row"), "node 0 .OffChipLoad. lacks 'tile_row'"),
        (removed("nodes", 0, "id"), "node 0 lacks 'id'"),
        (removed("nodes", 3, "inputs", "input"), "has the inputs none, but .* has input"),
        (node(0, op="Load"), "unknown operator 'Load'; there are OffChipLoad"),
        (node(4, id=3), "node 4 .OffChipStore. has the id 3; ids are places"),
        (node(3, inputs={"input": [9, None]}), "reads node 9, which does not exist"),
        (node(3, inputs={"input": [4, None]}), "reads node 4 .OffChipStore., which has no output"),
        (node(3, inputs={"input": [2, 2]}), "reads output 2 of node 2 .* the outputs 0 to 1"),
        (node(3, inputs={"input": [2, None]}), "reads output null of node 2"),
        (node(3, inputs={"input": [2, 1]}), r"reads 2\[1\], which node 3 .* put a Broadcast"),
        (node(3, inputs={"input": [0, 0]}), "which has one output; write null"),
        (node(3, inputs={"input": 2}), "has the port 2; give .node, output or null."),
        (node(3, inputs={"input": [2, "1"]}), "has the port"),
        (node(2, out=[{"shape": [], "dtype": "Bool"}]), "'out' has 1 entries for 2 outputs"),
        (parameter(0, tile_row=0), "'tile_row' is no whole number of 1 to 2.40; it is 0"),
        (parameter(0, out_shape_tiled=4), "'out_shape_tiled' is no list"),
        (parameter(2, switch_cycles=[1]), "'switch_cycles' has 1 entries for 2 streams"),
        (parameter(2, write_back_mu=1), "'write_back_mu' is neither true nor false"),
        (parameter(1, underlying={"shape": [1, 2], "hot": [[2]]}), r"selects \[2\].* below 2"),
        (parameter(1, underlying={"shape": [1, 2], "hot": [[0, 0]]}), r"selects \[0, 0\]"),
        (parameter(1, underlying={"shape": [2, 2], "hot": [[0]]}), "hot of 2 selections"),
        (parameter(1, underlying={"hot": []}), "'underlying' has no shape"),
    ],
)
def test_damage_is_named(change: Callable[[dict[str, Any]], None], message: str) -> None:
    data = example()
    change(data)
    with pytest.raises(InputError, match=message):
        parse_netlist(data, "example")


@pytest.mark.parametrize(
    ("op", "inputs", "parameters", "message"),
    [
        (
            "UnaryMap",
            {"input": [0, None]},
            {"fn": {"fn": "Sine"}, "compute_bw": 1, "write_back_mu": False},
            "'fn' is none of Silu, Exp, RowWiseSum",
        ),
        (
            "BinaryMap",
            {"in1": [0, None], "in2": [1, None]},
            {"fn": {"fn": "Matmul"}, "compute_bw": 1, "write_back_mu": False},
            "'fn' lacks weight_transposed",
        ),
        (
            "Accum",
            {"input": [0, None]},
            {"fn": {"fn": "Add"}, "init_fn": {}, "accum_rank": 1, "compute_bw": 1}
            | {"write_back_mu": False},
            "'init_fn' is no tile",
        ),
        (
            "Reshape",
            {"input": [0, None]},
            {"chunk_size": 4, "reshape_rank": 0, "pad_fn": None, "add_outer_dim": False}
            | {"write_back_mu": False},
            "fills chunks, but 'pad_fn' is null",
        ),
        ("Flatten", {"input": [0, None]}, {"min_rank": 2, "max_rank": 1}, "swap the two"),
        ("EagerMerge", {"inputs": []}, {"input_rank": 0}, "give a list of"),
        (
            "MetadataGen",
            {},
            {"underlying": {"shape": [2], "values": [1]}},
            "a list values of 2 whole numbers",
        ),
    ],
)
def test_damage_of_an_operator_is_named(
    op: str, inputs: dict[str, Any], parameters: dict[str, Any], message: str
) -> None:
    data = example()
    data["nodes"][2:] = [{"id": 2, "op": op, "params": parameters, "inputs": inputs}]
    with pytest.raises(InputError, match=message):
        parse_netlist(data, "example")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no complete JSON file"),
        (b'{"meta": {', "no complete JSON file"),
        (b"\xff\xfe", "no complete JSON file"),
        (b"[" * 100_000, "no complete JSON file"),
        (b"[]", "lacks 'meta'"),
        (b'{"meta": 3, "nodes": []}', "'meta' is 3, not an object"),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_netlist(path)


def test_a_file_that_is_cut_off_or_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(json.dumps(example()).encode())[:-20])
    with pytest.raises(InputError, match="no complete JSON file"):
        read_netlist(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_netlist(tmp_path / "absent.json")
