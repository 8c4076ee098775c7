"""The figures of STeP: published values, figures of merit, graphs for other requests, tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.experiments.step.published import published, table
from headrace.experiments.step.requests import coarse_shares, last_rows, tiles
from headrace.experiments.step.statistics import (
    Point,
    correlation,
    geometric_mean,
    improvement_distance,
    pareto_front,
)

POINTS = [("mixtral", 64), ("qwen", 64), ("mixtral", 1024)]


def test_every_point_of_a_figure_is_published() -> None:
    hidden = (16, 32, 64, 128, 256)
    assert all(published("fig8", tile_rows=b, tile_hidden=f) for b in (16, 64) for f in hidden)
    assert all(
        published("tiling", model=model, batch=64, tile=tile)
        for model in ("mixtral", "qwen")
        for tile in (0, 8, 16, 32, 64)
    )
    many = [0, *(2**power for power in range(4, 11))]
    assert all(published("tiling", model="mixtral", batch=1024, tile=tile) for tile in many)
    regions = [2**power for power in range(2, 8)]
    assert all(published("multiplexing", tile=32, regions=one) for one in regions)
    assert all(published("multiplexing", tile=0, regions=one) for one in [2, *regions])
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
    distance = improvement_distance(points.pop(0), list(points.values()))
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
    dynamic_fast, dynamic_slow = slow.pop(0), fast.pop(0)
    assert improvement_distance(dynamic_slow, list(slow.values())) == pytest.approx(1.21, rel=0.01)
    assert improvement_distance(dynamic_fast, list(fast.values())) == pytest.approx(1.21, rel=0.01)


def test_means_of_figure_21_follow_from_the_published_cycles() -> None:
    for line in table("fig21"):
        key = {"batch": line["batch"], "variation": line["variation"]}
        windows = [one for one in table("attention") if key.items() <= one.items()]
        for way in ("coarse", "interleaved"):
            ratios = [one[way] / one["dynamic"] for one in windows]
            assert geometric_mean(ratios) == pytest.approx(line[way], rel=1e-3), (key, way)


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
