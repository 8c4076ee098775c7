"""
PyTorch models become the published stream graphs: their bytes to the integer, and their cycles.

The graphs of the figures were written by hand. Here they come from the layers of Mixtral 8x7B and
Qwen3-30B-A3B at full size, and from decode attention, with the recorded routing and lengths; with
small weights they compute what PyTorch computes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.ir import BlockArgument, Operation

from headrace.analyses.step_compute import allocated_compute
from headrace.analyses.step_costs import Accounting, Bytes, CostModel, graph_cost
from headrace.backends.step import StepResult, lower
from headrace.backends.step_netlist import import_netlist
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.interpreters import linalg
from headrace.interpreters.step import interpret, interpret_graph
from headrace.models import blocks, decode_attention, moe
from headrace.models.example import Example, without_values
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.simulators.stream.machine import StepMachine
from headrace.tests.netlists import recorded
from headrace.tests.reference import reference_path


@dataclass(frozen=True)
class Layer:
    """A layer of experts of full size, with recorded routing."""

    factory: Callable[..., Example]
    experts: int
    trace: str

    @property
    def routing(self) -> np.ndarray:
        with np.load(reference_path(f"step/traces/expert_routing/{self.trace}")) as file:
            return file["data"]

    @property
    def symbols(self) -> dict[str, int]:
        """The rows of each expert."""
        counts = np.bincount(self.routing.ravel(), minlength=self.experts)
        return {f"e{number}": int(count) for number, count in enumerate(counts)}

    def lowered(self, passes: str) -> tuple[ImportedModel, Sequence[Any]]:
        model, args = self.factory(reduction=1, values=False, form="batched", routing=self.routing)
        return lowered(model, args, passes), args


MIXTRAL = Layer(moe.mixtral, 8, "mixtral_b64/008_010.npz")
QWEN = Layer(moe.qwen, 128, "qwen_b64/032_012.npz")


def lowered(model: Any, args: Sequence[Any], passes: str) -> ImportedModel:
    imported = import_model(model, args)
    parse_passes(passes, get_all_passes()).apply(make_context(), imported.module)
    imported.module.verify()
    return imported


def graph_of(imported: ImportedModel) -> step.GraphOp:
    (graph,) = (op for op in imported.module.walk() if isinstance(op, step.GraphOp))
    return graph


def simulated(imported: ImportedModel, args: Sequence[Any], depth: int) -> StepResult:
    """The time of the only graph; tensors that are only loaded have no values."""
    found: list[StepResult] = []

    def run(op: Any, inputs: Sequence[Any]) -> list[Any]:
        found.append(lower(op, element_bytes=2).run(inputs, depth=depth))
        return [None for _ in op.results]

    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    known = [array if any(array.strides) else None for array in arguments]
    linalg.interpret_known(imported.module, known, {step.GraphOp: run})
    assert found[0].deadlock is None
    return found[0]


EXPERTS = [
    (MIXTRAL, "step-lower{rows=32}", Bytes(2_820_145_408, 25_206_786), 2_810_596),
    (MIXTRAL, "step-lower{rows=64}", Bytes(2_820_145_408, 37_789_698), 2_810_631),
    (
        MIXTRAL,
        "step-lower{rows=32},step-dynamic-tile{compute=6400}",
        Bytes(2_820_145_408, 18_915_330),
        2_817_877,
    ),
    (QWEN, "step-lower{rows=8}", Bytes(897_319_936, 125_849_602), 981_744),
    (QWEN, "step-lower,step-tile{rows=64}", Bytes(567_018_496, 302_010_370), 576_400),
    (
        QWEN,
        "step-lower{rows=8},step-dynamic-tile{compute=6400}",
        Bytes(567_018_496, 113_266_690),
        580_803,
    ),
]


@pytest.mark.parametrize(("layer", "passes", "published", "cycles"), EXPERTS)
def test_experts_have_the_bytes_and_cycles_of_the_published_graphs(
    layer: Layer, passes: str, published: Bytes, cycles: int
) -> None:
    imported, args = layer.lowered(passes)
    model = CostModel(accounting=Accounting.REFERENCE)
    cost = graph_cost(graph_of(imported).body.block.ops, model)
    assert cost.evaluate(layer.symbols) == published
    assert simulated(imported, args, depth=2).cycles == pytest.approx(cycles, rel=0.01)


SMALL = [
    (moe.MIXTRAL, "mixtral_b64/008_010.npz"),
    (moe.MIXTRAL, "mixtral_b1024/019_009.npz"),
    (moe.QWEN, "qwen_b64/032_012.npz"),
    (moe.QWEN, "qwen_b1024/022_016.npz"),
]


@pytest.mark.parametrize(("sizes", "trace"), SMALL)
def test_experts_compute_what_pytorch_computes_f1(sizes: moe.Sizes, trace: str) -> None:
    """And each expert selects as many rows as the routing counts."""
    path = reference_path(f"step/traces/expert_routing/{trace}")
    small = moe.Sizes(sizes.experts, sizes.chosen, 4, 3)
    model, args = moe.layer(small, form="batched", routing=path, dtype=torch.float64)
    imported = lowered(model, args, "step-lower{rows=16}")
    selected: list[np.ndarray] = []

    def run(op: Operation, inputs: Sequence[Any]) -> list[Any]:
        assert isinstance(op, step.GraphOp)
        selectors = [one.tensor for one in op.walk() if isinstance(one, step.SelectOp)]
        tables = [inputs[one.index] for one in selectors if isinstance(one, BlockArgument)]
        selected.extend(table.sum(axis=0) for table in tables if table.ndim == 2)
        return [*interpret_graph(op, inputs)]

    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    (found,) = linalg.interpret(imported.module, arguments, {step.GraphOp: run})
    np.testing.assert_allclose(found, model(*args).detach().numpy(), rtol=0, atol=1e-12)
    counts = np.bincount(args[1].numpy().ravel(), minlength=sizes.experts)
    assert selected
    assert all((rows == counts).all() for rows in selected)


class InputsByOutputs(torch.nn.Module):
    """Experts with weights stored inputs x outputs, as those of the published graphs."""

    def __init__(self, sizes: moe.Sizes):
        super().__init__()
        inner = (sizes.experts, sizes.width, sizes.hidden)
        outer = (sizes.experts, sizes.hidden, sizes.width)
        self.gate, self.up = (torch.nn.Parameter(torch.empty(inner)) for _ in range(2))
        self.down = torch.nn.Parameter(torch.empty(outer))

    def forward(
        self, x: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        routing = x.new_zeros(len(x), len(self.gate)).scatter_add(1, indices, weights)
        gate = torch.nn.functional.silu(torch.einsum("bd,edf->ebf", x, self.gate))
        up = torch.einsum("bd,edf->ebf", x, self.up)
        down = torch.einsum("ebf,efd->ebd", gate * up, self.down)
        return torch.einsum("be,ebd->bd", routing, down)


def test_time_multiplexed_experts_have_the_published_cycles() -> None:
    """Tiles of 48 columns are no whole requests, so that it matters how weights are stored."""
    _, args = moe.qwen(reduction=1, values=False, form="batched", routing=QWEN.routing)
    with torch.device("meta"):
        model = InputsByOutputs(moe.QWEN)
    without_values(model)
    passes = "step-lower{rows=32 columns=48 compute=1024},step-time-multiplex{regions=32}"
    imported = lowered(model, args, passes)
    assert allocated_compute(graph_of(imported).body.block.ops) == 295_936
    assert simulated(imported, args, depth=2).cycles == pytest.approx(796_725, rel=0.01)


def reading(op: Operation) -> tuple[int, ...] | None:
    """What a load reads: bytes of a tile, then how often it goes by which stride."""
    if not isinstance(op, step.LoadOp):
        return None
    steps = zip(op.integers("shape"), op.integers("strides"), strict=True)
    by = [number for size, stride in steps if size > 1 for number in (size, stride)]
    return prod(op.integers("tile")), op.integer("dispatch"), *by


@pytest.mark.parametrize("rows", [16, 64])
@pytest.mark.parametrize("columns", [16, 64, 256])
def test_swiglu_reads_as_the_published_graph_and_takes_its_cycles_c5(
    rows: int, columns: int
) -> None:
    """All loads static, in one order; weights lie as in PyTorch, so that tiles are transposed."""
    netlist = recorded(f"fig8_tb{rows}_tf{columns}")
    passes = f"step-lower{{rows={rows} columns={columns} compute=4096}},step-reload{{dispatch=4}}"
    model, args = blocks.swiglu(64, 256, 512)
    graph = graph_of(lowered(model, args, passes))
    published = import_netlist(netlist).graph
    ours, theirs = (
        [one for op in found.body.block.ops if (one := reading(op))] for found in (graph, published)
    )
    assert ours == theirs
    costs = [graph_cost(one.body.block.ops).evaluate({}) for one in (graph, published)]
    assert costs[0].traffic == costs[1].traffic
    machine = StepMachine(on_chip_bandwidth=256, channels=8)
    runs = [lower(one).run([None] * 4, depth=1, machine=machine) for one in (graph, published)]
    assert runs[0].cycles == pytest.approx(runs[1].cycles, rel=7e-4)


@pytest.mark.parametrize(
    "passes",
    [
        "step-lower{rows=2 columns=8},step-reload",
        "step-lower{rows=2 columns=8},step-reload{dispatch=4},step-tile{rows=4 columns=4}",
        "step-lower{rows=4 columns=4},step-tile{rows=2},step-reload",
    ],
)
@pytest.mark.parametrize("factory", [blocks.swiglu, blocks.feed_forward])
def test_reloaded_networks_compute_what_pytorch_computes_f1(
    factory: Callable[..., Example], passes: str
) -> None:
    """Also where the rows are needed again: `feed_forward` adds them to what the network makes."""
    model, args = factory(dtype=torch.float64)
    imported = lowered(model, args, passes)
    (found,) = interpret(imported.module, [stored.to_dense() for stored in imported.bind(*args)])
    np.testing.assert_allclose(found, model(*args).detach(), rtol=0, atol=1e-12)
    assert simulated(imported, args, depth=1).deadlock is None


def window(batch: int, name: str) -> np.ndarray:
    """The recorded lengths of requests."""
    return np.load(reference_path(f"step/traces/azure_trace/b{batch}/conv_stdev{name}.npy"))


def test_decode_attention_has_the_cycles_of_the_published_graph() -> None:
    """One region; the published number is 1 more than the largest clock."""
    lengths = window(16, "0479_1063_1078")
    model, args = decode_attention.decode_attention(lengths, positions=4672)
    imported = lowered(model, args, "step-lower{compute=2048 softmax=plain}")
    assert abs(simulated(imported, args, depth=1).cycles + 1 - 31_900) <= 2


REGIONS = [("coarse", 70_210), ("interleaved", 64_362), ("dynamic", 49_094)]


@pytest.mark.parametrize(("mode", "cycles"), REGIONS)
def test_regions_of_attention_have_the_published_cycles_p5(mode: str, cycles: int) -> None:
    lengths = window(64, "0996_4007_4070")
    model, args = decode_attention.decode_attention(lengths, positions=4672)
    passes = f"step-lower{{compute=2048 softmax=plain}},step-parallelize{{mode={mode}}}"
    found = simulated(lowered(model, args, passes), args, depth=1)
    assert found.cycles == pytest.approx(cycles, rel=0.001)


@pytest.mark.parametrize(
    ("batch", "name", "passes", "cycles"),
    [
        (16, "0479_1063_1078", "", 31_900),
        *(
            (64, "0996_4007_4070", f",step-parallelize{{mode={mode}}}", cycles)
            for mode, cycles in REGIONS
        ),
    ],
)
def test_online_softmax_has_the_published_cycles_within_a_percent(
    batch: int, name: str, passes: str, cycles: int
) -> None:
    """No stream waits for another: one place in a channel is enough, as in the published graph."""
    lengths = window(batch, name)
    model, args = decode_attention.decode_attention(lengths, positions=4672)
    imported = lowered(model, args, f"step-lower{{compute=2048}}{passes}")
    assert simulated(imported, args, depth=1).cycles == pytest.approx(cycles, rel=0.01)


@pytest.mark.parametrize("softmax", ["plain", "online"])
@pytest.mark.parametrize(("mode", "_"), REGIONS)
def test_regions_of_attention_compute_what_pytorch_computes_p5(
    mode: str, _: int, softmax: str
) -> None:
    model, args = decode_attention.decode_attention(
        (5, 0, 11, 7, 31, 32, 33, 2), queries=3, width=4, dtype=torch.float64
    )
    passes = f"step-lower{{softmax={softmax}}},step-parallelize{{mode={mode} regions=4 block=2}}"
    imported = lowered(model, args, passes)
    found = interpret(imported.module, [stored.to_dense() for stored in imported.bind(*args)])
    for result, expected in zip(found, model(*args), strict=True):
        np.testing.assert_allclose(result, expected.numpy(), rtol=0, atol=1e-12)
