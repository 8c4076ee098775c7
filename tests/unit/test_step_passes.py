"""What the passes of `step` refuse to rewrite, each with the operation and the reason."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pytest
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, f32, i1
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.interpreters.step import interpret
from headrace.passes.registry import get_all_passes, parse_passes

ROWS, WIDTH = 12, 4


class Graph:
    """A graph under construction, of tensors of ROWS x WIDTH and routing to two experts."""

    def __init__(self, *tensors: TensorType[Attribute]) -> None:
        self.types = tensors
        self.body = Block(arg_types=tensors)
        self.build = Builder(InsertPoint.at_end(self.body))

    def parts(self) -> list[SSAValue]:
        """The rows of two experts; the first argument is x, the second the routing."""
        rows = self.build.insert(
            step.LoadOp(self.body.args[0], tile=[1, WIDTH], strides=[1], shape=[ROWS])
        )
        selectors = self.build.insert(step.SelectOp(self.body.args[1], hot=1))
        partition = step.PartitionOp(rows.result, selectors.result, rank=0, dims=["e0", "e1"])
        return list(self.build.insert(partition).outputs)

    def packed(self, rows: SSAValue) -> SSAValue:
        """Tiles of two rows."""
        cut = self.build.insert(step.ReshapeOp(rows, rank=0, chunk=2, outer=True)).result
        lists = self.build.insert(step.FlattenOp(cut, min=1, max=2)).result
        return self.build.insert(step.AccumulateOp(lists, fn="retile_rows", rank=1)).result

    def module(self, *ends: SSAValue, results: Sequence[SSAValue] = ()) -> ModuleOp:
        """The module; streams that are left end in sinks."""
        for end in ends:
            self.build.insert(step.SinkOp(end))
        self.build.insert(step.YieldOp(*results))
        types = [result.type for result in results]
        main = FuncOp("main", (self.types, types))
        graph = step.GraphOp(main.body.block.args, types, Region(self.body))
        main.body.block.add_ops([graph, ReturnOp(*graph.outputs)])
        module = ModuleOp([main])
        module.verify()
        return module


Change: TypeAlias = Callable[[Graph, SSAValue, int], SSAValue]
"""What becomes of the packed tiles of an expert."""

X = TensorType(f32, [ROWS, WIDTH])
ROUTING = TensorType(i1, [ROWS, 2])
WEIGHT = TensorType(f32, [WIDTH, 8])


def refusal(module: ModuleOp, passes: str) -> str:
    """What the last of the passes says; it must leave the module as it is."""
    *others, last = passes.split(",")
    for one in others:
        parse_passes(one, get_all_passes()).apply(make_context(), module)
    before = str(module)
    with pytest.raises(PassFailedException) as error:
        parse_passes(last, get_all_passes()).apply(make_context(), module)
    assert str(module) == before, "a pass that refuses changes nothing"
    return str(error.value)


def experts(change: Change) -> ModuleOp:
    """Two experts, whose tiles go through `change`."""
    graph = Graph(X, ROUTING, WEIGHT, WEIGHT)
    return graph.module(
        *(change(graph, graph.packed(part), expert) for expert, part in enumerate(graph.parts()))
    )


def split(graph: Graph, tiles: SSAValue, name: str) -> SSAValue:
    op = step.FlatMapOp(tiles, fn="split_rows", masked=True, dim=name, assumed=[name])
    return graph.build.insert(op).result


def mapped(graph: Graph, tiles: SSAValue, fn: str) -> SSAValue:
    return graph.build.insert(step.MapOp(tiles, fn=fn)).result


def by_itself(graph: Graph, tiles: SSAValue, fn: str) -> SSAValue:
    """A product of the tiles with themselves."""
    copies = graph.build.insert(step.BroadcastOp(tiles, consumers=2)).outputs
    return graph.build.insert(step.MapOp(*copies, fn=fn)).result


def merged(graph: Graph, tiles: SSAValue) -> SSAValue:
    twice = graph.build.insert(step.RepeatOp(tiles, factor=2)).result
    return graph.build.insert(step.FlattenOp(twice, min=0, max=1)).result


MIXED: list[tuple[Change, str]] = [
    (lambda g, t, e: mapped(g, t, "transpose"), "'step.map': transpose depends on it"),
    (lambda g, t, e: merged(g, t), "'step.flatten': it merges the dimension with others"),
    (
        lambda g, t, e: by_itself(g, t, "matmul_transposed"),
        "'step.accumulate': a product multiplies the rows that it packs by others",
    ),
]


@pytest.mark.parametrize("passes", ["step-tile{rows=3}", "step-dynamic-tile"])
@pytest.mark.parametrize(("change", "reason"), MIXED)
def test_rows_that_are_not_independent(passes: str, change: Change, reason: str) -> None:
    assert reason in refusal(experts(change), passes)


def test_tiles_that_are_reassembled_as_they_are() -> None:
    graph = Graph(X, ROUTING, TensorType(i1, [ROWS, 2]))
    tiles = [graph.packed(part) for part in graph.parts()]
    units = graph.build.insert(step.SelectOp(graph.body.args[2], hot=1)).result
    whole = graph.build.insert(step.ReassembleOp(units, tiles, rank=0)).result
    text = refusal(graph.module(whole), "step-tile{rows=4}")
    assert "'step.reassemble': it has a selector for each of its units" in text


def weighted(
    graph: Graph,
    tiles: SSAValue,
    expert: int,
    shape: Sequence[int] = (4,),
    strides: Sequence[int] = (1,),
) -> SSAValue:
    """Tiles times the weight of the expert, read in tiles of two columns."""
    tiles, ref = graph.build.insert(step.BroadcastOp(tiles, consumers=2)).outputs
    weight = graph.body.args[2 + expert]
    read = step.LoadOp(weight, ref, tile=[WIDTH, 2], strides=strides, shape=shape)
    weights = graph.build.insert(read).result
    for size in shape:
        tiles = graph.build.insert(step.RepeatOp(tiles, factor=size)).result
    return graph.build.insert(step.MapOp(tiles, weights, fn="matmul")).result


def test_columns_of_a_row_that_is_needed_whole() -> None:
    module = experts(lambda g, t, e: mapped(g, weighted(g, t, e), "row_sum"))
    text = refusal(module, "step-tile{columns=4}")
    assert "'step.map': row_sum needs whole rows" in text


def test_products_that_are_not_summed_over_the_tiles() -> None:
    """Each tile of the hidden axis gives a part of the sum: with other tiles, other parts."""
    graph = Graph(X, ROUTING, WEIGHT, TensorType(f32, [8, WIDTH]))
    first, _ = graph.parts()
    tiles, ref = graph.build.insert(step.BroadcastOp(graph.packed(first), consumers=2)).outputs
    read = step.LoadOp(graph.body.args[3], ref, tile=[2, WIDTH], strides=[1, 1], shape=[4, 1])
    down = graph.build.insert(read).result
    hidden = graph.build.insert(step.PromoteOp(weighted(graph, tiles, 0), rank=0)).result
    parts = graph.build.insert(step.AccumulateOp(hidden, down, fn="matmul", rank=1)).result
    text = refusal(graph.module(parts), "step-tile{columns=4}")
    assert "'step.accumulate': it sums over a dimension, and not over all tiles of one axis" in text


def test_columns_that_are_read_in_part() -> None:
    module = experts(lambda g, t, e: weighted(g, t, e, shape=[3]))
    text = refusal(module, "step-tile{columns=4}")
    assert "no load steps over columns of tiles, nor has a dimension that could" in text


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"shape": [3]}, "it does not read all tiles of its tensor in the order of their"),
        ({"shape": [2, 2], "strides": [1, 2]}, "it does not read all tiles of its tensor in the"),
    ],
)
def test_weights_that_no_address_of_an_expert_gives(
    load: dict[str, list[int]], reason: str
) -> None:
    module = experts(lambda g, t, e: weighted(g, t, e, **load))
    assert f"'step.load': {reason}" in refusal(module, "step-time-multiplex{regions=1}")


def put_together(graph: Graph, tiles: SSAValue, expert: int) -> SSAValue:
    """Tiles times the weight of the expert, which is read in tiles of 2 x 2 and put together."""
    tiles, ref = graph.build.insert(step.BroadcastOp(tiles, consumers=2)).outputs
    read = step.LoadOp(graph.body.args[2 + expert], ref, tile=[2, 2])
    parts = graph.build.insert(read).result
    parts = graph.build.insert(step.MapOp(parts, fn="square")).result
    rows = graph.build.insert(step.AccumulateOp(parts, fn="retile_columns", rank=1)).result
    whole = graph.build.insert(step.AccumulateOp(rows, fn="retile_rows", rank=1)).result
    result = graph.build.insert(step.MapOp(tiles, whole, fn="matmul")).result
    return split(graph, result, f"e{expert}")


def test_weights_in_rows_and_columns_are_read_by_address() -> None:
    graph = Graph(X, ROUTING, WEIGHT, WEIGHT)
    results = [put_together(graph, graph.packed(part), n) for n, part in enumerate(graph.parts())]
    order = graph.build.insert(step.SelectOp(graph.body.args[1], hot=1)).result
    whole = graph.build.insert(step.ReassembleOp(order, results, rank=0)).result
    stored = graph.build.insert(step.StoreOp(whole, into=TensorType(f32, [ROWS, 8]))).result
    module = graph.module(results=[stored])
    rng = np.random.default_rng(0)
    sizes = (ROWS, WIDTH), (WIDTH, 8), (WIDTH, 8)
    x, first, second = (rng.integers(-3, 4, size).astype(np.float64) for size in sizes)
    choice = rng.integers(0, 2, (ROWS, 1))
    arguments = [x, choice == [0, 1], first, second]
    expected = np.where(choice == 0, x @ first**2, x @ second**2)
    np.testing.assert_array_equal(interpret(module, arguments)[0], expected)
    parse_passes("step-time-multiplex{regions=1}", get_all_passes()).apply(make_context(), module)
    module.verify()
    assert "step.load" in str(module)
    assert str(module).count("step.random_load") == 1
    np.testing.assert_array_equal(interpret(module, arguments)[0], expected)


DIFFERENT: list[tuple[Change, str]] = [
    (
        lambda g, t, e: mapped(g, t, ("relu", "silu")[e]),
        "'step.map': its branch does not do the same as the first one",
    ),
    (
        lambda g, t, e: mapped(g, mapped(g, t, "relu") if e else t, "relu"),
        "'step.map': its branch does not do the same as the first one",
    ),
    (
        lambda g, t, e: g.build.insert(step.DealOp(t, rank=0, consumers=1)).outputs[0],
        "'step.deal': it does not treat one tile after the other",
    ),
    (
        lambda g, t, e: merged(g, t),
        "'step.flatten': it does not treat one tile after the other",
    ),
    (
        lambda g, t, e: split(g, t, f"e{e}"),
        "'step.accumulate': nothing is computed on its tiles that others could share",
    ),
]


@pytest.mark.parametrize(("change", "reason"), DIFFERENT)
def test_bodies_that_cannot_be_shared(change: Change, reason: str) -> None:
    assert reason in refusal(experts(change), "step-time-multiplex{regions=1}")


def test_tiles_of_different_heights_that_leave_whole() -> None:
    text = refusal(
        experts(lambda graph, tiles, _: mapped(graph, tiles, "relu")),
        "step-dynamic-tile,step-time-multiplex{regions=1}",
    )
    assert (
        "'step.sink': it takes tiles of one height, but those of each expert have another" in text
    )


def test_a_graph_without_experts() -> None:
    graph = Graph(X, ROUTING)
    text = refusal(graph.module(*graph.parts()), "step-time-multiplex{regions=2}")
    assert "it has no partition whose parts are all packed into tiles: no experts" in text


def test_nothing_is_packed() -> None:
    graph = Graph(X, ROUTING)
    text = refusal(graph.module(*graph.parts()), "step-dynamic-tile")
    assert "it packs no rows into tiles; what has no packing is static" in text


def product_of_tiles(outer_rows: bool) -> tuple[Graph, SSAValue]:
    """x (4 x 6) times w (6 x 8) in tiles of 2 x 2, stored as they come: rows or columns outside."""
    graph = Graph(TensorType(f32, [4, 6]), TensorType(f32, [6, 8]))
    shape = [2, 4] if outer_rows else [4, 2]
    left, right = graph.body.args
    of_rows, of_columns = ([1, 0], [0, 1]) if outer_rows else ([0, 1], [1, 0])
    x = graph.build.insert(step.LoadOp(left, tile=[2, 6], strides=of_rows, shape=shape)).result
    w = graph.build.insert(step.LoadOp(right, tile=[6, 2], strides=of_columns, shape=shape)).result
    tiles = graph.build.insert(step.MapOp(x, w, fn="matmul")).result
    return graph, graph.build.insert(step.StoreOp(tiles, into=TensorType(f32, [4, 8]))).result


@pytest.mark.parametrize("passes", ["rows=1", "rows=4", "columns=4", "rows=4 columns=1"])
def test_products_that_are_stored_tile_by_tile(passes: str) -> None:
    graph, stored = product_of_tiles(outer_rows=True)
    module = graph.module(results=[stored])
    parse_passes(f"step-tile{{{passes}}}", get_all_passes()).apply(make_context(), module)
    module.verify()
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-3, 4, size).astype(np.float64) for size in ((4, 6), (6, 8)))
    np.testing.assert_array_equal(interpret(module, [x, w])[0], x @ w)


def test_tiles_that_are_stored_in_another_order() -> None:
    graph, stored = product_of_tiles(outer_rows=False)
    text = refusal(graph.module(results=[stored]), "step-tile{columns=4}")
    assert "'step.store': it stores tiles in the order in which they come" in text
