"""Traffic, on-chip memory and compute of step graphs: the published integers, and closed forms."""

import pytest
from xdsl.dialects.builtin import IndexType, TupleType, f32, i1
from xdsl.ir import Block, Operation

from headrace.analyses.step_bytes import bytes_of
from headrace.analyses.step_compute import (
    allocated_compute,
    flops,
    operation_flops,
    reference_flops,
)
from headrace.analyses.step_costs import (
    Accounting,
    Bytes,
    CapacityError,
    CostModel,
    Equation,
    expect_fits,
    graph_cost,
)
from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.tests.netlists import MICRO, imported, recorded

REFERENCE = CostModel(accounting=Accounting.REFERENCE)
ACTIVE = CostModel(accounting=Accounting.REFERENCE, active_only=True)

MOE = {
    "fig9_mixtral_b64_tile8": (7_048_003_840, 15_769_602),
    "fig9_mixtral_b64_tile16": (4_229_431_552, 18_915_330),
    "fig9_mixtral_b64_tile32": (2_820_145_408, 25_206_786),
    "fig9_mixtral_b64_tile64": (2_820_145_408, 37_789_698),
    "fig9_mixtral_b64_dyn": (2_820_145_408, 18_915_330),
    "fig9_qwen_b64_tile8": (897_319_936, 125_849_602),
    "fig9_qwen_b64_tile16": (680_264_704, 151_015_426),
    "fig9_qwen_b64_tile32": (576_455_680, 201_347_074),
    "fig9_qwen_b64_tile64": (567_018_496, 302_010_370),
    "fig10_mixtral_b1024_tile16": (46_179_291_136, 18_915_330),
    "fig10_mixtral_b1024_tile32": (23_630_712_832, 25_206_786),
    "fig10_mixtral_b1024_tile64": (12_708_745_216, 37_789_698),
    "fig10_mixtral_b1024_tile128": (7_071_600_640, 62_955_522),
    "fig10_mixtral_b1024_tile256": (3_900_706_816, 113_287_170),
    "fig10_mixtral_b1024_tile512": (2_843_742_208, 213_950_466),
    "fig10_mixtral_b1024_tile1024": (2_843_742_208, 415_277_058),
    "fig10_mixtral_b1024_dyn": (2_843_742_208, 113_287_170),
}
"""Figures 9 and 10: bytes moved and held, of all experts."""

MOE_ACTIVE = {
    "fig9_qwen_b64_dyn": (567_018_496, 59_789_314),
    "fig12_static_regions128": (576_455_680, 82_595_842),
    "fig12_static_regions64": (576_455_680, 66_998_274),
    "fig12_static_regions32": (576_455_680, 44_716_034),
    "fig12_static_regions16": (576_455_680, 32_460_802),
    "fig12_static_regions8": (576_455_680, 24_662_018),
    "fig12_static_regions4": (576_455_680, 20_205_570),
}
"""Figures 9, 12 and 13: of the experts that get a token."""


def operations(name: str) -> list[Operation]:
    return list(imported(name).graph.body.block.ops)


def cost(name: str, model: CostModel) -> Bytes:
    return graph_cost(operations(name), model).evaluate(imported(name).symbols)


@pytest.mark.parametrize("name", MOE)
def test_experts_cost_what_is_published(name: str) -> None:
    assert cost(name, REFERENCE) == Bytes(*MOE[name])


@pytest.mark.parametrize("name", MOE_ACTIVE)
def test_active_experts_cost_what_is_published(name: str) -> None:
    assert cost(name, ACTIVE) == Bytes(*MOE_ACTIVE[name])


@pytest.mark.parametrize(
    ("rows", "columns", "traffic"),
    [
        (16, 16, 8_454_144),
        (16, 32, 7_405_568),
        (16, 64, 6_881_280),
        (16, 128, 6_619_136),
        (16, 256, 6_488_064),
        (64, 16, 3_735_552),
        (64, 32, 2_686_976),
        (64, 64, 2_162_688),
        (64, 128, 1_900_544),
        (64, 256, 1_769_472),
    ],
)
def test_swiglu_in_single_precision_moves_what_is_published(
    rows: int, columns: int, traffic: int
) -> None:
    assert cost(f"fig8_tb{rows}_tf{columns}", CostModel()).traffic == traffic


@pytest.mark.parametrize("name", MICRO)
def test_micro_graphs_cost_what_is_recorded(name: str) -> None:
    expected = recorded(name).meta["expected"][-1]
    traffic = expected.get("traffic_value", expected["traffic"])
    on_chip = expected.get("onchip_value", expected["onchip"])
    assert cost(name, REFERENCE) == Bytes(int(traffic), int(on_chip))


def test_dynamic_tiles_on_chip_grow_with_the_rows_that_arrive() -> None:
    held = graph_cost(operations("m10_moe_dynamic_tile"), REFERENCE).on_chip
    assert str(held) == "512*d0_0 + 512*d0_1 + 17024"


def test_weights_are_read_once_for_each_pack_of_rows() -> None:
    """Traffic is 2BD + 2B topk + 4BD + 6DF sum ceil(n/T): a closed form in the experts' rows."""
    batch, hidden, inner = 64, 4096, 14336
    traffic = graph_cost(operations("fig9_mixtral_b64_tile16"), REFERENCE).traffic_size
    fixed = 2 * batch * hidden + 2 * batch * 2 + 4 * batch * hidden
    packs = [Dimension.of(f"ceil(d0_{expert}, 16)") for expert in range(8)]
    assert traffic == sum(packs, Dimension.of(0)) * (6 * hidden * inner) + fixed


@pytest.mark.parametrize(
    ("regions", "compute"),
    [(128, 787_456), (64, 459_776), (32, 295_936), (16, 214_016), (8, 173_056), (4, 152_576)],
)
def test_regions_allocate_the_compute_that_is_published(regions: int, compute: int) -> None:
    assert allocated_compute(operations(f"fig12_static_regions{regions}")) == compute
    assert compute == 1024 * (5 * regions + 128 + 1)


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("fig12_static_regions32", 42_984_726_528),
        ("fig9_qwen_b64_dyn", 11_274_682_368),
    ],
)
def test_reference_counts_more_operations_than_there_are(name: str, counted: int) -> None:
    symbols = imported(name).symbols
    assert reference_flops(operations(name)).substitute(symbols).value == counted
    right = flops(operations(name)).substitute(symbols).value
    assert 2.3 < counted / right < 2.4


def test_right_count_of_operations_of_an_expert() -> None:
    """6bDF of the products, 8bF of SiLU, bF of the gate; padded rows count."""
    hidden, inner, experts = 4096, 14336, 8
    rows = sum((Dimension.of(f"ceil(d0_{e}, 16)") for e in range(experts)), Dimension.of(0)) * 16
    inside = [
        operation
        for operation in operations("fig9_mixtral_b64_tile16")
        if isinstance(operation, step.MapOp | step.AccumulateOp)
        and "[16, 64]" in str(operation.operands[0].type) + str(operation.results[0].type)
    ]
    assert len(inside) == 5 * experts
    assert flops(inside) == rows * (6 * hidden * inner + 8 * inner + inner)


def test_accounting_by_type_counts_loads_in_the_bytes_of_their_type() -> None:
    consistent = cost("m02_load_store_4tiles", CostModel())
    assert consistent == Bytes(4 * 16 * 64 * (4 + 4), 16 * 64 * (4 + 4))


def test_printed_equation_buffers_twice_and_keeps_weights() -> None:
    tile = 4 * 16 * 64
    printed = CostModel(equation=Equation.PAPER)
    assert cost("m02_load_store_4tiles", printed).on_chip == 2 * (tile + tile)
    assert cost("m06_buffer_streamify", printed).on_chip == 2 * (tile + tile) + tile + 2 * tile
    left, right, result = 4 * 16 * 64, 4 * 64 * 32, 4 * 16 * 32
    product = 16 * 64 + right + result
    assert cost("m05_matmul_accum", printed).on_chip == 2 * (left + right + result) + product


def test_a_graph_that_does_not_fit_names_its_largest_holders() -> None:
    name = "fig9_mixtral_b64_tile64"
    held = graph_cost(operations(name), REFERENCE)
    expect_fits(held, 37_789_698, imported(name).symbols)
    with pytest.raises(CapacityError, match=r"holds 37789698 bytes on chip, 1 more") as e:
        expect_fits(held, 37_789_697, imported(name).symbols, largest=2)
    assert str(e.value).count(" 1048576") == 2
    assert "'step.accumulate' (operation 13, %n13) 1048576" in str(e.value)


def test_a_symbol_without_a_value_is_named() -> None:
    with pytest.raises(ValueError, match="d0_0"):
        graph_cost(operations("m10_moe_dynamic_tile")).evaluate({})


def test_ragged_buffers_hold_their_largest_list() -> None:
    stream = step.StreamType(step.TileType(f32, 1, 8), ("4", "~r"))
    held = graph_cost([step.BufferizeOp(Block(arg_types=[stream]).args[0], rank=1)])
    tile = 4 * 8
    assert held.evaluate({"~r": [2, 0, 5, 1]}).on_chip == tile + 2 * 5 * tile


def test_bytes_of_elements() -> None:
    tile = step.TileType(f32, "e0", 4)
    assert bytes_of(tile) == Dimension.of("16*e0")
    assert bytes_of(step.BufferType(tile, (3, 2))) == Dimension.of("96*e0")
    assert bytes_of(step.SelectorType(8)) == 8
    assert bytes_of(TupleType((IndexType(), i1))) == 8 + 1


def test_operations_that_do_not_compute_have_no_flops() -> None:
    loads = [op for op in operations("m02_load_store_4tiles") if isinstance(op, step.LoadOp)]
    assert [operation_flops(op) for op in loads] == [0]
