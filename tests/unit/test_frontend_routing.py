"""Rows that a mask selects, routed experts and ragged caches equal PyTorch, in dense entry IR."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import DYNAMIC_INDEX, IntegerAttr, TensorType
from xdsl.dialects.linalg.ops import GenericOp

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.interpreters.linalg import interpret
from headrace.models import blocks, decode_attention, decoder_layer, moe
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda, check, compare, draw
from headrace.tests.reference import reference_path

OfRows = Callable[[Any, Any], Any]

T: Any = torch
F: Any = torch.nn.functional
SIZES = moe.Sizes(experts=4, chosen=2, width=8, hidden=6)
X = draw(5, 8)
HITS = torch.tensor([[1, 0, 0, 1, 0], [0, 1, 0, 1, 0]])
"""Places x rows: row 3 is selected twice, rows 2 and 4 are not."""
WEIGHTS = draw(5, 2)

FORMS = ("loop", "batched", "gathered")


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_with_a_router_equals_pytorch(form: moe.Form) -> None:
    model, args = moe.layer(SIZES, 5, form=form, dtype=torch.float64)
    compare(import_model(model, args), model, *args)


@pytest.mark.parametrize("form", FORMS)
def test_one_expert_twice_and_one_never(form: moe.Form) -> None:
    routing = np.array([[0, 0], [2, 1], [1, 0], [2, 2]])
    model, args = moe.layer(SIZES, form=form, routing=routing, dtype=torch.float64)
    compare(import_model(model, args), model, *args)


def test_the_forms_compute_the_same() -> None:
    routing = np.array([[0, 3], [2, 1], [1, 0]])
    model, args = moe.layer(SIZES, form="loop", routing=routing, dtype=torch.float64)
    loop: Any = model
    expected = loop(*args)
    for form in ("batched", "gathered"):
        model, _ = moe.layer(SIZES, form=form, routing=routing, dtype=torch.float64)
        for name in ("gate", "up", "down"):
            parts = [getattr(expert, name).weight for expert in loop.experts]
            setattr(model, name, torch.nn.Parameter(torch.stack(parts)))
        torch.testing.assert_close(model(*args), expected)


class TransformersBlock(torch.nn.Module):
    """The layer as Hugging Face transformers writes it: in place, with rows gathered by a list."""

    def __init__(self, sizes: moe.Sizes):
        super().__init__()
        self.sizes = sizes
        self.gate = torch.nn.Linear(sizes.width, sizes.experts, bias=False)
        self.experts = moe.ExpertLoop(sizes.experts, sizes.width, sizes.hidden).experts

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, length, width = x.shape
        x = x.view(-1, width)
        logits = self.gate(x)
        weights, selected = T.topk(F.softmax(logits, dim=1), self.sizes.chosen, dim=-1)
        weights /= weights.sum(dim=-1, keepdim=True)
        weights = weights.to(x.dtype)
        result = T.zeros((batch * length, width), dtype=x.dtype, device=x.device)
        mask = F.one_hot(selected, num_classes=self.sizes.experts).permute(2, 1, 0)
        for number in range(self.sizes.experts):
            place, row = T.where(mask[number])
            rows = x[None, row].reshape(-1, width)
            rows = self.experts[number](rows) * weights[row, place, None]
            result.index_add_(0, row, rows.to(x.dtype))
        return result.reshape(batch, length, width), logits


def test_the_block_of_transformers_equals_pytorch() -> None:
    torch.manual_seed(0)
    model = TransformersBlock(SIZES).double().eval()
    args = (draw(2, 3, 8),)
    compare(import_model(model, args), model, *args)


def generics(imported: ImportedModel) -> list[GenericOp]:
    return [op for op in imported.module.walk() if isinstance(op, GenericOp)]


def test_no_tensor_has_the_size_of_a_selection() -> None:
    imported = import_model(*moe.layer(SIZES, 5))
    types = [value.type for op in imported.module.walk() for value in op.results]
    shapes = [type.get_shape() for type in types if isinstance(type, TensorType)]
    assert shapes
    assert not any(DYNAMIC_INDEX in shape for shape in shapes)


def test_the_weights_of_a_loop_compare_indices_with_the_number_of_the_expert() -> None:
    routing = np.array([[0, 3], [2, 1], [1, 0]])
    imported = import_model(*moe.layer(SIZES, routing=routing))
    main: Any = imported.module.body.block.first_op
    indices, weights = main.body.block.args[1:3]
    routings = [op for op in generics(imported) if indices in op.inputs]
    assert [set(op.inputs) for op in routings] == [{indices, weights}] * SIZES.experts
    numbers = [
        op.value.value.data
        for one in routings
        for op in one.body.block.ops
        if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr)
    ]
    assert numbers == list(range(SIZES.experts))


TRACES = (
    ("mixtral_b64/008_010.npz", moe.MIXTRAL),
    ("mixtral_b1024/019_009.npz", moe.MIXTRAL),
    ("qwen_b64/032_012.npz", moe.QWEN),
    ("qwen_b1024/022_016.npz", moe.QWEN),
)


@pytest.mark.parametrize(("trace", "sizes"), TRACES, ids=lambda one: str(one).split("/")[0])
def test_recorded_routing_equals_pytorch(trace: str, sizes: moe.Sizes) -> None:
    path = reference_path(f"step/traces/expert_routing/{trace}")
    small = moe.Sizes(sizes.experts, sizes.chosen, 4, 3)
    model, args = moe.layer(small, form="batched", routing=path, dtype=torch.float64)
    compare(import_model(model, args), model, *args)


def test_a_layer_without_values_takes_no_memory_and_gives_nan() -> None:
    model, args = moe.mixtral(4, reduction=1, form="batched", values=False)
    imported = import_model(model, args)
    for stored in imported.constants.values():
        assert stored.values.strides == (0,)
    model, args = moe.mixtral(4, reduction=1024, values=False)
    imported = import_model(model, args)
    assert np.isnan(interpret(imported.module, imported.bind(*args))[0]).all()


# --- what may happen between selection and sum -----------------------------------------------


def selected(function: Any) -> Any:
    """`function(rows, weights)` of the selected rows of X, added back."""

    def forward(x: torch.Tensor, hits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        place, row = torch.where(hits)
        return torch.ones_like(x).index_add(0, row, function(x[row], weights[row, place, None]))

    return forward


ALLOWED: dict[str, OfRows] = {
    "without weights": lambda rows, w: rows * 2,
    "weights alone": lambda rows, w: w.expand(-1, 8),
    "weighted twice by numbers": lambda rows, w: -(rows.exp() * w) / 3,
    "weighted before a product": lambda rows, w: (rows * w) @ T.eye(8, dtype=T.float64),
    "sum of weighted": lambda rows, w: rows * w - rows.sin() * w,
    "by columns": lambda rows, w: rows.reshape(-1, 2, 4).transpose(1, 2).reshape(-1, 8) * w,
    "mean of columns": lambda rows, w: (rows - rows.mean(-1, keepdim=True)) * w,
    "halves": lambda rows, w: rows.chunk(2, -1)[0].sum(-1, True) * rows * w,
}


@pytest.mark.parametrize("name", ALLOWED)
def test_rows_are_computed_by_themselves(name: str) -> None:
    check(selected(ALLOWED[name]), X, HITS, WEIGHTS)


def test_a_mask_of_one_dimension() -> None:
    def forward(x: torch.Tensor, hits: torch.Tensor) -> torch.Tensor:
        (row,) = torch.where(hits)
        return torch.zeros_like(x).index_add(0, row, x[row].exp(), alpha=2)

    check(forward, X, HITS[0] > 0)


REFUSED: dict[str, tuple[OfRows, str]] = {
    "mean of rows": (lambda rows, w: rows - rows.mean(0, keepdim=True), "mixes rows"),
    "sum of rows": (lambda rows, w: rows * rows.sum(0), "mixes rows"),
    "rows by rows": (lambda rows, w: (rows @ rows.T) @ rows, "mixes rows"),
    "softmax": (lambda rows, w: T.softmax(rows, 0), "before they are selected, or after"),
    "a function of weights": (lambda rows, w: (rows * w).exp(), "multiply by the weights last"),
    "a sum with rows": (lambda rows, w: rows * w + rows, "multiply by the weights last"),
    "a sum with a number": (lambda rows, w: rows * w - 3, "multiply by the weights last"),
    "rounded": (lambda rows, w: (rows * w).to(T.int32).double(), "multiply by the weights last"),
    "two weights": (lambda rows, w: rows * w * w, "multiply by the weights last"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_selected_rows_alone_is_refused(name: str) -> None:
    function, remedy = REFUSED[name]
    with pytest.raises(InputError, match=remedy) as caught:
        import_model(Lambda(selected(function)), (X, HITS, WEIGHTS))
    assert "at test_frontend_routing.py:" in str(caught.value)


def test_selected_rows_are_no_result() -> None:
    class Rows(torch.nn.Module):
        def forward(self, x: torch.Tensor, hits: torch.Tensor) -> Any:
            _, row = torch.where(hits)
            return torch.zeros_like(x).index_add(0, row, x[row]), x[row]

    with pytest.raises(InputError, match="result 1 of the model has a row for each that a mask"):
        import_model(Rows(), (X, HITS))


def test_rows_that_are_not_added_back_are_refused() -> None:
    class Rows(torch.nn.Module):
        def forward(self, x: torch.Tensor, hits: torch.Tensor) -> Any:
            _, row = torch.where(hits)
            return x[row].sum(0)

    with pytest.raises(InputError, match="multiply by the mask instead"):
        import_model(Rows(), (X, HITS))


def test_places_that_may_repeat_are_refused() -> None:
    def forward(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return x.scatter(1, index, x)

    with pytest.raises(InputError, match="use scatter_add"):
        import_model(Lambda(forward), (X, torch.zeros(5, 8).long()))


# --- attention and parts of layers -----------------------------------------------------------


def test_decode_attention_is_softmax_over_the_rows_of_each_request() -> None:
    lengths = (5, 0, 31, 7)
    model, args = decode_attention.decode_attention(
        lengths, queries=3, width=4, dtype=torch.float64
    )
    imported = import_model(model, args)
    compare(imported, model, *args)
    query, key, value, keys, values, _ = args
    found = interpret(imported.module, imported.bind(*args))[0]
    for b, length in enumerate(lengths):
        rows, columns = (
            torch.cat([cache[b, :length], new[b : b + 1]])
            for cache, new in ((keys, key), (values, value))
        )
        scores = torch.softmax(query[b] @ rows.T / 2, -1)
        np.testing.assert_allclose(found[b], scores @ columns, atol=1e-12)


@pytest.mark.parametrize(
    "example",
    [
        decode_attention.grouped_attention(queries=2, width=4, dtype=torch.float64),
        blocks.feed_forward(dtype=torch.float64),
        blocks.rotary(dtype=torch.float64),
        decoder_layer.decoder_layer(dtype=torch.float64),
    ],
    ids=["grouped attention", "feed forward", "rotary", "decoder layer"],
)
def test_parts_of_decoders_equal_pytorch(example: Any) -> None:
    model, args = example
    compare(import_model(model, args), model, *args)


def test_a_constant_of_coordinates_is_marked() -> None:
    imported = import_model(*decode_attention.decode_attention())
    main: Any = imported.module.body.block.first_op
    marked = [
        one.data["headrace.name"].data
        for one in main.arg_attrs.data
        if "headrace.coordinate" in one.data
    ]
    assert marked == ["arange"]


def test_a_cache_needs_a_place_for_the_new_row() -> None:
    with pytest.raises(InputError, match="no place for lengths up to 8"):
        decode_attention.decode_attention((8,), positions=8)


@pytest.mark.parametrize("routing", [np.zeros((3, 3), int), np.full((3, 2), 4)])
def test_routing_that_does_not_fit_is_refused(routing: np.ndarray) -> None:
    with pytest.raises(InputError, match="routing"):
        moe.layer(SIZES, routing=routing)


def test_a_reduction_divides_the_widths() -> None:
    with pytest.raises(InputError, match="common divisor"):
        moe.mixtral(reduction=3)
