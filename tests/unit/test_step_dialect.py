"""Inference of the `step` dialect: the shapes of the specification, section 1.3."""

import pytest
from xdsl.dialects.builtin import IndexType, TensorType, f32, i1, i64
from xdsl.dialects.test import TestOp as SourceOp
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension, DimensionLike

INDEX = IndexType()


def value(type: Attribute) -> SSAValue:
    return SourceOp(result_types=[type]).results[0]


def stream(*dimensions: DimensionLike, of: Attribute = INDEX) -> SSAValue:
    return value(step.StreamType(of, dimensions))


def tile(rows: DimensionLike, columns: DimensionLike) -> step.TileType:
    return step.TileType(f32, rows, columns)


def tensor(*shape: int, of: Attribute = f32) -> SSAValue:
    return value(TensorType(of, shape))


def shapes(op: step.StepOperation) -> list[str]:
    """The sizes of all streams that an operation makes."""
    types = [result.type for result in op.results]
    return [
        f"[{', '.join(map(str, type.dimensions))}]"
        for type in types
        if isinstance(type, step.StreamType)
    ]


def element(op: step.StepOperation) -> Attribute:
    type = op.results[0].type
    assert isinstance(type, step.StreamType)
    return type.element_type


def test_load_adds_the_sizes_of_its_pattern_to_those_of_the_reference() -> None:
    weights = tensor(64, 256)
    op = step.LoadOp(weights, stream("e0"), tile=(64, 64), strides=(4, 1), shape=(1, 4))
    assert shapes(op) == ["[e0, 1, 4]"]
    assert element(op) == tile(64, 64)


def test_load_without_a_reference_is_that_of_one_element() -> None:
    assert shapes(step.LoadOp(tensor(2, 3), tile=(1, 1), strides=(1, 3), shape=(3, 2))) == [
        "[1, 3, 2]"
    ]


def test_load_reads_all_tiles_in_order_unless_told() -> None:
    op = step.LoadOp(tensor(64, 256), tile=(16, 64))
    assert (op.integers("strides"), op.integers("shape")) == ((4, 1), (4, 4))


@pytest.mark.parametrize(
    ("shape", "rows", "columns"), [((), 1, 1), ((8,), 1, 8), ((2, 3, 8), 6, 8), ((0, 8), 0, 8)]
)
def test_a_tensor_is_a_matrix_of_its_last_size(
    shape: tuple[int, ...], rows: int, columns: int
) -> None:
    op = step.LoadOp(tensor(*shape), tile=(1, columns))
    assert shapes(op) == [f"[1, {rows}, 1]"]


def test_a_batch_of_zero_is_an_empty_stream() -> None:
    op = step.LoadOp(tensor(0, 64), tile=(4, 64))
    assert shapes(op) == ["[1, 0, 1]"]
    assert step.StoreOp(op.result, into=TensorType(f32, (0, 64))).result.type == TensorType(
        f32, (0, 64)
    )


def test_random_access_keeps_the_shape() -> None:
    addresses = stream(2, "~r")
    load = step.RandomLoadOp(tensor(64, 64), addresses, tile=(32, 64))
    assert shapes(load) == ["[2, ~r]"]
    store = step.RandomStoreOp(tensor(64, 64), addresses, load.result)
    assert shapes(store) == ["[2, ~r]"]
    assert store.done.type == step.StreamType(i1, (2, "~r"))
    assert store.result.type == TensorType(f32, (64, 64))


def test_bufferize_takes_a_ragged_outermost_size() -> None:
    op = step.BufferizeOp(stream(2, "~r", 2), rank=2)
    assert shapes(op) == ["[2]"]
    assert element(op) == step.BufferType(INDEX, ("~r", 2))


def test_streamify_replays_in_the_lists_of_the_reference() -> None:
    buffers = stream(2, of=step.BufferType(INDEX, ("~r",)))
    assert shapes(step.StreamifyOp(buffers, stream(2, 3), rank=1)) == ["[2, 3, ~r]"]
    assert shapes(step.StreamifyOp(buffers, stream(2), rank=0)) == ["[2, ~r]"]


def test_streamify_without_a_reference_nests_its_repeats() -> None:
    buffers = stream(2, of=step.BufferType(INDEX, (4,)))
    assert shapes(step.StreamifyOp(buffers)) == ["[2, 4]"]
    assert shapes(step.StreamifyOp(buffers, repeat=(3, 5))) == ["[2, 3, 5, 4]"]


def test_streamify_reads_a_static_buffer_by_strides() -> None:
    buffers = stream(1, of=step.BufferType(INDEX, (2, 2)))
    op = step.StreamifyOp(buffers, stream(1), rank=0, strides=(1, 2), shape=(2, 2))
    assert shapes(op) == ["[1, 2, 2]"]


def test_partition_names_the_units_of_each_output() -> None:
    selectors = stream(4, 8, of=step.SelectorType(2))
    op = step.PartitionOp(stream(4, 8, "~r"), selectors, rank=1, dims=("e0", "e1"))
    assert shapes(op) == ["[e0, ~r.e0]", "[e1, ~r.e1]"]


def test_partition_may_claim_a_size() -> None:
    selectors = stream(4, of=step.SelectorType(3))
    op = step.PartitionOp(
        stream(4), selectors, rank=0, dims=("e0", 4, "ceil(e0, 4)"), assumed=("e0",)
    )
    assert shapes(op) == ["[e0]", "[4]", "[ceil(e0, 4)]"]
    assert op.named == ("e0", "4", "ceil(e0, 4)")
    assert op.declared == ()


def test_reassemble_adds_a_size_for_what_one_selector_selects() -> None:
    inputs = [stream("e0", 2), stream("e1", 2)]
    multihot = stream(1, 8, of=step.SelectorType(2))
    assert shapes(step.ReassembleOp(multihot, inputs, rank=1, dim="k")) == ["[1, 8, ~k, 2]"]
    one = stream(1, 8, of=step.SelectorType(2, hot=1))
    assert shapes(step.ReassembleOp(one, inputs, rank=1)) == ["[1, 8, 1, 2]"]


def test_ragged_lists_that_are_put_together_have_the_size_they_had() -> None:
    selectors = stream(4, of=step.SelectorType(2, hot=1))
    parts = step.PartitionOp(stream(4, "ceil(~r, 2)", 3), selectors, rank=2, dims=("e0", 4))
    assert shapes(parts) == ["[e0, ceil(~r.e0, 2), 3]", "[4, ceil(~r.1of2, 2), 3]"]
    op = step.ReassembleOp(selectors, parts.outputs, rank=2)
    assert shapes(op) == ["[4, 1, ceil(~r, 2), 3]"]
    assert shapes(step.EagerMergeOp(parts.outputs, rank=2))[0] == (
        "[e0 + 4, ceil(~r.merged, 2), 3]"
    )
    with pytest.raises(VerifyException, match="takes units of one shape"):
        step.ReassembleOp(selectors, [stream("e0", "~r"), stream("e1", "~s")], rank=1)


def test_the_total_of_a_part_is_no_total_of_the_whole() -> None:
    parts = step.DealOp(stream(4, "~r"), rank=1, consumers=2)
    assert shapes(parts) == ["[2, ~r.0of2]", "[2, ~r.1of2]"]
    assert shapes(step.FlattenOp(parts.outputs[1], min=0, max=1)) == ["[total(~r.1of2)]"]


def test_eager_merge_adds_up_the_units_and_tells_their_source() -> None:
    op = step.EagerMergeOp([stream("e0", 2), stream("e1", 2)], rank=1)
    assert shapes(op) == ["[e0 + e1, 2]", "[e0 + e1]"]
    assert op.selector.type == step.StreamType(step.SelectorType(2, hot=1), ("e0 + e1",))


def test_tiles_of_different_rows_are_merged_to_ragged_rows() -> None:
    inputs = [stream(1, of=tile("e0", 64)), stream(1, of=tile("e1", 64))]
    assert element(step.EagerMergeOp(inputs, rank=0, rows="m")) == tile("~m", 64)
    selectors = stream(2, of=step.SelectorType(2, hot=1))
    op = step.ReassembleOp(selectors, inputs, rank=0, rows="m")
    assert element(op) == tile("~m", 64)


def test_a_merge_needs_an_input() -> None:
    with pytest.raises(VerifyException, match=r"'step.eager_merge' takes one input or more"):
        step.EagerMergeOp([], rank=0)


@pytest.mark.parametrize("count", range(9))
def test_deal_gives_as_many_as_turns(count: int) -> None:
    op = step.DealOp(stream(count, 7), rank=1, consumers=4)
    assert shapes(op) == [f"[{len(range(turn, count, 4))}, 7]" for turn in range(4)]


def test_deal_of_a_dynamic_size() -> None:
    assert shapes(step.DealOp(stream("e0"), rank=0, consumers=2)) == [
        "[ceil(e0, 2)]",
        "[ceil(e0 - 1, 2)]",
    ]


def test_map_takes_the_parts_of_a_tuple() -> None:
    left, right = stream("e0", of=tile(4, 64)), stream("e0", of=tile(64, "f"))
    pair = step.ZipOp(left, right)
    assert shapes(pair) == ["[e0]"]
    op = step.MapOp(pair.result, fn="matmul")
    assert element(op) == tile(4, "f")
    assert op.flops == Dimension.of("512*f")


@pytest.mark.parametrize(
    ("right", "result"),
    [((4, 64), (4, 64)), ((1, 64), (4, 64)), ((4, 1), (4, 64)), ((1, 1), (4, 64))],
)
def test_elementwise_functions_repeat_one_row_and_one_column(
    right: tuple[int, int], result: tuple[int, int]
) -> None:
    operands = stream(2, of=tile(4, 64)), stream(2, of=tile(*right))
    assert element(step.MapOp(*operands, fn="mul")) == tile(*result)
    assert element(step.MapOp(*reversed(operands), fn="mul")) == tile(*result)


@pytest.mark.parametrize(
    ("fn", "operands", "flops"),
    [
        ("matmul", [(4, 8), (8, 16)], 1024),
        ("matmul_transposed", [(4, 8), (16, 8)], 1024),
        ("add", [(4, 8), (4, 1)], 32),
        ("silu", [(4, 8)], 256),
        ("exp", [(4, 8)], 128),
        ("row_sum", [(4, 8)], 32),
    ],
)
def test_flops_are_counted_as_the_reference_counts_them(
    fn: str, operands: list[tuple[int, int]], flops: int
) -> None:
    op = step.MapOp(*(stream(2, of=tile(*sizes)) for sizes in operands), fn=fn)
    assert op.flops == flops
    assert op.rule.cycles is None


def test_some_functions_take_one_cycle_whatever_the_bandwidth_is() -> None:
    op = step.MapOp(stream(2, of=tile(4, 8)), stream(2), fn="set_offset", compute=1024)
    assert (op.flops, op.rule.cycles) == (0, 1)


def test_retiled_rows_are_those_of_all_tiles() -> None:
    packed = step.AccumulateOp(stream("e0", 4, of=tile(1, 64)), fn="retile_rows", rank=1)
    assert (shapes(packed), element(packed)) == (["[e0]"], tile(4, 64))
    whole = step.AccumulateOp(stream(1, "e0", 2, of=tile(3, 64)), fn="retile_rows", rank=2)
    assert element(whole) == tile("6*e0", 64)
    ragged = step.AccumulateOp(stream(2, "~r", of=tile(3, 64)), fn="retile_rows", rank=1)
    assert element(ragged) == tile("3*~r", 64)
    columns = step.AccumulateOp(stream(2, 4, of=tile(3, 64)), fn="retile_columns", rank=1)
    assert element(columns) == tile(3, 256)


def test_rows_of_ragged_tiles_add_up_to_a_size_with_a_name() -> None:
    op = step.AccumulateOp(stream(2, 4, of=tile("~m", 64)), fn="retile_rows", rank=1, dim="n")
    assert element(op) == tile("~n", 64)


def test_accumulate_multiplies_two_streams_on_the_way() -> None:
    operands = stream("e0", 4, of=tile(8, 64)), stream("e0", 4, of=tile(64, 16))
    op = step.AccumulateOp(*operands, fn="matmul", rank=1)
    assert (shapes(op), element(op)) == (["[e0]"], tile(8, 16))


def test_scan_keeps_the_shape() -> None:
    assert shapes(step.ScanOp(stream(2, "~r"), fn="add", rank=1, exclusive=True)) == ["[2, ~r]"]


def test_split_rows_multiply_the_innermost_size() -> None:
    op = step.FlatMapOp(stream("positive(e0)", of=tile("e0", 64)), fn="split_rows")
    assert (shapes(op), element(op)) == (["[e0]"], tile(1, 64))
    pairs = step.FlatMapOp(stream(3, of=tile(8, 64)), fn="split_rows", size=2)
    assert (shapes(pairs), element(pairs)) == (["[12]"], tile(2, 64))
    heads = step.FlatMapOp(stream(3, of=tile(8, 64)), fn="split_columns", size=16)
    assert (shapes(heads), element(heads)) == (["[12]"], tile(8, 16))


def test_masked_rows_are_as_many_as_the_run_says() -> None:
    rows = step.FlatMapOp(stream(3, of=tile(4, 64)), fn="split_rows", masked=True, dim="n")
    assert shapes(rows) == ["[n]"]
    lists = step.FlatMapOp(stream(2, 3, of=tile(4, 64)), fn="split_rows", masked=True, dim="n")
    assert shapes(lists) == ["[2, ~n]"]


def test_flat_map_of_integers() -> None:
    assert shapes(step.FlatMapOp(stream(2, 3), fn="copies", dim="n")) == ["[2, ~n]"]
    assert shapes(step.FlatMapOp(stream(2, 3), fn="range", dim="n")) == ["[2, 3, ~n]"]


@pytest.mark.parametrize(
    ("sizes", "low", "high", "result"),
    [
        ((2, 3, 4), 0, 1, "[2, 12]"),
        ((2, 3, 4), 1, 2, "[6, 4]"),
        ((2, 3, 4), 0, 2, "[24]"),
        ((2, "~r", 4), 0, 1, "[2, 4*~r]"),
        ((2, "~r"), 0, 1, "[total(~r)]"),
        ((2, 1, "~r"), 0, 1, "[2, ~r]"),
        (("positive(e0)", "e0"), 0, 1, "[e0]"),
        (("e0", 4), 0, 0, "[e0, 4]"),
    ],
)
def test_flatten_multiplies_regular_sizes_and_adds_up_ragged_ones(
    sizes: tuple[DimensionLike, ...], low: int, high: int, result: str
) -> None:
    assert shapes(step.FlattenOp(stream(*sizes), min=low, max=high)) == [result]


def test_flatten_names_the_sum_of_a_ragged_size_in_lists() -> None:
    op = step.FlattenOp(stream(2, 3, "~r"), min=0, max=1, dim="all")
    assert shapes(op) == ["[2, ~all]"]


def test_reshape_cuts_into_chunks_and_marks_padding() -> None:
    op = step.ReshapeOp(stream("e0"), chunk=4)
    assert shapes(op) == ["[ceil(e0, 4), 4]"] * 2
    assert op.padding.type == step.StreamType(i1, ("ceil(e0, 4)", 4))
    assert shapes(step.ReshapeOp(stream(9), chunk=4))[0] == "[3, 4]"
    assert shapes(step.ReshapeOp(stream(2, "~r"), chunk=3))[0] == "[2, ceil(~r, 3), 3]"
    assert shapes(step.ReshapeOp(stream(2, 4, 2), rank=1, chunk=2))[0] == "[2, 2, 2, 2]"


def test_chunks_of_buffers_are_whole() -> None:
    buffers = stream(4, of=step.BufferType(INDEX, (2,)))
    assert shapes(step.ReshapeOp(buffers, chunk=2))[0] == "[2, 2]"


def test_sums_of_ragged_sizes_may_be_claimed() -> None:
    flat = step.FlattenOp(stream(2, "~r"), min=0, max=1, dim="e0", assumed=["e0"])
    assert (shapes(flat), flat.declared) == (["[e0]"], ())
    tiles = stream(1, 4, of=tile("~m", 64))
    packed = step.AccumulateOp(tiles, fn="retile_rows", rank=1, dim=16)
    assert (element(packed), packed.declared) == (tile(16, 64), ())


def test_reshape_may_add_an_outer_size_that_tells_whether_there_is_anything() -> None:
    op = step.ReshapeOp(stream("e0"), chunk=4, outer=True)
    assert shapes(op)[0] == "[positive(e0), ceil(e0, 4), 4]"


def test_promote_is_empty_where_its_input_is() -> None:
    assert shapes(step.PromoteOp(stream("e0", 4))) == ["[positive(e0), e0, 4]"]
    assert shapes(step.PromoteOp(stream(3))) == ["[1, 3]"]
    assert shapes(step.PromoteOp(stream(0))) == ["[0, 0]"]


def test_promote_at_a_level_inserts_a_one() -> None:
    assert shapes(step.PromoteOp(stream(2, 3), rank=0)) == ["[2, 3, 1]"]
    assert shapes(step.PromoteOp(stream(2, 3), rank=1)) == ["[2, 1, 3]"]


def test_expand_takes_the_shape_of_its_reference() -> None:
    assert shapes(step.ExpandOp(stream("e0", 1), stream("e0", "~r"), rank=1)) == ["[e0, ~r]"]
    assert shapes(step.ExpandOp(stream(1, 1, 1), stream(1, 2, "~r"), rank=2)) == ["[1, 2, ~r]"]


def test_repeat_appends_a_size() -> None:
    assert shapes(step.RepeatOp(stream(2, "~r"), factor=3)) == ["[2, ~r, 3]"]


def test_sources_have_a_leading_one() -> None:
    assert shapes(step.SelectOp(tensor(64, 8, of=i1), hot=2)) == ["[1, 64]"]
    assert shapes(step.SelectOp(tensor(8, of=i64))) == ["[1]"]
    assert shapes(step.IntegersOp(tensor(16, of=i64))) == ["[1, 16]"]


def test_address_generators() -> None:
    selectors = stream("e0", of=step.SelectorType(8, hot=1))
    assert shapes(step.ExpertAddressOp(selectors, tiles=16)) == ["[e0, 16, 1]"]
    op = step.CacheReadAddressOp(stream(4), stream(4), row_tiles=8, dim="tiles")
    assert shapes(op) == ["[4, ~tiles]"]
    last = step.FilterLastOp(stream(4), dim="tiles")
    assert (shapes(last), element(last)) == (["[4, ~tiles]"], step.SelectorType(2, hot=1))


def test_a_row_of_numbers_becomes_a_selector() -> None:
    row = stream("e0", of=tile(1, 8))
    assert element(step.MapOp(row, fn="to_selector")) == step.SelectorType(8)
    assert element(step.MapOp(row, fn="to_selector", scalar=2.0)) == step.SelectorType(8, hot=2)


def test_integers_are_counted_not_exponentiated() -> None:
    assert element(step.MapOp(stream(2), stream(2), fn="maximum")) == INDEX
    with pytest.raises(VerifyException, match="fn exp takes tiles"):
        step.MapOp(stream(2), fn="exp")


def test_broadcast_copies_the_type() -> None:
    assert shapes(step.BroadcastOp(stream(2, "~r"), consumers=3)) == ["[2, ~r]"] * 3


def test_properties_that_are_defaults_are_left_out() -> None:
    op = step.MapOp(stream(2, of=tile(4, 8)), fn="exp", compute=0)
    assert set(op.properties) == {"fn"}
    selectors = stream(2, of=step.SelectorType(1))
    assert set(step.PartitionOp(stream(2), selectors, rank=0, dims=["a"]).properties) == {
        "rank",
        "dims",
    }
