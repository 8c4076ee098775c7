"""The figures of "FuseFlow" (ASPLOS 2026): small cases are measured, tables compare rightly."""

import pytest

from headrace.experiments.experiment import Cell, Row
from headrace.experiments.fuseflow import (
    compile_time,
    fig12_fusion,
    fig14_work,
    fig15_sparsity,
    fig16_lanes,
    fig17_blocks,
    fig18_order,
    table3_estimate,
)
from headrace.experiments.fuseflow.fig12_models import example
from headrace.experiments.fuseflow.published import published


def row(measured: dict[str, Cell], **settings: Cell) -> Row:
    return Row(settings, {"error": 0.0, **measured})


def fusion(model: str, data: str, schedule: str, cycles: int, how: str = "simulated") -> Row:
    settings = {"model": model, "data": data, "size": "published", "schedule": schedule}
    return row({"cycles": cycles}, **settings, how=how)


def test_speedups_are_over_the_unfused_schedule_of_the_same_data() -> None:
    rows = [
        fusion("GCN", "Cora", "unfused", 400),
        fusion("GCN", "Cora", "partial", 200),
        fusion("GCN", "OGB-MAG", "unfused", 800, "estimated"),
        fusion("GCN", "OGB-MAG", "partial", 100, "estimated"),
    ]
    lines = fig12_fusion.tabulate(rows)
    assert [line["speed-up"] for line in lines] == [1, 2, 1, 8, pytest.approx(4)]
    assert lines[1]["published"] == pytest.approx(1.633, rel=1e-3)
    assert lines[1]["ratio"] == pytest.approx(2 / 1.633, rel=1e-3)
    assert lines[-1]["published"] == 1.907
    assert [line["how"] for line in lines[3:]] == ["estimated", "estimated"]
    assert lines[-1]["note"] == "2 without what is estimated (OGB-MAG)"
    assert "how many classes were used is not known" in str(lines[3]["note"])


def test_the_full_fusion_of_the_autoencoder_is_compared_with_the_text() -> None:
    (line, *_) = fig12_fusion.tabulate([fusion("SAE", "ImageNet", "full", 100)])
    assert line["published"] == 1.94
    assert "0.63 to 0.67" in str(line["note"])
    assert line["speed-up"] is None


def test_the_scheduler_is_compared_with_the_best_published_schedule() -> None:
    rows = [fusion("GCN", "Cora", name, 100) for name in ("unfused", "auto")]
    assert fig12_fusion.tabulate(rows)[1]["published"] == pytest.approx(1.633, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "data", "said"),
    [
        ("GraphSAGE", "Cora", "the cause is not known"),
        ("GraphSAGE", "Cora_ML", "the cause is not known"),
        ("GPT-3", "BigBird 16", "three regions for queries"),
    ],
)
def test_a_partial_fusion_far_from_the_published_one_has_a_note(
    model: str, data: str, said: str
) -> None:
    (line, *_) = fig12_fusion.tabulate([fusion(model, data, "partial", 100)])
    assert said in str(line["note"])


def test_what_is_too_large_is_estimated_of_a_share() -> None:
    model, (adjacency, features) = example("GCN", "Cora", "published", 1 / 16)
    assert len(adjacency) == len(features) == round(2708 / 16)
    assert features.shape[1] == model.conv1.weight.shape[0] == 1433


def test_work_is_compared_to_the_unfused_schedule() -> None:
    rows = [
        row({"flops": 10, "accesses": 40}, data="DBLP", schedule="unfused"),
        row({"flops": 100, "accesses": 80}, data="DBLP", schedule="full"),
    ]
    lines = {(line["schedule"], line["quantity"]): line for line in fig14_work.tabulate(rows)}
    assert lines["full", "flops, to unfused"]["ours"] == 10
    assert lines["full", "flops, to unfused"]["published"] == pytest.approx(11.73, abs=0.01)
    assert lines["full", "accesses, to unfused"]["ours"] == 2
    assert lines["full", "flops per access"]["ours"] == 1.25


def test_the_cycles_of_a_sparse_network_are_those_recorded() -> None:
    settings: dict[str, Cell] = {"pattern": "uniform", "sparsity": 0.95, "nodes": 200}
    recorded = published("fig15", **settings)
    for schedule in ("unfused", "partial", "full"):
        found = fig15_sparsity.measure({**settings, "features": 64, "schedule": schedule})
        assert found["cycles"] == pytest.approx(recorded[schedule], rel=0.01)


def test_lanes_divide_the_cycles_of_attention() -> None:
    one, four = (
        fig16_lanes.measure({"length": 32, "heads": heads, "rows": rows})
        for heads, rows in ((1, 1), (2, 2))
    )
    lines = fig16_lanes.tabulate(
        [
            Row({"length": 32, "heads": 1, "rows": 1}, one),
            Row({"length": 32, "heads": 2, "rows": 2}, four),
        ]
    )
    assert [line["lanes"] for line in lines] == [1, 4]
    assert lines[1]["speed-up"] == pytest.approx(4, rel=0.1)


def test_the_published_spread_is_that_of_the_orders_that_ran() -> None:
    orders = {"ikjl": 100, "iklj": 1560, "kjli": 2200}
    lines = fig18_order.tabulate([row({"cycles": n}, order=name) for name, n in orders.items()])
    assert [line["published"] for line in lines] == [None, None, None, 29, None]
    assert [line["times the fastest"] for line in lines[3:]] == [15.6, 22]
    assert lines[3]["ratio"] == pytest.approx(15.6 / 29)


def test_the_speedup_of_blocks_is_compared_with_their_size() -> None:
    rows = [
        row({"cycles": cycles, "mask sparsity": 0.5}, block=block, length=64, treatment=treatment)
        for block, treatment, cycles in [
            (16, "unstructured", 160),
            (16, "blocked", 10),
            (64, "unstructured", 640),
            (64, "blocked", 10),
        ]
    ]
    lines = fig17_blocks.tabulate(rows)
    assert [line["speed-up"] for line in lines] == [None, 16, None, 64]
    assert lines[3]["published"] == lines[3]["to blocks of 16"] == 4


def test_attention_under_a_mask_is_right() -> None:
    found = fig17_blocks.measure({"block": 16, "length": 64, "treatment": "unstructured"})
    assert found["mask sparsity"] == 0


def test_the_cost_model_is_compared_with_what_is_counted() -> None:
    settings: dict[str, Cell] = {"model": "SAE", "data": "ImageNet", "schedule": "full"}
    lines = table3_estimate.tabulate([Row(settings, table3_estimate.measure(settings))])
    assert [line["quantity"] for line in lines] == 2 * ["flops", "bytes", "cycles"]
    assert all(0 <= float(str(line["error in %"])) < 3 for line in lines)


def test_a_compile_time_goes_with_the_size_of_the_graph() -> None:
    (line,) = compile_time.tabulate(
        [Row({"region": "GCN layer"}, compile_time.measure({"region": "GCN layer"}))]
    )
    assert line["published"] == 750
    assert float(str(line["primitives"])) > 20
