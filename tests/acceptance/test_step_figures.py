"""
The figures of STeP as published, within what repeats: from recorded netlists, and from PyTorch.
"""

from collections.abc import Mapping, Sequence

import pytest

from headrace.experiments.experiment import Cell, Row, real
from headrace.experiments.registry import load
from headrace.experiments.step.published import published
from headrace.tests.reference import reference_path

reference_path("step/golden/netlists")

Lines = Sequence[Mapping[str, Cell]]

SOURCES = ["netlist", pytest.param("pytorch", marks=pytest.mark.slow)]


def measured(name: str, **key: Cell) -> list[Row]:
    """The rows of the cases of an experiment that have all of `key`."""
    experiment = load(name)
    cases = [case for case in experiment.cases("reduced") if key.items() <= case.settings.items()]
    assert cases
    return [Row(case.settings, experiment.measure(case.settings)) for case in cases]


def lines_of(name: str, **key: Cell) -> Lines:
    return load(name).tabulate(measured(name, **key))


def expect_near(lines: Lines, measure: str, relative: float) -> None:
    """Every line of a measure that has a published value is near it."""
    known = [one for one in lines if one["measure"] == measure and one["published"] is not None]
    assert known
    for one in known:
        assert one["value"] == pytest.approx(one["published"], rel=relative), one


@pytest.mark.parametrize("source", ["netlist", "pytorch"])
def test_figure_8_swiglu(source: str) -> None:
    lines = lines_of("step-fig8", source=source)
    expect_near(lines, "cycles", 0.003)
    expect_near(lines, "traffic", 0)
    (agreement,) = [one for one in lines if one["measure"] == "correlation with hardware"]
    assert real(agreement["value"]) >= 0.98


@pytest.mark.slow
def test_figure_9_tiles_of_mixtral() -> None:
    expect_tiles(lines_of("step-fig9", model="mixtral"))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["netlist", "pytorch"])
def test_figure_9_tiles_of_qwen(source: str) -> None:
    lines = lines_of("step-fig9", model="qwen", source=source)
    expect_tiles(lines)
    equal = [one["value"] for one in improvements(lines) if "equal" in str(one["note"])]
    # Both sides count all experts, or those with tokens; or both have 4096 FLOPs/cycle.
    assert equal == pytest.approx([1.333, 1.2325, 2.105], rel=0.01)


def expect_tiles(lines: Lines) -> None:
    """Cycles within 1 %, exact bytes, and the published Pareto improvement."""
    expect_near(lines, "cycles", 0.01)
    expect_near(lines, "traffic", 0)
    expect_near(lines, "on-chip memory", 0)
    expect_near(lines, "Pareto improvement", 0.01)
    expect_near(lines, "cycles to dynamic", 0.01)
    expect_near(lines, "memory to dynamic", 0.01)


def improvements(lines: Lines) -> Lines:
    return [one for one in lines if one["measure"] == "Pareto improvement"]


@pytest.mark.slow
def test_figure_10_tiles_of_mixtral() -> None:
    lines = lines_of("step-fig10", model="mixtral")
    expect_tiles(lines)
    found = [one["value"] for one in improvements(lines)]
    assert found == pytest.approx(2 * [1.8586, 1.21, 1.21], rel=0.01)


@pytest.mark.slow
def test_figure_10_tiles_of_qwen() -> None:
    lines = lines_of("step-fig10", model="qwen")
    expect_near(lines, "cycles", 0.01)
    expect_near(lines, "traffic", 0)
    expect_near(lines, "on-chip memory", 0)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mixtral", "qwen"])
def test_other_compute_gives_the_modelled_cycles(model: str) -> None:
    """A model of the same timing rules has them to the cycle."""
    for name in ("step-fig9", "step-fig10"):
        for row in measured(name, model=model, source="netlist"):
            key = {column: row[column] for column in ("model", "batch", "tile")}
            compute = {"compute": row["FLOPs/cycle"]}
            known = published("equal_compute", **key, **compute)
            if known:
                assert row["cycles"] == known["modelled"], key


@pytest.mark.slow
def test_figures_12_and_13_shared_regions() -> None:
    rows = measured("step-fig12", source="netlist")
    lines = load("step-fig12").tabulate(rows)
    for name in ("cycles", "utilisation as published, %", "memory bandwidth used, %"):
        expect_near(lines, name, 0.015)
    expect_near(lines, "cycles to 128 regions", 0.01)
    expect_near(lines, "utilisation to 128 regions", 0.01)
    lines = load("step-fig13").tabulate(rows)
    expect_near(lines, "on-chip bytes", 0)
    expect_near(lines, "allocated FLOPs/cycle", 0)
    expect_near(lines, "memory freed", 0.02)
    expect_near(lines, "compute freed", 0.02)


@pytest.mark.slow
def test_figures_12_and_13_from_pytorch() -> None:
    """Weights as PyTorch has them take fewer requests, so that cycles are up to 13 % fewer."""
    rows = measured("step-fig12", source="pytorch")
    lines = load("step-fig12").tabulate(rows)
    for one in lines:
        if one["measure"] == "cycles":
            assert 0.87 < real(one["ratio"]) < 1.01, one
    expect_near(lines, "cycles to 128 regions", 0.05)
    expect_near(lines, "utilisation to 128 regions", 0.05)
    lines = load("step-fig13").tabulate(rows)
    expect_near(lines, "on-chip bytes", 0)
    # The published graph with 128 regions of dynamic tiles leaves the final addition out.
    expect_near(lines, "allocated FLOPs/cycle", 0.002)
    expect_near(lines, "memory freed", 0.02)
    expect_near(lines, "compute freed", 0.02)


def expect_attention(lines: Lines, source: str) -> None:
    """Cycles of a source: within 2 from netlists, within 0.2 % from PyTorch."""
    known = [one for one in lines if str(one["measure"]).startswith("cycles ")]
    known = [one for one in known if one["published"] is not None]
    assert known
    for one in known:
        theirs = real(one["published"])
        allowed = 2 if source == "netlist" else 0.002 * theirs
        assert abs(real(one["value"]) - theirs) <= allowed, one


@pytest.mark.parametrize("source", SOURCES)
def test_figure_14_windows(source: str) -> None:
    lines = lines_of("step-fig14", source=source)
    expect_attention(lines, source)
    expect_near(lines, "speed-up over interleaved", 0.002)


@pytest.mark.parametrize("source", SOURCES)
def test_figure_15_batches(source: str) -> None:
    lines = lines_of("step-fig15", source=source)
    expect_attention(lines, source)
    expect_near(lines, "speed-up over coarse", 0.005)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "batch", [16, *(pytest.param(size, marks=pytest.mark.slow) for size in (64, 80))]
)
def test_figure_21_means(source: str, batch: int) -> None:
    lines = lines_of("step-fig21", source=source, batch=batch)
    expect_attention(lines, source)
    expect_near(lines, "mean coarse", 0.002)
    expect_near(lines, "mean interleaved", 0.002)
