"""The rules of the cost model on streams that can be counted by hand."""

from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream.catalogue import CATALOGUE
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.estimate.estimate import GraphEstimate, NodeEstimate, estimate
from headrace.simulators.stream.estimate.levels import LevelStatistics, statistics_of_arrays
from headrace.simulators.stream.estimate.rules import RULES
from headrace.simulators.stream.program import ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import simulate

VARIANTS = {"accumulate_points", "accumulate_tree", "accumulate_vector"}

# 0 -> 0, 1, 2; 1 -> 0; 2 -> 0; 3 is alone.
STAR: dict[str, Any] = {
    "A.0.extent": 4,
    "A.1.segments": np.array([0, 3, 4, 5, 5]),
    "A.1.coordinates": np.array([0, 1, 2, 0, 0]),
    "A.values": np.ones(5),
}


def level(name: str) -> dict[str, Any]:
    return {"segments": Slot(f"{name}.segments"), "coordinates": Slot(f"{name}.coordinates")}


def rows(b: ProgramBuilder) -> tuple[Stream, Stream]:
    (root,) = b.node("root")
    i, row = b.node("scan_dense", root, extent=Slot("A.0.extent"), name="i")
    b.node("write_coordinates", i, output="Y.0")
    return i, row


def neighbours(b: ProgramBuilder) -> tuple[Stream, Stream]:
    j, position = b.node("scan_compressed", rows(b)[1], name="j", **level("A.1"))
    return j, position


def second_neighbours(b: ProgramBuilder) -> tuple[Stream, Stream]:
    (row,) = b.node("locate", neighbours(b)[0], extent=4)
    k, position = b.node("scan_compressed", row, name="k", **level("A.1"))
    return k, position


def both(b: ProgramBuilder, arrays: dict[str, Any] = STAR) -> tuple[GraphEstimate, Any]:
    program = b.build()
    return estimate(program, statistics_of_arrays(arrays)), simulate(
        program, arrays, operations=True
    )


def node(found: GraphEstimate, name: str) -> NodeEstimate:
    return next(one for one in found.nodes if one.name == name)


def assert_exact(b: ProgramBuilder, arrays: dict[str, Any] = STAR) -> None:
    """Counts are exact; the cycles of so few tokens are up to two off."""
    found, result = both(b, arrays)
    assert found.cycles == pytest.approx(result.cycles, abs=2)
    assert found.flops == result.flops
    assert found.memory == result.memory
    for one, other in zip(found.nodes, result.nodes, strict=True):
        assert one.operations == pytest.approx(other.operations), one.name


def test_every_primitive_of_sparse_programs_has_a_rule() -> None:
    sparse = {name for name in CATALOGUE if not name.startswith("step_")}
    kinds = {name.removeprefix("tile_") for name in sparse} - VARIANTS
    assert kinds | {"accumulate"} <= RULES.keys()


def test_a_compressed_level_has_its_coordinates_and_a_stop_for_every_row() -> None:
    b = ProgramBuilder()
    neighbours(b)
    found, _ = both(b)
    assert node(found, "j").steps == 5 + 4


def test_rows_that_are_visited_often_count_often() -> None:
    """The neighbours of neighbours are the sum of squared degrees, 9 + 1 + 1, not 4 * 1.25^2."""
    b = ProgramBuilder()
    k, _ = second_neighbours(b)
    b.node("write_coordinates", k, output="Z")
    found, result = both(b)
    assert node(found, "k").steps == pytest.approx(11 + 5 + 1)  # The empty row is hollow.
    assert found.bytes == sum(t.read + t.written for t in result.memory.values())


def test_a_sum_over_edges_is_exact() -> None:
    b = ProgramBuilder()
    _, position = neighbours(b)
    (value,) = b.node("array", position, values=Slot("A.values"))
    (total,) = b.node("reduce", value)
    b.node("write_values", total, output="Y")
    assert_exact(b)


def test_an_accumulator_holds_different_coordinates() -> None:
    b = ProgramBuilder()
    j, _ = neighbours(b)
    (row,) = b.node("locate", j, extent=4)
    k, position = b.node("scan_compressed", row, **level("A.1"))
    (value,) = b.node("array", position, values=Slot("A.values"))
    column, total = b.node("accumulate", j, k, value)
    b.node("write_coordinates", column, output="Z")
    b.node("write_values", total, output="Z")
    assert_exact(b)


def test_what_is_not_listed_is_as_if_fibers_were_independent() -> None:
    """Two fibers of which each has half of 10 coordinates have 7.5 in common or alone."""
    b = ProgramBuilder()
    (root,) = b.node("root")
    i, row = b.node("scan_dense", root, extent=2)
    k, position = b.node("scan_compressed", row, **level("A.1"))
    (value,) = b.node("array", position, values=Slot("A.values"))
    column, _ = b.node("accumulate", i, k, value)
    b.node("write_coordinates", column, output="Z", name="out")
    found = estimate(b.build(), {"A.1": LevelStatistics(2, 10, 10)})
    assert node(found, "out").steps == 7.5 + 1


@pytest.mark.parametrize("kind", ["intersect", "union"])
def test_joining_with_all_coordinates_is_exact(kind: str) -> None:
    b = ProgramBuilder()
    _, row = rows(b)
    j, position = b.node("scan_compressed", row, **level("A.1"))
    full, again = b.node("scan_dense", row, extent=4)
    crd, ref, _ = b.node(kind, j, full, position, again)
    (value,) = b.node("array", ref, values=Slot("A.values"))
    b.node("write_coordinates", crd, output="Z")
    b.node("write_values", value, output="Z")
    assert_exact(b)


def test_equal_operands_have_equal_coordinates() -> None:
    b = ProgramBuilder()
    _, row = rows(b)
    one = b.node("scan_compressed", row, **level("A.1"))
    two = b.node("scan_compressed", row, **level("A.1"))
    crd, *_ = b.node("intersect", one[0], two[0], one[1], two[1], name="join")
    b.node("write_coordinates", crd, output="Z")
    found = estimate(b.build(), {"A.0.extent": 4, "A.1": LevelStatistics(4, 5, 4)})
    assert node(found, "join").steps == 5 + 4


def test_coordinates_of_different_operands_meet_by_chance() -> None:
    b = ProgramBuilder()
    _, row = rows(b)
    one = b.node("scan_compressed", row, **level("A.1"))
    two = b.node("scan_compressed", row, **level("B.1"))
    crd, *_ = b.node("intersect", one[0], two[0], one[1], two[1], name="join")
    b.node("write_coordinates", crd, output="Z", name="out")
    levels = {"A.1": LevelStatistics(4, 20, 10), "B.1": LevelStatistics(4, 8, 10)}
    found = estimate(b.build(), {"A.0.extent": 4, **levels})
    assert node(found, "out").steps == 4 * 5 * 2 / 10 + 4
    assert node(found, "join").steps == 20 + 8 - 4 + 4


def test_work_behind_the_last_burst_is_added() -> None:
    """Rows of 50 are added up; each total takes 50 cycles more, the last one at the end."""
    b = ProgramBuilder()
    (root,) = b.node("root")
    _, row = b.node("scan_dense", root, extent=4)
    _, position = b.node("scan_dense", row, extent=50)
    (value,) = b.node("array", position, values=Slot("X.values"))
    (total,) = b.node("reduce", value)
    (signal,) = b.node("repeat_signal", position)
    (again,) = b.node("repeat", total, signal)
    b.node("write_values", again, output="Y")
    arrays = {"X.values": np.ones(200)}
    found, result = both(b, arrays)
    assert found.cycles == pytest.approx(result.cycles, abs=2)
    assert result.cycles > 5 * 50


def test_half_of_the_values_stay_behind_relu() -> None:
    b = ProgramBuilder()
    j, position = neighbours(b)
    (value,) = b.node("array", position, values=Slot("A.values"))
    (positive,) = b.node("alu", value, op="max", scalar=0.0)
    kept, _ = b.node("value_drop", positive, j)
    b.node("write_values", kept, output="Y", name="out")
    found, _ = both(b)
    assert node(found, "out").steps == 5 / 2


def test_lanes_have_the_rows_that_they_are_dealt() -> None:
    b = ProgramBuilder()
    _, row = rows(b)
    *lanes, order = b.node("fork", row, lanes=2)
    values: list[Stream] = []
    for lane in lanes:
        _, position = b.node("scan_compressed", lane, name=f"lane {len(values)}", **level("A.1"))
        values += b.node("array", position, values=Slot("A.values"))
    (value,) = b.node("gather", *values, order, levels=1)
    b.node("write_values", value, output="Y")
    found, result = both(b)
    assert [node(found, f"lane {k}").steps for k in range(2)] == [3 + 1 + 2, 1 + 0 + 2]
    assert found.cycles == pytest.approx(result.cycles, abs=2)


def test_tiles_count_the_arithmetic_of_their_entries() -> None:
    b = ProgramBuilder()
    _, position = neighbours(b)
    (tile,) = b.node("array", position, values=Slot("A.values"), rows=2, columns=3, latency=6)
    (other,) = b.node("alu", tile, op="neg", rows=2, columns=3, latency=6, interval=6)
    (product,) = b.node("alu", other, other, op="matmul", rows=2, columns=2, inner=3, interval=4)
    (total,) = b.node("reduce", product, rows=2, columns=2)
    b.node("write_values", total, output="Y", rows=2, columns=2)
    found, result = both(b, {**STAR, "A.values": np.ones((5, 2, 3))})
    assert found.flops == result.flops == 5 * (6 + 2 * 2 * 3 * 2 + 4)
    assert found.memory == result.memory
    assert found.cycles == pytest.approx(result.cycles, abs=8)


def test_feedback_is_refused() -> None:
    b = ProgramBuilder()
    back = b.feedback([0])
    (one,) = b.node("number", back, name="one")
    (two,) = b.node("number", one)
    b.connect(back, two)
    with pytest.raises(ProgramError, match="needs a graph without feedback"):
        estimate(b.build(), {})


def test_missing_statistics_are_named() -> None:
    b = ProgramBuilder()
    neighbours(b)
    with pytest.raises(ProgramError, match=r"level 'A\.1', of which there are no statistics"):
        estimate(b.build(), {"A.0.extent": 4})
