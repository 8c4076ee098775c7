"""Models lowered to stream graphs compute what PyTorch computes, and the graphs are those known."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.utils.exceptions import PassFailedException

import headrace
from headrace.analyses.step_symbols import known_symbols
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.interpreters.step import interpret
from headrace.models import blocks, decode_attention, decoder_layer, mlp, moe
from headrace.models.example import Example
from headrace.passes.step.step_lower import StepLowerPass
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda, draw, named

T: Any = torch
F: Any = torch.nn.functional
SIZES = moe.Sizes(experts=4, chosen=2, width=8, hidden=6)
ROUTING = np.array([[0, 3], [2, 0], [0, 2], [3, 2], [2, 0]])
"""Expert 1 gets no row."""


def lowered(model: torch.nn.Module, args: Any, **options: Any) -> ImportedModel:
    """The import of a model with its graphs, verified."""
    imported = import_model(model, args)
    StepLowerPass(**options).apply(make_context(), imported.module)
    imported.module.verify()
    return imported


def graphs(imported: ImportedModel) -> list[step.GraphOp]:
    return [op for op in imported.module.walk() if isinstance(op, step.GraphOp)]


def check(model: torch.nn.Module, args: Any, **options: Any) -> ImportedModel:
    """Lower, interpret in float64, and compare with eager PyTorch."""
    imported = lowered(model, args, **options)
    assert graphs(imported)
    arguments = [stored.to_dense() for stored in imported.bind(*args)]
    found = interpret(imported.module, arguments)
    for result, (_, expected) in zip(found, named(model(*args)), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    return imported


def double(example: Example) -> Example:
    model, args = example
    return model.double(), tuple(x.double() if x.is_floating_point() else x for x in args)


OPTIONS: list[dict[str, int]] = [{}, {"rows": 2}, {"columns": 2}, {"rows": 4, "columns": 2}]

DENSE: dict[str, Example] = {
    "mlp": mlp.mlp((8, 16, 4), batch=4),
    "feed forward": blocks.feed_forward(),
    "rotary": blocks.rotary(),
    "layer norm": (torch.nn.LayerNorm(8), (draw(4, 8),)),
    "layers": (torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.GELU()), (draw(2, 2, 8),)),
}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", DENSE)
def test_rows_through_layers(name: str, options: dict[str, int]) -> None:
    model, args = double(DENSE[name])
    imported = check(model.eval(), args, **options)
    assert len(graphs(imported)) == 1


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: (2 - x) * 3 / 4 + 1 / (x * x + 1) - x,
    "softmax": lambda x: T.softmax(x * 2, -1),
    "sigmoid and tanh": lambda x: T.sigmoid(x) + T.tanh(x).sin().cos(),
    "roots": lambda x: (x * x + 1).sqrt().log() * (x.exp() + 1).rsqrt(),
    "largest": lambda x: T.relu(x - x.amax(-1, keepdim=True) / 2),
    "products with itself": lambda x: x @ x.T,
    "maxima": lambda x: T.maximum(x, -x) - T.minimum(x, x * 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_rows(name: str) -> None:
    check(Lambda(FUNCTIONS[name]), (draw(4, 6),), rows=2)


def test_what_is_used_twice_is_computed_once() -> None:
    model, args = mlp.mlp((8, 16, 4), batch=4)
    (graph,) = graphs(lowered(model, args))
    functions = Counter(op.function for op in graph.walk() if isinstance(op, step.ComputeOperation))
    assert functions[step.Function.EXP] == 1
    assert functions[step.Function.MATMUL_TRANSPOSED] == 2


FORMS = ("loop", "batched", "gathered")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_routed_experts(form: moe.Form, options: dict[str, int]) -> None:
    model, args = moe.layer(SIZES, form=form, routing=ROUTING, dtype=torch.float64)
    check(model, args, **options)


@pytest.mark.parametrize("form", FORMS)
def test_a_router_stays_before_the_graph(form: moe.Form) -> None:
    model, args = moe.layer(SIZES, 7, form=form, dtype=torch.float64)
    (graph,) = graphs(check(model, args, rows=2))
    assert graph.inputs[0].type == graph.outputs[0].type
    assert not any(op.name == "step.sink" for op in graph.walk())


def test_experts_inside_of_a_layer() -> None:
    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = blocks.RMSNorm(8)
            router = moe.Router(8, 4, 2)
            self.moe = moe.MoELayer(router, moe.ExpertLoop(4, 8, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(x)
            return x + self.moe(y) * 2

    torch.manual_seed(0)
    imported = check(Layer().double().eval(), (draw(6, 8),), rows=2)
    assert len(graphs(imported)) == 3


def test_all_forms_give_the_same_operations() -> None:
    counts: list[Counter[str]] = []
    for form in FORMS:
        imported = lowered(*moe.layer(SIZES, form=form, routing=ROUTING), rows=2, columns=3)
        (graph,) = graphs(imported)
        counts.append(Counter(op.name for op in graph.walk()))
    assert counts[0] == counts[1] == counts[2]


def test_an_expert_twice_for_one_row_is_an_error_of_the_run() -> None:
    model, args = moe.layer(SIZES, routing=np.array([[0, 0], [1, 2], [3, 1]]), dtype=torch.float64)
    imported = lowered(model, args)
    with pytest.raises(InputError, match="selec"):
        interpret(imported.module, [stored.to_dense() for stored in imported.bind(*args)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([0, 0], "not 0 or 1, but 2"),
        ([1, 4], r"selector 1 selects 1 of 4, .* 0 \.\. 3"),
        ([-1, 2], r"selector 1 selects 1 of 4, .* 0 \.\. 3"),
    ],
)
@pytest.mark.parametrize("timing_only", [False, True])
def test_an_index_that_names_no_other_expert_is_an_error_also_of_time(
    wrong: list[int], message: str, timing_only: bool
) -> None:
    model, args = moe.layer(SIZES, routing=np.array([[0, 1], [1, 2], [2, 3]]))
    program = headrace.compile(model, args, target="step")
    x, indices, weights = args
    indices[1] = torch.tensor(wrong)
    with pytest.raises(InputError, match=message):
        program.run(x, indices, weights, timing_only=timing_only)


def test_a_batch_of_no_rows_takes_no_time() -> None:
    model, args = moe.layer(SIZES, form="batched", routing=np.zeros((0, 2), dtype=np.int64))
    program = headrace.compile(model, args, target="step")
    result = program.run(*args)
    assert program.graphs == []
    assert (result.cycles, result.outputs[0].shape) == (0, (0, SIZES.width))


def test_the_scheduler_is_of_the_other_target() -> None:
    with pytest.raises(InputError, match="is for the target sam"):
        headrace.compile(*moe.layer(SIZES, 7), target="step", pipeline="auto")


def test_the_arguments_of_graphs_decide_the_sizes_of_a_run() -> None:
    """Also those of a graph that reads what another has computed."""
    model, args = moe.layer(SIZES, routing=ROUTING)
    program = headrace.compile(model, args, target="step")
    ((graph,), (given,)) = program.graphs, program.graph_arguments(*args)
    counts = np.bincount(ROUTING.ravel(), minlength=SIZES.experts)
    assert known_symbols(graph, given) == {f"e{n}": count for n, count in enumerate(counts)}
    model, args = decoder_layer.decoder_layer()
    program = headrace.compile(model, args, target="step")
    found = program.graph_arguments(*args)
    assert len(found) == len(program.graphs) > 1
    assert all(value is not None for given in found for value in given)


def test_the_public_interface_runs_the_graphs() -> None:
    model, args = moe.layer(SIZES, 7, dtype=torch.float64)
    result = headrace.compile(model, args, target="step").run(*args, depth=2)
    torch.testing.assert_close(result.outputs[0], model(*args))
    assert result.cycles > 0


def test_a_layer_without_values_is_timed_and_has_no_outputs() -> None:
    options: dict[str, Any] = {"form": "batched", "routing": ROUTING, "dtype": torch.float64}
    program = headrace.compile(*moe.layer(SIZES, **options), target="step")
    model, args = moe.layer(SIZES, values=False, **options)
    without = headrace.compile(model, args, target="step")
    found = without.run(*args, depth=2, timing_only=True)
    assert found.cycles == program.run(*args, depth=2).cycles
    with pytest.raises(InputError, match="needs the values of gate, up, down"):
        without.run(*args)


# --- attention -------------------------------------------------------------------------------

LENGTHS = (5, 0, 11, 31, 32, 33, 63)


@pytest.mark.parametrize("rows", [0, 1, 16])
@pytest.mark.parametrize("softmax", ["online", "plain"])
def test_decode_attention(softmax: str, rows: int) -> None:
    model, args = decode_attention.decode_attention(
        LENGTHS, queries=3, width=4, dtype=torch.float64
    )
    check(model, args, softmax=softmax, rows=rows)


def test_attention_with_several_groups() -> None:
    model, args = decode_attention.grouped_attention(queries=2, width=4, dtype=torch.float64)
    check(model, args)


class TorchAttention(torch.nn.Module):
    """Attention as PyTorch has it, heads sharing keys, behind the append to the caches."""

    def forward(
        self, query: Any, key: Any, value: Any, keys: Any, values: Any, lengths: Any
    ) -> Any:
        positions = T.arange(keys.shape[2])
        new = (positions == lengths[:, None])[:, None, :, None]
        keys = T.where(new, key[:, :, None], keys)
        values = T.where(new, value[:, :, None], values)
        seen = (positions < lengths[:, None] + 1)[:, None, None]
        result = F.scaled_dot_product_attention(
            query[:, :, None], keys, values, attn_mask=seen, enable_gqa=True
        )
        return result[:, :, 0], keys, values


def test_attention_of_pytorch_with_shared_heads() -> None:
    caches = draw(3, 2, 8, 4), draw(3, 2, 8, 4, seed=1)
    rows = draw(3, 8, 4), draw(3, 2, 4), draw(3, 2, 4, seed=1)
    imported = check(TorchAttention(), (*rows, *caches, torch.tensor([5, 0, 7])))
    assert len(graphs(imported)) == 1


@pytest.mark.parametrize(("experts", "count"), [(1, 7), (4, 8)])
def test_a_layer_of_a_decoder(experts: int, count: int) -> None:
    """Queries and keys are rotated, rows appended, and the layer goes on with the result."""
    model, args = decoder_layer.decoder_layer(experts=experts, dtype=torch.float64)
    assert len(graphs(check(model, args))) == count


@pytest.mark.parametrize("rows", [0, 4])
@pytest.mark.parametrize("factor", [1e4, -1e4], ids=["far above 0", "far below 0"])
def test_scores_may_be_of_any_size(factor: float, rows: int) -> None:
    """The largest score grows from tile to tile; below 0 one that is not there would be it."""
    model, (query, key, value, keys, *rest) = decode_attention.decode_attention(
        (5, 3, 9, 0), queries=3, width=4, dtype=torch.float64
    )
    args = (query.abs() * factor, key.abs(), value, keys.abs(), *rest)
    check(model, args, rows=rows)
    imported = lowered(model, args, softmax="plain", rows=rows)
    found = interpret(imported.module, [stored.to_dense() for stored in imported.bind(*args)])
    assert not np.isfinite(found[0]).all()


# --- refusals --------------------------------------------------------------------------------


class Centered(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


class ColumnSoftmax(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, 0)


class LargestProduct(torch.nn.Module):
    """A product of rows with a weight, but for the maximum in place of the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(draw(4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return T.amax(x[:, :, None] * self.weight, dim=1)


class Total(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


@pytest.mark.parametrize(
    "model",
    [Centered(), ColumnSoftmax(), LargestProduct(), Total()],
    ids=lambda m: type(m).__name__,
)
def test_what_mixes_rows_is_refused(model: torch.nn.Module) -> None:
    with pytest.raises(PassFailedException) as caught:
        lowered(model, (draw(4, 4),))
    message = str(caught.value)
    assert "test_step_lower.py:" in message
    assert "no form as streams of rows" in message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rows": 3}, "tiles of 3 rows do not divide 4 rows"),
        ({"columns": 3}, "tiles of 3 columns do not divide 8"),
        ({"rows": -1}, "0 or more"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(options: dict[str, int], reason: str) -> None:
    with pytest.raises(PassFailedException, match=reason):
        lowered(*mlp.mlp((8, 8), batch=4), **options)


def test_an_unknown_softmax_is_refused() -> None:
    with pytest.raises(PassFailedException, match="choose online or plain"):
        lowered(*decode_attention.decode_attention((5, 3)), softmax="safe")
