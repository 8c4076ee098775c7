"""Estimates of whole programs: arguments, results that are not there yet, steps of the host."""

import json
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import headrace
from headrace.backends.estimate import estimate_graph, estimate_steps
from headrace.backends.statistics import expected_statistics, host_statistics, statistics_of
from headrace.backends.steps import ConvertStep
from headrace.cli.main import main
from headrace.models import gcn
from headrace.storage.levels import Format, Storage

CSR = Format.parse("csr", 2)


def matrix(rows: int, columns: int, density: float, seed: int = 0) -> Any:
    draw = np.random.default_rng(seed)
    return scipy.sparse.csr_array(1.0 * (draw.random((rows, columns)) < density))


def test_the_estimate_of_a_product_is_its_simulation() -> None:
    program = headrace.einsum("Y(i,k) = A(i,j) * X(j,k)", A="csr")
    args = matrix(20, 30, 0.2), np.ones((30, 4))
    estimate, result = program.estimate(*args), program.run(*args)
    assert estimate.cycles == pytest.approx(result.cycles, abs=2)
    assert estimate.flops == result.flops
    assert estimate.memory == result.memory
    assert estimate.shapes == result.shapes


def test_a_compressed_result_between_graphs_is_expected() -> None:
    program = headrace.einsum(
        "Y(i,l) = A(i,j) * B(j,k) * C(k,l)",
        pipeline="sam-fuse{regions=none},sam-lower",
        A="csr",
        B="csr",
        C="csr",
        Y="csr",
    )
    args = matrix(60, 50, 0.1), matrix(50, 40, 0.1, 1), matrix(40, 30, 0.1, 2)
    estimate, result = program.estimate(*args), program.run(*args)
    assert len(estimate.graphs) > 1
    assert estimate.cycles == pytest.approx(result.cycles, rel=0.03)
    assert estimate.bytes == pytest.approx(result.bytes, rel=0.05)


def test_arguments_are_checked_as_for_a_run() -> None:
    program = headrace.einsum("Y(i) = A(i,j) * x(j)", A="csr")
    with pytest.raises(headrace.InputError, match="they must be equal"):
        program.estimate(matrix(4, 5, 0.5), np.ones(6))


def test_graphs_can_be_estimated_one_by_one() -> None:
    model, args = gcn.karate()
    program = headrace.compile(model, args, pipeline="gcn-per-layer")
    known = program.statistics(*args)
    cycles = 0
    for graph in program.graphs:
        cost, results = estimate_graph(graph, known)
        known |= results
        cycles += cost.cycles
        assert cost.bottleneck is not None
    assert cycles == program.estimate(*args).cycles


def test_an_estimate_can_be_made_from_densities_alone() -> None:
    program = headrace.einsum("Y(i,k) = A(i,j) * X(j,k)", A="csr")
    dense = expected_statistics((30, 4), Format.dense(2), 1)
    costs, known = estimate_steps(
        program.steps, {"A": expected_statistics((20, 30), CSR, 0.2), "X": dense}
    )
    cycles = program.run(matrix(20, 30, 0.2), np.ones((30, 4))).cycles
    assert costs[0].result.cycles == pytest.approx(cycles, rel=0.2)
    assert known[program.results[0].name].shape == (20, 4)


def test_a_copy_of_a_known_tensor_has_exact_statistics() -> None:
    stored = Storage.from_dense(matrix(6, 5, 0.4).toarray(), CSR)
    step = ConvertStep("A", "T", Format.parse("csc", 2))
    (level,) = host_statistics(step, {"A": statistics_of(stored)}, (6, 5)).levels[1:]
    assert level is not None
    columns = np.count_nonzero(stored.to_dense(), axis=0)
    assert level.fiber_lengths.tolist() == columns.tolist()


def test_a_copy_of_an_unknown_tensor_has_its_density() -> None:
    source = expected_statistics((6, 5), CSR, 0.4)
    step = ConvertStep("A", "T", Format.parse("csc", 2))
    (level,) = host_statistics(step, {"A": source}, (6, 5)).levels[1:]
    assert level is not None
    assert (level.parents, level.count, level.extent) == (5, pytest.approx(12), 6)


def test_relu_between_graphs_leaves_half_of_the_values() -> None:
    source = expected_statistics((6, 5), Format.dense(2), 0.5)
    (level,) = host_statistics(ConvertStep("A", "T", CSR), {"A": source}, (6, 5)).levels[1:]
    assert level is not None
    assert level.count == pytest.approx(15)


def test_the_command_prints_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    source = ["run", "headrace.models.gcn:karate", "--pipeline", "gcn-per-layer", "--estimate"]
    assert main([*source, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    model, args = gcn.karate()
    estimate = headrace.compile(model, args, pipeline="gcn-per-layer").estimate(*args)
    assert found["cycles"] == estimate.cycles
    assert main(source) == 0
    assert f"{estimate.cycles:,}" in capsys.readouterr().out
    assert f"{estimate.cycles:,}" in str(estimate)


def test_the_command_refuses_what_only_a_simulation_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "headrace.models.gcn:karate", "--estimate", "--depth", "4"]) == 2
    assert "leave --depth out" in capsys.readouterr().err


def test_a_compressed_copy_keeps_the_zeros_that_were_stored() -> None:
    """Half of what relu stores is zero, and still there when the matrix is stored transposed."""
    rows = Format.parse("ds", 2)
    stored = expected_statistics((60, 60), rows, 0.2, nonzero=0.5)
    copy = ConvertStep("a", "b", Format(rows.levels, (1, 0)))
    found = host_statistics(copy, {"a": stored}, (60, 60))
    assert found.stored == pytest.approx(0.2 * 60 * 60)
    assert found.nonzero == 0.5
