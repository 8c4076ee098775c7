"""`headrace replay` of streaming tensor programs: netlists from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.cli.main import main
from headrace.cli.replay_netlists import replay_netlist
from headrace.tests.reference import reference_path


def micro(name: str) -> str:
    return str(reference_path(f"step/golden/micro/{name}.json"))


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["replay", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["results"]


def test_a_netlist_runs_at_its_recorded_depths(capsys: pytest.CaptureFixture[str]) -> None:
    entries = replayed(capsys, micro("m02_load_store_4tiles"))
    assert [(entry["depth"], entry["cycles"]) for entry in entries] == [
        (1, 257),
        (2, 251),
        (1024, 251),
    ]
    for entry in entries:
        assert entry["name"] == "m02_load_store_4tiles"
        assert entry["model_cycles"] == entry["cycles"]
        assert entry["requests"] == 256
        assert entry["traffic"] == 24576
        assert entry["onchip_bytes"] == 6144
        assert entry["deadlock"] is entry["published_cycles"] is entry["ratio"] is None
        assert entry["simulate_seconds"] > 0


def test_a_depth_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    [entry] = replayed(capsys, micro("m05_matmul_accum"), "--depth", "1")
    assert (entry["depth"], entry["cycles"]) == (1, 1684)
    assert entry["flops"] == 2 * 64 * 128 * 64
    assert entry["utilisation"] == entry["flops"] / (1024 * 1684)
    assert entry["offchip_utilisation"] == entry["traffic"] / (1024 * 1684)


def test_a_published_graph_is_compared_with_its_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "attn_b16_stdev0479_1063_dyn"
    [entry] = replayed(capsys, str(reference_path(f"step/golden/netlists/{name}.json.gz")))
    assert entry["published_cycles"] == 9455
    assert entry["model_cycles"] == entry["cycles"] == 9454
    assert entry["ratio"] == 9454 / 9455
    # How many requests each region gets is known only from the run; together they are all.
    assert entry["traffic"] == 3_084_288


def test_the_waits_of_a_deadlock_are_in_the_names_of_the_netlist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [entry] = replayed(capsys, micro("m11_pack_reassemble_deadlock"), "--depth", "3")
    assert entry["utilisation"] is None
    deadlock = entry["deadlock"]
    assert deadlock["smallest_depth"] == 4
    waits = {(one["node"], one["kind"], one["other"]) for one in deadlock["cycle"]}
    assert ("FlatReassemble_15", "data", "RetileStreamify_8") in waits
    assert ("FlatPartition_2", "room", "Reshape_9") in waits


@pytest.mark.parametrize("depth", [1, 2])
def test_single_channels_that_free_a_deadlock_are_found(
    capsys: pytest.CaptureFixture[str], depth: int
) -> None:
    arguments = [micro("m11_pack_reassemble_deadlock"), "--depth", str(depth)]
    [entry] = replayed(capsys, *arguments, "--fifos")
    needed = entry["deadlock"]["channel_depths"]
    # Expert 1's rows wait for room somewhere in its own branch.
    assert {(one["node"], one["result"]) for one in needed} <= {
        ("FlatPartition_2", 1),
        *((op, 0) for op in ("Reshape_9", "Flatten_10", "Accum_11", "UnaryMap_12")),
        ("RetileStreamify_13", 0),
    }
    assert min(one["depth"] for one in needed) > depth
    assert "channel_depths" not in replayed(capsys, *arguments)[0]["deadlock"]


def test_people_get_a_table_and_the_reason_of_a_deadlock(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [micro("m01_one_request_load_store"), micro("m11_pack_reassemble_deadlock")]
    assert main(["replay", *files, "--depth", "2", "--jobs", "1"]) == 0
    text = capsys.readouterr().out
    assert "m11_pack_reassemble_deadlock" in text
    assert "finished" in text
    assert "depth 4 is enough" in text
    assert "FlatReassemble_15 waits for data from RetileStreamify_8" in text


def test_several_processes_keep_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["m08_hbm_contention", "m01_one_request_load_store", "m03_load_store_par4"]
    one = replayed(capsys, *map(micro, names), "--depth", "2", "--jobs", "1")
    two = replayed(capsys, *map(micro, names), "--depth", "2", "--jobs", "2")
    assert [entry["name"] for entry in two] == names
    for entry in [*one, *two]:
        del entry["simulate_seconds"]
    assert one == two


def test_a_damaged_netlist_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_text('{"meta": {}, "nodes": []}')
    assert main(["replay", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "meta lacks 'onchip_bw'" in error
    assert len(error.splitlines()) == 1


def test_a_graph_that_is_not_legal_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = json.loads(Path(micro("m01_one_request_load_store")).read_text())
    data["nodes"][1] = {
        "id": 1,
        "op": "Flatten",
        "params": {"min_rank": 3, "max_rank": 5},
        "inputs": {"input": [0, None]},
    }
    data["nodes"].append({"id": 2, "op": "ConsumerContext", "params": {}, "inputs": {}})
    data["nodes"][2]["inputs"]["input"] = [1, None]
    path = tmp_path / "flat.json"
    path.write_text(json.dumps(data))
    assert main(["replay", str(path), str(path), "--jobs", "2"]) == 2
    error = capsys.readouterr().err
    assert "node Flatten_1" in error
    assert "has the levels 0 to 2" in error
    assert len(error.splitlines()) == 1


def test_what_is_neither_folder_nor_netlist_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "graph.txt"
    path.write_text("{}")
    assert main(["replay", str(path)]) == 2
    assert "or a netlist" in capsys.readouterr().err


def test_a_netlist_is_replayed_from_python() -> None:
    path = micro("m05_matmul_accum")
    found = headrace.replay(path, depth=1)
    assert (found["name"], found["depth"], found["cycles"]) == ("m05_matmul_accum", 1, 1684)
    assert found["flops"] == found["reference_flops"] == 2 * 64 * 128 * 64
    assert found["utilisation"] == found["flops"] / (found["allocated_compute"] * 1684)
    # A file that names no depth has channels of 1024.
    assert headrace.replay(path)["depth"] == 1024
    with pytest.raises(headrace.InputError, match="cannot be read"):
        headrace.replay("nowhere.json")
    with pytest.raises(headrace.InputError, match="depth 0"):
        headrace.replay(path, depth=0)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"expected": None}, "'expected' holds no run; leave it out"),
        ({"expected": [{"cycles": 3}]}, "'expected' is no list of runs"),
        ({"expected": [{"channel_depth": "x"}]}, "'expected' is no list of runs"),
        ({"expected": [{"channel_depth": 2**39}]}, "are deeper than"),
        ({"published_cycles": "many"}, "'published_cycles' is no whole number"),
        ({"onchip_bw": 10**30}, "'onchip_bw' is no whole number of 1 to 2^40"),
    ],
)
def test_what_is_recorded_of_runs_is_checked(
    tmp_path: Path, meta: dict[str, Any], message: str
) -> None:
    data = json.loads(Path(micro("m01_one_request_load_store")).read_text())
    data["meta"] |= meta
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(data))
    with pytest.raises(headrace.InputError) as error:
        replay_netlist(path)
    assert message in str(error.value)


@pytest.mark.parametrize("shape", [True, [], [None, 1], [-1, 1], ["a", 1], [float("inf"), 1]])
def test_the_shape_of_what_is_stored_is_checked(tmp_path: Path, shape: object) -> None:
    data = json.loads(Path(micro("m01_one_request_load_store")).read_text())
    data["nodes"][1]["params"]["tensor_shape_tiled"] = shape
    path = tmp_path / "stored.json"
    path.write_text(json.dumps(data))
    with pytest.raises(headrace.InputError, match="tensor_shape_tiled") as error:
        headrace.replay(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("depth", [0, -1, 2**30])
def test_a_depth_that_no_channel_has_is_refused(depth: int) -> None:
    with pytest.raises(headrace.InputError, match="depth"):
        headrace.replay(micro("m01_one_request_load_store"), depth=depth)
