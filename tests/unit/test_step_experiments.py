"""The figures of STeP: published values, figures of merit, graphs for other requests, tables."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.main import main
from headrace.experiments.experiment import Cell, Cells, Row, WrongValueError, integer
from headrace.experiments.registry import MODULES, load
from headrace.experiments.runner import Study
from headrace.experiments.statistics import (
    Point,
    correlation,
    geometric_mean,
    improvement_distance,
    pareto_front,
)
from headrace.experiments.step.measure import MEASURED, rewritten
from headrace.experiments.step.netlists import Netlist
from headrace.experiments.step.published import published, table
from headrace.experiments.step.requests import coarse_shares, last_rows, tiles
from headrace.storage.errors import InputError

POINTS = [("mixtral", 64), ("qwen", 64), ("mixtral", 1024)]


def test_every_point_of_a_figure_is_published() -> None:
    hidden = (16, 32, 64, 128, 256)
    assert all(published("fig8", tile_rows=b, tile_hidden=f) for b in (16, 64) for f in hidden)
    assert all(
        published("tiling", model=model, batch=64, tile=tile)
        for model in ("mixtral", "qwen")
        for tile in ("dynamic", 8, 16, 32, 64)
    )
    many = ["dynamic", *(2**power for power in range(4, 11))]
    assert all(published("tiling", model="mixtral", batch=1024, tile=tile) for tile in many)
    regions = [2**power for power in range(2, 8)]
    assert all(published("multiplexing", tile=32, regions=one) for one in regions)
    assert all(published("multiplexing", tile="dynamic", regions=one) for one in [2, *regions])
    for batch in (16, 64, 80):
        for variation in ("high", "medium", "low"):
            key = {"batch": batch, "variation": variation}
            windows = [line for line in table("attention") if key.items() <= line.items()]
            assert len({line["first"] for line in windows}) == 3
            assert published("fig21", **key)
    assert published("tiling", model="mixtral", batch=64, tile=128) == {}


@pytest.mark.parametrize(("model", "batch"), POINTS)
def test_improvements_follow_from_the_published_points(model: str, batch: int) -> None:
    lines = [line for line in table("tiling") if (line["model"], line["batch"]) == (model, batch)]
    points = {line["tile"]: Point(line["cycles"], line["onchip"]) for line in lines}
    distance = improvement_distance(points.pop("dynamic"), list(points.values()))
    known = published("improvement", model=model, batch=batch)
    assert distance == pytest.approx(known["exact"], abs=1e-4)
    assert distance == pytest.approx(known["value"], rel=0.01)


def test_the_improvement_is_less_at_equal_compute() -> None:
    key = {"model": "mixtral", "batch": 1024}
    lines = [line for line in table("tiling") if key.items() <= line.items()]
    onchip = {line["tile"]: line["onchip"] for line in lines}
    slow = {line["tile"]: Point(line["modelled"], line["onchip"]) for line in lines}
    fast = {
        line["tile"]: Point(line["modelled"], onchip[line["tile"]])
        for line in table("equal_compute")
        if key.items() <= line.items()
    }
    dynamic_fast, dynamic_slow = slow.pop("dynamic"), fast.pop("dynamic")
    assert improvement_distance(dynamic_slow, list(slow.values())) == pytest.approx(1.21, rel=0.01)
    assert improvement_distance(dynamic_fast, list(fast.values())) == pytest.approx(1.21, rel=0.01)


def test_means_of_figure_21_follow_from_the_published_cycles() -> None:
    for line in table("fig21"):
        key = {"batch": line["batch"], "variation": line["variation"]}
        windows = [one for one in table("attention") if key.items() <= one.items()]
        if line["variation"] == "all":
            windows = [one for one in table("attention") if one["batch"] in (16, 64)]
        for way in ("coarse", "interleaved"):
            ratios = [one[way] / one["dynamic"] for one in windows]
            assert geometric_mean(ratios) == pytest.approx(line[way], rel=2e-3), (key, way)


def test_published_utilisation_follows_from_its_cycles() -> None:
    for line in table("multiplexing"):
        used = 100 * line["flops"] / (line["cycles"] * line["allocated"])
        assert used == pytest.approx(line["utilisation"], abs=0.006), line
    first, shared = (published("multiplexing", tile=32, regions=one) for one in (128, 32))
    text = published("sharing", regions=32)
    gain = shared["utilisation"] / first["utilisation"]
    assert gain == pytest.approx(text["utilisation"], rel=0.01)
    freed = 1 - shared["allocated"] / first["allocated"]
    assert freed == pytest.approx(text["compute_freed"], abs=0.01)
    freed = 1 - shared["onchip"] / first["onchip"]
    assert freed == pytest.approx(text["memory_freed"], abs=0.01)


def test_cycles_of_the_simulator_follow_those_of_hardware() -> None:
    lines = table("fig8")
    found = correlation([line["cycles"] for line in lines], [line["rtl"] for line in lines])
    assert found == pytest.approx(0.993, abs=1e-3)


def expert_memory(hidden: int, tile: int | None) -> int:
    """
    Bytes of an expert: three bfloat16 tiles of 64 columns, and three float32 tiles of `tile` rows.

    Dynamic tiles (none) take memory by the rows that arrive.
    """
    return 6 * hidden * 64 + (12 * hidden * tile if tile else 0)


def test_memory_of_experts_is_that_of_the_published_points() -> None:
    for line in table("tiling"):
        key = {"model": line["model"], "batch": line["batch"]}
        layer = published("layers", **key)
        hidden, rest = layer["hidden"], 10 * layer["hidden"] + 2
        experts = layer["experts"] if layer["idle_counted"] else layer["active"]
        if line["tile"] == "dynamic":
            rows = layer["chosen"] * layer["batch"]
            memory = layer["active"] * expert_memory(hidden, None) + 12 * hidden * rows
        else:
            memory = experts * expert_memory(hidden, line["tile"])
        assert line["onchip"] == memory + rest


def published_row(settings: Cells) -> Row:
    """What a replay would measure if it gave the published values."""
    if "tile rows" in settings:
        rows, hidden = settings["tile rows"], settings["hidden tile"]
        return Row(settings, published("fig8", tile_rows=rows, tile_hidden=hidden))
    if "FLOPs/cycle" in settings:
        key = {name: settings[name] for name in ("model", "batch", "tile")}
        line, layer = published("tiling", **key), published("layers", **without(key, "tile"))
        tile = None if key["tile"] == "dynamic" else integer(key["tile"])
        line = line or {"cycles": 1_250_000, "onchip": 2_000_000 * integer(key["tile"])}
        counted = layer["idle_counted"] and tile is not None
        idle = (layer["experts"] - layer["active"]) * expert_memory(layer["hidden"], tile)
        every = line["onchip"] if counted else line["onchip"] + idle
        changed = published("equal_compute", **key, compute=settings["FLOPs/cycle"])
        cycles = changed.get("modelled", line["cycles"])
        memory = {"onchip_bytes": every, "onchip_bytes_active": every - idle}
        return Row(settings, {"cycles": cycles, "traffic": line.get("traffic", 1), **memory})
    if "regions" in settings:
        line = published("multiplexing", tile=settings["tile"], regions=settings["regions"])
        known = {
            "onchip_bytes_active": line.get("onchip"),
            "allocated_compute": line["allocated"],
            "reference_flops": line["flops"],
            "flops": line["flops"] / 2.33,
            "traffic": 576_455_680,
        }
        return Row(settings, {**line, **known})
    line = published("attention", batch=settings["batch"], first=settings["first"])
    unknown = {"coarse": 2720, "dynamic": 1000}
    return Row(settings, {"cycles": (line or unknown)[str(settings["assignment"])]})


def without(cells: Cells, name: str) -> Cells:
    return {key: value for key, value in cells.items() if key != name}


STEP = [name for name in MODULES if name.startswith("step-")]


@pytest.mark.parametrize("name", STEP)
def test_published_values_are_the_published_values(name: str, tmp_path: Path) -> None:
    study = Study(load(name), "reduced", tmp_path)
    for case in study.experiment.cases("reduced"):
        study.journal.append(published_row(case.settings))
    lines = study.table()
    known = [line for line in lines if line["published"] is not None]
    assert len(known) >= len(lines) / 3
    for line in known:
        assert line["ratio"] == pytest.approx(1, abs=0.015), line
    study.write()
    table_of, png, _ = study.files
    assert len(list(csv.DictReader(table_of.read_text().splitlines()))) == len(lines)
    assert png.read_bytes().startswith(b"\x89PNG")


def improvements(name: str) -> dict[str, Cell]:
    """The Pareto improvements of a table of published rows, by model and what is compared."""
    experiment = load(name)
    rows = [published_row(case.settings) for case in experiment.cases("reduced")]
    lines = [line for line in experiment.tabulate(rows) if line["measure"] == "Pareto improvement"]
    return {
        f"{line['model']} {line['FLOPs/cycle']} {str(line['note']).split(':')[-1].strip()}": line[
            "value"
        ]
        for line in lines
    }


def test_comparisons_of_unequal_hardware_stand_beside_equal_ones() -> None:
    found = improvements("step-fig10")
    assert {key: value for key, value in found.items() if "mixtral" in key} == {
        "mixtral 6400 static tiles have 4096 FLOPs/cycle": pytest.approx(1.8586, rel=1e-3),
        "mixtral 4096 equal compute": pytest.approx(1.21, rel=0.01),
        "mixtral 6400 equal compute": pytest.approx(1.21, rel=0.01),
    }
    found = improvements("step-fig9")
    # Idle experts of Qwen: counted by neither side, or by both.
    assert found["qwen 6400 memory of the experts that get tokens"] == pytest.approx(
        1.226, rel=0.01
    )
    assert found["qwen 6400 memory of all experts"] == pytest.approx(1.333, rel=0.01)
    assert "mixtral 6400 memory of all experts" not in found


def test_a_part_of_the_rows_gives_a_part_of_the_table() -> None:
    for name in STEP:
        experiment = load(name)
        rows = [published_row(case.settings) for case in experiment.cases("reduced")]
        few, many = experiment.tabulate(rows[:1]), experiment.tabulate(rows)
        assert 0 < len(few) < len(many)
        assert list(few[0]) == list(many[-1])


def stand_in(**found: object) -> Callable[[Path], dict[str, object]]:
    """A simulator that finds the same of every graph."""
    measured = dict.fromkeys(MEASURED, 1) | {"name": "graph", "deadlock": None}

    def replay(path: Path) -> dict[str, object]:
        json.loads(path.read_text())
        return {**measured, **found}

    return replay


GRAPH: Netlist = {"meta": {"name": "graph", "published_cycles": 7}, "nodes": []}


def test_a_graph_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.replay", stand_in(cycles=7))
    found = rewritten(GRAPH)
    assert found["cycles"] == 7
    assert {*MEASURED, "seconds"} == found.keys()


@pytest.mark.parametrize(
    ("deadlock", "said"),
    [
        ("x waits for y", "x waits for y"),
        ({"smallest_depth": 4}, "channels of depth 4 are enough"),
        ({"smallest_depth": None}, "no depth helps"),
    ],
)
def test_a_deadlock_is_no_row(deadlock: object, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.replay", stand_in(deadlock=deadlock))
    with pytest.raises(WrongValueError, match=f"'graph.json' deadlocks: {said}"):
        rewritten(GRAPH)


def test_absent_data_are_said_to_be_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_REFERENCE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="is absent; set HEADRACE_REFERENCE_DATA"):
        load("step-fig9").measure(load("step-fig9").cases("reduced")[0].settings)
    monkeypatch.setattr("headrace.cli.experiments.MODULES", {"step-fig8": MODULES["step-fig8"]})
    out = ("--out", str(tmp_path))
    assert main(["experiments", "run", "all", *out]) == 0
    assert capsys.readouterr().err.startswith("skipped: step-fig8: the recorded file")
    assert main(["experiments", "run", "step-fig8", *out]) == 2
    assert "set HEADRACE_REFERENCE_DATA" in capsys.readouterr().err


def test_a_front_has_no_point_that_another_dominates() -> None:
    points = [Point(4, 1), Point(2, 2), Point(3, 3), Point(1, 4), Point(1, 5), Point(2, 2)]
    assert pareto_front(points) == [Point(4, 1), Point(2, 2), Point(1, 4)]
    assert improvement_distance(Point(1, 1), points) == 2
    assert improvement_distance(Point(4, 4), points) == 0.5
    with pytest.raises(ValueError, match="needs other points"):
        improvement_distance(Point(1, 1), [])


costs = st.integers(1, 1000).map(float)
points = st.builds(Point, costs, costs)


@given(points, st.lists(points, min_size=1))
def test_points_that_are_dominated_do_not_change_an_improvement(
    point: Point, others: list[Point]
) -> None:
    far = max(one.cycles for one in others), max(one.bytes for one in others)
    worse = Point(far[0] + 1, far[1] + 1)
    distance = improvement_distance(point, others)
    assert improvement_distance(point, [*others, worse]) == distance
    assert distance == min(
        max(one.cycles / point.cycles, one.bytes / point.bytes) for one in others
    )


def test_coarse_assignment_deals_blocks_of_requests() -> None:
    assert coarse_shares(16) == [list(range(16))]
    assert coarse_shares(40) == [list(range(16)), list(range(16, 32)), list(range(32, 40))]
    assert coarse_shares(80)[0] == [*range(16), *range(64, 80)]
    assert [len(share) for share in coarse_shares(80)] == [32, 16, 16, 16]


def test_the_new_row_of_a_request_may_need_a_tile() -> None:
    assert [tiles(length) for length in (0, 31, 32, 63, 64)] == [1, 1, 2, 2, 3]
    assert [last_rows(length) for length in (0, 31, 32)] == [0, 31, 0]
