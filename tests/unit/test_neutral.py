"""The neutral form: a graph that is read, built, run and written; and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.backends.neutral import NeutralGraph, graph_from_data, parse_graph, read_graph
from headrace.backends.neutral_case import dense_case, read_case
from headrace.backends.neutral_module import neutral_module
from headrace.backends.neutral_program import build_program
from headrace.backends.replay import replay
from headrace.simulators.stream.simulate import simulate
from headrace.storage.errors import InputError
from headrace.tests.kernels import row_product

SUM: dict[str, Any] = {
    "kernel": "sum",
    "expression": "x = sum_i B(i)",
    "output": "x",
    "fmt": {"x": "none", "B": "s0"},
    "nodes": [
        {"id": 3, "type": "fiberwrite", "tensor": "x", "mode": "vals", "in": {"in": [2, "val"]}},
        {
            "id": 0,
            "type": "fiberlookup",
            "tensor": "B",
            "mode": 0,
            "index": "i",
            "format": "compressed",
            "in": {},
        },
        {"id": 1, "type": "arrayvals", "tensor": "B", "in": {"ref": [0, "ref"]}},
        {"id": 2, "type": "reduce", "in": {"val": [1, "val"]}},
    ],
}


def changed(node: int, **fields: Any) -> dict[str, Any]:
    """The sum with some fields of one node replaced."""
    nodes = [{**entry, **fields} if entry["id"] == node else entry for entry in SUM["nodes"]]
    return {**SUM, "nodes": nodes}


def write_case(folder: Path, graph: dict[str, Any] = SUM, **arrays: Any) -> Path:
    """A case directory of the sum over B = [0, 4, 0, 5]; `arrays` replace those of B."""
    stored: dict[str, Any] = {
        "B.shape": np.array([4]),
        "B.0.seg": np.array([0, 2]),
        "B.0.crd": np.array([1, 3]),
        "B.vals": np.array([4.0, 5.0]),
        **{key.replace("_", "."): value for key, value in arrays.items()},
    }
    (folder / "graph.json").write_text(json.dumps(graph))
    np.savez(folder / "inputs.npz", **{k: v for k, v in stored.items() if v is not None})
    return folder


def kinds(graph: NeutralGraph) -> list[str]:
    return sorted(build_program(graph).kinds.tolist())


# Reading and running


def test_case_gives_value_cycles_and_error(tmp_path: Path) -> None:
    folder = write_case(tmp_path)
    gold: dict[str, Any] = {"X.dense": np.array(9.5)}
    np.savez(folder / "gold.npz", **gold)
    (entry,) = replay([folder])
    assert entry["name"] == tmp_path.name
    assert entry["max_error"] == 0.5
    assert entry["cycles"] == 8
    assert entry["tokens"] == 12
    assert entry["deadlock"] is None
    assert entry["simulate_seconds"] > 0
    assert json.loads(json.dumps(entry)) == entry


def test_case_without_gold_has_no_error(tmp_path: Path) -> None:
    assert replay([write_case(tmp_path)])[0]["max_error"] is None


def test_deadlock_is_a_result_that_json_can_carry(tmp_path: Path) -> None:
    graph = row_product(3)
    ones = {"B": np.ones((4, 4, 4)), "C": np.ones((4, 4, 4))}
    case = dense_case("", graph, ones)
    assert simulate(case.program, case.arrays, depth=1).deadlock is not None
    (tmp_path / "graph.json").write_text(graph.to_json())
    arrays: dict[str, Any] = {}
    for tensor in "BC":
        arrays[f"{tensor}.shape"] = np.array([4, 4, 4])
        arrays[f"{tensor}.vals"] = case.arrays[f"{tensor}.values"]
        for level in range(3):
            arrays[f"{tensor}.{level}.seg"] = case.arrays[f"{tensor}.{level}.segments"]
            arrays[f"{tensor}.{level}.crd"] = case.arrays[f"{tensor}.{level}.coordinates"]
    np.savez(tmp_path / "inputs.npz", **arrays)
    (entry,) = replay([tmp_path], depth=1)
    assert entry["max_error"] is None
    assert json.loads(json.dumps(entry))["deadlock"]["blocked"]


def test_nodes_may_come_in_any_order() -> None:
    graph = graph_from_data(SUM)
    assert [node.id for node in graph.topological()] == [0, 1, 2, 3]


def test_written_text_reads_back_the_same() -> None:
    graph = graph_from_data(SUM)
    assert parse_graph(graph.to_json()) == graph
    assert json.loads(graph.to_json()) == SUM


# From graph to processes


def test_each_missing_reference_has_its_own_root() -> None:
    assert kinds(row_product(3)).count("root") == 2


def test_fan_out_becomes_one_broadcast_per_stream() -> None:
    """Of three intersections, only the middle one's coordinates go to two readers: none here."""
    assert kinds(row_product(3)).count("broadcast") == 0
    twice = changed(2, type="mul", **{"in": {"in0": [1, "val"], "in1": [1, "val"]}})
    assert kinds(graph_from_data(twice)).count("broadcast") == 1


def test_signal_process_per_repeat_reads_the_references_beside_the_coordinates() -> None:
    """Two repeats share a repsiggen, whose coordinates nobody reads after the rewriting."""
    data = {
        **SUM,
        "fmt": {"x": "s0", "B": "s0", "c": "none"},
        "nodes": [
            SUM["nodes"][1],
            {"id": 1, "type": "repsiggen", "index": "i", "in": {"crd": [0, "crd"]}},
            {"id": 2, "type": "repeat", "index": "i", "kind": "ref", "in": {"sig": [1, "sig"]}},
            {"id": 3, "type": "repeat", "index": "i", "kind": "ref", "in": {"sig": [1, "sig"]}},
        ],
    }
    program = build_program(graph_from_data(data))
    found = program.kinds.tolist()
    assert found.count("repeat_signal") == 2
    assert found.count("broadcast") == 1
    scan = found.index("scan_compressed")
    crd, ref = program.node_outputs(scan)
    assert crd not in program.inputs
    assert ref in program.node_inputs(found.index("broadcast"))


def test_writer_below_kept_coordinates_keeps_empty_fibers() -> None:
    """Both rows of C are stored, no column is shared: two empty rows, and no row may shift."""
    graph = graph_from_data(
        {
            "kernel": "copy",
            "output": "X",
            "fmt": {"X": "ss01", "B": "ss01", "C": "ss01"},
            "nodes": [
                _scan(0, "B", 0, "i", {}),
                _scan(1, "C", 0, "i", {}),
                _join(2, "i", 0, 1),
                _scan(3, "B", 1, "j", {"ref": [2, "ref0"]}),
                _scan(4, "C", 1, "j", {"ref": [2, "ref1"]}),
                _join(5, "j", 3, 4),
                {"id": 6, "type": "arrayvals", "tensor": "B", "in": {"ref": [5, "ref0"]}},
                _write(7, 0, "i", [2, "crd"]),
                _write(8, 1, "j", [5, "crd"]),
                _write(9, "vals", None, [6, "val"]),
            ],
        }
    )
    inputs = {"B": [[1, 0], [1, 0], [0, 5]], "C": [[0, 1], [0, 1], [0, 1]]}
    case = dense_case("copy", graph, inputs, [[0, 0], [0, 0], [0, 5]])
    assert case.max_error(simulate(case.program, case.arrays).outputs) == 0


def _scan(id: int, tensor: str, mode: int, index: str, inputs: dict[str, Any]) -> dict[str, Any]:
    scan = {"type": "fiberlookup", "tensor": tensor, "mode": mode, "index": index}
    return {"id": id, **scan, "format": "compressed", "in": inputs}


def _join(id: int, index: str, a: int, b: int) -> dict[str, Any]:
    ports = {"crd0": [a, "crd"], "ref0": [a, "ref"], "crd1": [b, "crd"], "ref1": [b, "ref"]}
    return {"id": id, "type": "intersect", "index": index, "in": ports}


def _write(id: int, mode: int | str, index: str | None, source: list[Any]) -> dict[str, Any]:
    named = {} if index is None else {"index": index}
    return {
        "id": id,
        "type": "fiberwrite",
        "tensor": "X",
        "mode": mode,
        **named,
        "in": {"in": source},
    }


def test_depth_of_the_graph_is_that_of_every_channel() -> None:
    program = build_program(graph_from_data({**SUM, "depth": 3}))
    assert set(program.capacities.tolist()) == {3}


def test_depth_of_an_output_is_that_of_the_channels_that_carry_it() -> None:
    data = changed(1, depth={"val": 7})
    graph = parse_graph(graph_from_data({**data, "depth": 3}).to_json())
    program = build_program(graph)
    (carried,) = program.node_outputs(program.kinds.tolist().index("array"))
    assert program.capacities[carried] == 7
    assert sorted(program.capacities.tolist())[-2:] == [3, 7]
    with pytest.raises(InputError, match="IR has no depths of channels"):
        neutral_module(graph)


# Refusals


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**SUM, "nodes": 3}, "'nodes' must be a list"),
        ({**SUM, "output": "y"}, "fmt has no entry for the output y"),
        ({**SUM, "fmt": {"x": "none", "B": "q0"}}, "fmt of B: format 'q0'"),
        (changed(1, type="arrayvalues"), "node 1: unknown type 'arrayvalues'; known are abs"),
        (changed(1, tensor="C"), "node 1 (arrayvals): tensor C has no entry in fmt"),
        (changed(2, **{"in": {}}), "node 2 (reduce): input 'val' is missing"),
        (changed(2, **{"in": {"val": [1, "ref"]}}), "reads 'ref' of node 1 (arrayvals)"),
        (changed(2, **{"in": {"val": [7, "val"]}}), "comes from node 7, which is not there"),
        (changed(2, **{"in": {"val": "val"}}), "input 'val' must be [node id, port name]"),
        (changed(2, **{"in": {"val": [1, "val"], "in0": [1, "val"]}}), "there is no input 'in0'"),
        (changed(1, id=0), "two nodes have the same id"),
        (changed(0, format="dense"), "format 'dense' contradicts fmt of B"),
        (changed(0, mode=1), "tensor B has no mode 1"),
        (changed(2, **{"in": {"val": [2, "val"]}}), "lie on or behind a cycle"),
        (changed(3, type="locate", **{"in": {}}), "node 3: 'extent' is missing"),
        (changed(3, type="locate", extent=["C", 0], **{"in": {}}), "['C', 0] is neither a size"),
        ({**SUM, "depth": 0}, "a channel of depth 0 can hold no token"),
        (changed(1, depth={"val": 0}), "output 'val': a channel of depth 0 can hold no token"),
        (changed(1, depth={"crd": 1}), "'depth' names the output 'crd', which it does not have"),
        ({**SUM, "shape": [-1]}, "shape: -1 is neither a size nor a [tensor, mode]"),
    ],
)
def test_malformed_graph_is_refused(data: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        graph_from_data(data, "graph.json")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"graph\.json: cannot be read"):
        read_case(tmp_path)
    write_case(tmp_path)
    (tmp_path / "inputs.npz").unlink()
    with pytest.raises(InputError, match=r"inputs\.npz: no such file"):
        read_case(tmp_path)


def test_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = write_case(tmp_path) / "graph.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(InputError, match="not JSON, line 1"):
        read_graph(path)


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
def test_truncated_npz_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_case(tmp_path) / "inputs.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="not a complete npz file"):
        read_case(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"B_vals": None}, "'B.vals' is missing"),
        ({"B_shape": np.array([4, 4])}, "B has 2 dimensions, but its format 's' has 1"),
        ({"B_0_crd": np.array([3, 1])}, "coordinates must increase inside a fiber"),
        ({"B_0_crd": np.array([1, 1])}, "coordinates must increase inside a fiber"),
        ({"B_0_crd": np.array([1, 4])}, "coordinates must lie in 0..3"),
        ({"B_0_crd": np.array([1.0, np.nan])}, "coordinates must be integers"),
        ({"B_0_seg": np.array([0, 3])}, "segments must rise from 0 to 2"),
        ({"B_vals": np.array([4.0])}, "but 2 coordinates need shape"),
    ],
)
def test_contradicting_arrays_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        read_case(write_case(tmp_path, **arrays))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_index_with_two_extents_is_refused() -> None:
    inputs = {"B": np.ones((2, 2, 2)), "C": np.ones((2, 3, 2))}
    with pytest.raises(InputError, match="index j runs over 2 coordinates"):
        dense_case("rowdot3", row_product(3), inputs)


def test_example_of_the_documentation_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "neutral_form.md").read_text()
    graph = parse_graph(page.partition("```json\n")[2].partition("```")[0])
    case = dense_case("row sums", graph, {"B": [[1, 2], [0, 0], [0, 5]]}, [3, 0, 5])
    assert case.max_error(simulate(case.program, case.arrays).outputs) == 0
