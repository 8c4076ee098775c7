"""
Passes make the published graphs out of each other, with the published costs (spec 7: P1, P2, P4).

Each netlist was recorded from a graph that its authors wrote by hand. A pass applied to one must
give the structure of the other, its bytes to the integer, and its cycles.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from headrace.analyses.step_compute import allocated_compute
from headrace.analyses.step_costs import Accounting, Bytes, CostModel, graph_cost
from headrace.backends.step import lower
from headrace.backends.step_depths import find_depths, sizing
from headrace.backends.step_netlist import ImportedNetlist, import_netlist
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.frontends.torch_export import import_model
from headrace.interpreters.step import interpret
from headrace.models import blocks, mlp, moe
from headrace.models.example import Example
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.imported import draw
from headrace.tests.netlists import recorded
from headrace.tests.reference import reference_path
from headrace.tests.step_moe import Array, ExpertLayer

IGNORED = {"dim", "dims", "rows", "assumed", "masked", "compute"}
"""Names of sizes, which differ; masks, which the authors keep where nothing is padded; FLOPs."""


@dataclass(frozen=True)
class Rewritten:
    """A recorded graph after passes."""

    netlist: ImportedNetlist
    depth: int

    def bytes(self, active_only: bool = False) -> Bytes:
        model = CostModel(accounting=Accounting.REFERENCE, active_only=active_only)
        return graph_cost(self.ops, model).evaluate(self.netlist.symbols)

    @property
    def ops(self) -> list[Operation]:
        return list(self.netlist.graph.body.block.ops)

    def cycles(self) -> int:
        graph = self.netlist.graph
        given = self.netlist.arguments
        values = [given[v.index] if isinstance(v, BlockArgument) else None for v in graph.inputs]
        result = lower(graph, element_bytes=2).run(values, depth=self.depth)
        assert result.deadlock is None
        return result.cycles


def rewritten(name: str, passes: str = "") -> Rewritten:
    netlist = import_netlist(recorded(name))
    if passes:
        parse_passes(passes, get_all_passes()).apply(make_context(), netlist.module)
    netlist.module.verify()
    return Rewritten(netlist, recorded(name).channel_depth)


def structure(block: Block, known: dict[object, int]) -> int:
    """A number for the graph of the terminator; graphs of equal numbers of `known` are equal."""
    numbers: dict[SSAValue, int] = {}

    def number(key: object) -> int:
        return known.setdefault(key, len(known))

    def of(op: Operation) -> int:
        properties = {name: v for name, v in op.properties.items() if name not in IGNORED}
        key = op.name, tuple(sorted(properties.items())), tuple(numbers[v] for v in op.operands)
        return number((*key, tuple(shape(result.type) for result in op.results)))

    for argument in block.args:
        numbers[argument] = number(argument.type)
    waiting = list(block.ops)
    while waiting:
        op = waiting.pop(0)
        if not all(operand in numbers for operand in op.operands):
            waiting.append(op)
            continue
        made = of(op)
        numbers.update({result: number((made, result.index)) for result in op.results})
        if block.last_op is op:
            return made
    raise AssertionError("a graph ends with its terminator")


def shape(type: Attribute) -> object:
    """The rank and the tile of a stream; what the run decides is `?`."""
    if not isinstance(type, step.StreamType):
        return type
    tile = type.element_type
    sizes = (tile.rows, tile.columns) if isinstance(tile, step.TileType) else ()
    return type.rank, tuple(size.value if size.is_static else "?" for size in sizes)


def same_structure(one: Rewritten, other: Rewritten) -> bool:
    known: dict[object, int] = {}
    graphs = one.netlist.graph, other.netlist.graph
    first, second = (structure(graph.body.block, known) for graph in graphs)
    return first == second


def test_dynamic_tiles_of_mixtral_p1() -> None:
    before = rewritten("fig9_mixtral_b64_tile32")
    after = rewritten("fig9_mixtral_b64_tile32", "step-dynamic-tile{compute=6400}")
    assert before.bytes() == Bytes(traffic=2_820_145_408, on_chip=25_206_786)
    assert after.bytes() == Bytes(traffic=2_820_145_408, on_chip=18_915_330)
    assert after.cycles() == pytest.approx(2_817_877, rel=0.005)
    dynamic = rewritten("fig9_mixtral_b64_dyn")
    assert same_structure(after, dynamic)
    assert not same_structure(before, dynamic)
    assert after.cycles() == dynamic.cycles()


def test_dynamic_tiles_of_qwen_p2() -> None:
    before = rewritten("fig9_qwen_b64_tile8")
    after = rewritten("fig9_qwen_b64_tile8", "step-dynamic-tile{compute=6400}")
    assert before.bytes() == Bytes(traffic=897_319_936, on_chip=125_849_602)
    assert after.bytes(active_only=True) == Bytes(traffic=567_018_496, on_chip=59_789_314)
    assert before.bytes().on_chip / after.bytes(active_only=True).on_chip == pytest.approx(
        2.105, abs=5e-4
    )
    assert before.cycles() == pytest.approx(981_744, rel=0.01)
    assert after.cycles() == pytest.approx(580_803, rel=0.01)
    assert same_structure(after, rewritten("fig9_qwen_b64_dyn"))


@pytest.mark.parametrize(
    "regions", [32, 4, *(pytest.param(count, marks=pytest.mark.slow) for count in (64, 16, 8))]
)
def test_time_multiplexing_p4(regions: int) -> None:
    after = rewritten("fig12_static_regions128", f"step-time-multiplex{{regions={regions}}}")
    published = rewritten(f"fig12_static_regions{regions}")
    assert same_structure(after, published)
    assert after.bytes(active_only=True) == published.bytes(active_only=True)
    assert allocated_compute(after.ops) == allocated_compute(published.ops)
    assert after.cycles() == published.cycles()


def test_the_costs_of_time_multiplexing_p4() -> None:
    before = rewritten("fig12_static_regions128")
    after = rewritten("fig12_static_regions128", "step-time-multiplex{regions=32}")
    assert before.bytes(active_only=True).on_chip == 82_595_842
    assert after.bytes(active_only=True).on_chip == 44_716_034
    assert allocated_compute(before.ops) == 787_456
    assert allocated_compute(after.ops) == 295_936
    assert after.cycles() / before.cycles() == pytest.approx(1.009, abs=0.002)


def test_time_multiplexing_of_dynamic_tiles_down_to_two_regions() -> None:
    dynamic = rewritten("fig12_static_regions128", "step-dynamic-tile")
    shared = rewritten(
        "fig12_static_regions128", "step-dynamic-tile,step-time-multiplex{regions=2}"
    )
    assert allocated_compute(shared.ops) == 5 * 1024 * 2 + 128 * 1024 + 1024
    assert shared.cycles() > dynamic.cycles()


@pytest.mark.parametrize(
    ("name", "passes", "made"),
    [
        ("fig9_mixtral_b64_tile32", "step-tile{rows=8}", "fig9_mixtral_b64_tile8"),
        ("fig9_mixtral_b64_dyn", "step-tile{rows=64}", "fig9_mixtral_b64_tile64"),
        ("fig9_qwen_b64_dyn", "step-tile{rows=16}", "fig9_qwen_b64_tile16"),
        ("fig10_mixtral_b1024_tile1024", "step-tile{rows=256}", "fig10_mixtral_b1024_tile256"),
        ("fig8_tb16_tf16", "step-tile{rows=64}", "fig8_tb64_tf16"),
        ("fig8_tb16_tf32", "step-tile{rows=64 columns=128}", "fig8_tb64_tf128"),
    ],
)
def test_static_tiles(name: str, passes: str, made: str) -> None:
    after, published = rewritten(name, passes), rewritten(made)
    assert after.bytes() == published.bytes()
    assert same_structure(after, published)


@pytest.mark.parametrize(
    ("trace", "experts", "chosen"),
    [("mixtral_b64/008_010.npz", 8, 2), ("qwen_b64/032_012.npz", 128, 8)],
)
def test_passes_keep_the_values_of_recorded_routings(trace: str, experts: int, chosen: int) -> None:
    routing = np.load(reference_path(f"step/traces/expert_routing/{trace}"))["data"].tolist()
    layer = ExpertLayer(len(routing), experts, 2, 4, 32, 2, chosen)
    arguments = layer.arguments(np.random.default_rng(0), routing)
    for passes in (
        "step-tile{rows=16 columns=1}",
        "step-dynamic-tile,step-time-multiplex{regions=4}",
    ):
        module = layer.module()
        parse_passes(passes, get_all_passes()).apply(make_context(), module)
        module.verify()
        (result,) = interpret(module, arguments)
        np.testing.assert_allclose(result, layer.expected(arguments), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["loop", "batched"])
@pytest.mark.parametrize(
    "passes",
    [
        "step-tile{rows=3 columns=2}",
        "step-tile{columns=6},step-tile{columns=1}",
        "step-dynamic-tile{round=2}",
        "step-dynamic-tile,step-time-multiplex{regions=2},step-simplify",
    ],
)
def test_models_compute_what_torch_computes(form: moe.Form, passes: str) -> None:
    routing = np.array([[0, 3], [2, 0], [0, 2], [3, 2], [2, 0]])
    sizes = moe.Sizes(experts=4, chosen=2, width=8, hidden=6)
    model, args = moe.layer(sizes, form=form, routing=routing, dtype=torch.float64)
    imported = import_model(model, args)
    spec = f"step-lower{{rows=2 columns=3}},{passes}"
    parse_passes(spec, get_all_passes()).apply(make_context(), imported.module)
    imported.module.verify()
    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    (result,) = interpret(imported.module, arguments)
    np.testing.assert_allclose(result, model(*args).detach(), rtol=0, atol=1e-12)


def test_stacked_weights_are_read_where_they_lie() -> None:
    routing = np.array([[0, 3], [2, 0], [0, 2], [3, 2], [2, 0]])
    sizes = moe.Sizes(experts=4, chosen=2, width=8, hidden=6)
    texts: list[str] = []
    for regions in (1, 2):
        imported = import_model(*moe.layer(sizes, form="batched", routing=routing))
        spec = f"step-lower{{rows=2 columns=3}},step-time-multiplex{{regions={regions}}}"
        parse_passes(spec, get_all_passes()).apply(make_context(), imported.module)
        texts.append(str(imported.module))
    assert not any("tensor.concat" in text for text in texts)
    assert "tensor.extract_slice" not in texts[0]
    assert texts[1].count("[2, 0, 0] [2, ") == 3
    assert texts[1].count("tensor.extract_slice") == 6


DENSE: dict[str, Example] = {
    "mlp": mlp.mlp((8, 16, 4), batch=4),
    "feed forward": blocks.feed_forward(),
    "rotary": blocks.rotary(),
    "layer norm": (torch.nn.LayerNorm(8), (draw(4, 8),)),
}


@pytest.mark.parametrize(
    ("name", "lowering", "passes"),
    [
        *((name, "{rows=1}", "step-tile{rows=2}") for name in DENSE),
        *((name, "{rows=2}", "step-tile{rows=1},step-simplify") for name in DENSE),
        *((name, "{columns=2}", "step-tile{columns=4}") for name in ("mlp", "feed forward")),
        ("mlp", "{rows=2 columns=1}", "step-tile{rows=1 columns=4}"),
        ("layer norm", "{rows=1}", "step-simplify,step-tile{rows=4}"),
    ],
)
def test_dense_models_compute_what_torch_computes(name: str, lowering: str, passes: str) -> None:
    model, args = DENSE[name]
    model, args = model.double().eval(), tuple(x.double() for x in args)
    imported = import_model(model, args)
    spec = f"step-lower{lowering},{passes}"
    parse_passes(spec, get_all_passes()).apply(make_context(), imported.module)
    imported.module.verify()
    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    (result,) = interpret(imported.module, arguments)
    np.testing.assert_allclose(result, model(*args).detach(), rtol=0, atol=1e-12)


def test_depths_of_single_channels_free_c8() -> None:
    netlist = import_netlist(recorded("m11_pack_reassemble_deadlock"))
    found = find_depths(netlist.graph, netlist.arguments, depth=2, element_bytes=2)
    parse_passes(sizing(found), get_all_passes()).apply(make_context(), netlist.module)
    result = lower(netlist.graph, element_bytes=2).run(netlist.arguments, depth=2)
    assert result.deadlock is None
    assert result.cycles == 2_096
    assert 0 < len(found) < 6


def test_bodies_that_give_lists_are_shared() -> None:
    """Rows are split inside of the column tiles: other rows a tile would be another order."""
    results: list[list[Array]] = []
    for passes in ("", "step-time-multiplex{regions=1}"):
        netlist = rewritten("m09_moe_static_tile4", passes).netlist
        (main,) = (op for op in netlist.module.ops if isinstance(op, FuncOp))
        rng = np.random.default_rng(0)
        arguments = [
            rng.integers(-3, 4, type.get_shape()).astype(float) if given is None else given
            for type, given in zip(main.body.block.arg_types, netlist.arguments, strict=True)
            if isinstance(type, TensorType)
        ]
        results.append(interpret(netlist.module, arguments))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(PassFailedException, match="they would come in another order"):
        rewritten("m09_moe_static_tile4", "step-dynamic-tile")
