"""Spellings of routed experts that step-lower recognises, and what it says of the others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.utils.exceptions import PassFailedException

import headrace
from headrace.cli.driver import make_context
from headrace.frontends.torch_export import import_model
from headrace.models import blocks, moe
from headrace.passes.step.step_lower import StepLowerPass
from headrace.storage.errors import InputError
from headrace.tests.imported import draw
from headrace.tests.unit.test_step_lower import check, graphs

T: Any = torch
EXPERTS, WIDTH, HIDDEN = 4, 8, 6

Routing = Callable[[Any, int], tuple[Any, Any]]
"""Indices and weights, both rows x chosen, from the scores of all experts."""


def largest_first(scores: Any, chosen: int) -> tuple[Any, Any]:
    values, indices = T.topk(scores, chosen, dim=-1)
    return indices, T.softmax(values, -1)


def as_they_are(scores: Any, chosen: int) -> tuple[Any, Any]:
    weights, indices = T.topk(T.softmax(scores, -1), chosen, dim=-1)
    return indices, weights


def renormalised(scores: Any, chosen: int) -> tuple[Any, Any]:
    indices, weights = as_they_are(scores, chosen)
    return indices, weights / weights.sum(-1, keepdim=True)


ROUTINGS: list[Routing] = [as_they_are, renormalised, largest_first]


class Layer(torch.nn.Module):
    """Experts behind a router."""

    def __init__(self, experts: torch.nn.Module, chosen: int, routing: Routing = as_they_are):
        super().__init__()
        self.gate = torch.nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts, self.chosen, self.routing = experts, chosen, routing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.experts(x, *self.routing(self.gate(x), self.chosen))


Share = Callable[[Any, Any, int], Any]
"""The weight of an expert for each row, rows x 1, from indices, weights and its number."""


class EveryExpert(torch.nn.Module):
    """All experts on all rows, one after the other, each with its share."""

    def __init__(self, share: Share, start: Callable[[Any], Any] = T.zeros_like):
        super().__init__()
        self.experts = torch.nn.ModuleList(blocks.SwiGLU(WIDTH, HIDDEN) for _ in range(EXPERTS))
        self.share, self.start = share, start

    def forward(self, x: Any, indices: Any, weights: Any) -> Any:
        result = self.start(x)
        for number, expert in enumerate(self.experts):
            result = result + expert(x) * self.share(indices, weights, number)
        return result


class GatheredSum(moe.GatheredExperts):
    """Gathered weights, with a sum of products in place of the last one."""

    def forward(self, x: Any, indices: Any, weights: Any) -> Any:
        gate = T.einsum("bd,bkfd->bkf", x, self.gate[indices])
        up = T.einsum("bd,bkfd->bkf", x, self.up[indices])
        hidden = T.nn.functional.silu(gate) * up
        down = T.einsum("bkf,bkdf->bkd", hidden, self.down[indices])
        return (down * weights[..., None]).sum(1)


def product(indices: Any, weights: Any, number: int) -> Any:
    return ((indices == number) * weights).sum(-1, keepdim=True)


SHARES: dict[str, Share] = {
    "product": product,
    "product of floats": lambda i, w, e: ((i == e).to(w.dtype) * w).sum(-1, keepdim=True),
    "one hot": lambda i, w, e: (T.nn.functional.one_hot(i, EXPERTS) * w[..., None]).sum(1)[
        :, e : e + 1
    ],
    "scaled": lambda i, w, e: product(i, w, e) * 2.5,
    "where": lambda i, w, e: T.where(i == e, w, 0).sum(-1, keepdim=True),
    "where not": lambda i, w, e: T.where(i != e, 0, w).sum(-1, keepdim=True),
    "filled": lambda i, w, e: w.masked_fill(~(i == e), 0).sum(-1, keepdim=True),
    "filled where not": lambda i, w, e: w.masked_fill(i != e, 0).sum(-1)[:, None],
}

EXPERT_FORMS: dict[str, Callable[[], torch.nn.Module]] = {
    "loop": lambda: moe.ExpertLoop(EXPERTS, WIDTH, HIDDEN),
    "batched": lambda: moe.BatchedExperts(EXPERTS, WIDTH, HIDDEN),
    "gathered": lambda: moe.GatheredExperts(EXPERTS, WIDTH, HIDDEN),
    "gathered, summed": lambda: GatheredSum(EXPERTS, WIDTH, HIDDEN),
    **{name: lambda share=share: EveryExpert(share) for name, share in SHARES.items()},
}


def layer(form: str, chosen: int, routing: Routing = as_they_are) -> torch.nn.Module:
    torch.manual_seed(0)
    return Layer(EXPERT_FORMS[form](), chosen, routing).double().eval()


@pytest.mark.parametrize(("rows", "chosen"), [(6, 2), (6, 1), (1, 2), (1, 1), (6, 4), (1, 4)])
@pytest.mark.parametrize("form", EXPERT_FORMS)
def test_weights_need_not_sum_to_one(form: str, rows: int, chosen: int) -> None:
    imported = check(layer(form, chosen), (draw(rows, WIDTH),), rows=2)
    assert len(graphs(imported)) == 1


@pytest.mark.parametrize("routing", ROUTINGS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("form", ["gathered", "where"])
def test_weights_come_from_any_router(form: str, routing: Routing) -> None:
    check(layer(form, 2, routing), (draw(5, WIDTH),))


@pytest.mark.parametrize("narrow", [T.int32, T.int16])
@pytest.mark.parametrize("form", ["where", "gathered"])
def test_indices_may_have_been_narrow(form: str, narrow: Any) -> None:
    def routing(scores: Any, chosen: int) -> tuple[Any, Any]:
        indices, weights = as_they_are(scores, chosen)
        return indices.to(narrow).to(T.int64), weights

    check(layer(form, 2, routing), (draw(7, WIDTH),))


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("form", ["batched", "gathered"])
def test_indices_may_be_narrow(form: moe.Form, narrow: bool) -> None:
    """Argument or computed: places along an axis are compared in the type of the indices."""
    sizes = moe.Sizes(EXPERTS, 2, WIDTH, HIDDEN)
    experts, (x, indices, weights) = moe.layer(
        sizes, form=form, routing=np.array([[0, 1], [2, 3], [1, 0]]), dtype=T.float64
    )
    if narrow:
        check(experts, (x, indices.int(), weights))
    else:
        check(Narrowing(experts), (x, indices, weights))


class Narrowing(torch.nn.Module):
    """Experts whose indices become int32."""

    def __init__(self, experts: torch.nn.Module):
        super().__init__()
        self.experts = experts

    def forward(self, x: Any, indices: Any, weights: Any) -> Any:
        return self.experts(x, indices.to(T.int32), weights)


@pytest.mark.parametrize("rows", [3, 1])
def test_one_expert_for_each_row_needs_no_sum(rows: int) -> None:
    experts = EveryExpert(lambda i, w, e: T.where(i == e, w, 0))
    check(Layer(experts, 1).double().eval(), (draw(rows, WIDTH),))


@pytest.mark.parametrize("form", EXPERT_FORMS)
def test_no_rows_give_no_rows(form: str) -> None:
    x = draw(0, WIDTH)
    model = layer(form, 2)
    result = headrace.compile(model, (x,), target="step").run(x)
    assert result.outputs[0].shape == model(x).shape == (0, WIDTH)
    assert result.cycles == 0


# --- refusals --------------------------------------------------------------------------------


class Twice(EveryExpert):
    """The same number of an expert stands for two of them."""

    def forward(self, x: Any, indices: Any, weights: Any) -> Any:
        result = super().forward(x, indices, weights)
        return result + self.experts[0](x * 2) * self.share(indices, weights, 0)


class GatheredRows(torch.nn.Module):
    """Rows of a table, no experts."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(draw(EXPERTS, WIDTH))

    def forward(self, x: Any, indices: Any, weights: Any) -> Any:
        return x * self.table[indices[:, 0]]


@pytest.mark.parametrize(
    "experts",
    [
        Twice(product),
        EveryExpert(product, start=lambda x: x * 2),
        EveryExpert(lambda i, w, e: ((i > e) * w).sum(-1, keepdim=True)),
        EveryExpert(lambda i, w, e: T.where(i == e, w, 1).sum(-1, keepdim=True)),
        EveryExpert(lambda i, w, e: T.where(i != e, w, 0).sum(-1, keepdim=True)),
        GatheredRows(),
    ],
    ids=["one twice", "not from zeros", "no equality", "else 1", "all others", "no experts"],
)
def test_what_is_no_sum_over_experts_is_refused_with_the_form_that_is(
    experts: torch.nn.Module,
) -> None:
    imported = import_model(Layer(experts, 2).double().eval(), (draw(5, WIDTH),))
    with pytest.raises(PassFailedException, match="recognised are routed experts, as the sum"):
        StepLowerPass().apply(make_context(), imported.module)


def test_a_mask_without_places_is_refused() -> None:
    args = draw(3, WIDTH), T.zeros(3, 0, dtype=T.int64), draw(3, 0)
    with pytest.raises(InputError, match="has no places and selects no rows"):
        import_model(moe.ExpertLoop(EXPERTS, WIDTH, HIDDEN).double(), args)
