"""
Layers with routed experts: every row goes to `chosen` of many feed-forward networks.

Three forms compute the same. `ExpertLoop` visits the experts one by one and gathers the rows of
each, as Mixtral does in Hugging Face transformers; `BatchedExperts` lets every expert see every row
and weighs with zeros; `GatheredExperts` gathers the weights of the experts of each row, as
gpt-fast does. Routing is computed by a router, or given with the rows.

Sources: "Mixtral of Experts", arXiv 2401.04088; "Qwen3 Technical Report", arXiv 2505.09388.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from headrace.models.blocks import SwiGLU
from headrace.models.example import Example, seeded, without_values
from headrace.storage.errors import InputError

Form = Literal["loop", "batched", "gathered"]


class Router(nn.Module):
    """The `chosen` experts of the largest probability, with those renormalised to sum to 1."""

    def __init__(self, width: int, experts: int, chosen: int):
        super().__init__()
        self.gate = nn.Linear(width, experts, bias=False)
        self.chosen = chosen

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`x` is rows x width; the results, indices and weights, are rows x chosen."""
        probabilities = torch.softmax(self.gate(x), dim=-1)
        weights, indices = torch.topk(probabilities, self.chosen, dim=-1)
        return indices, weights / weights.sum(dim=-1, keepdim=True)


class ExpertLoop(nn.Module):
    """One expert after the other, each on the rows that chose it."""

    def __init__(self, experts: int, width: int, hidden: int):
        super().__init__()
        self.experts = nn.ModuleList(SwiGLU(width, hidden) for _ in range(experts))

    def forward(
        self, x: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """`x` is rows x width, so is the result; `indices` and `weights` are rows x chosen."""
        result = torch.zeros_like(x)
        hits = nn.functional.one_hot(indices, len(self.experts)).permute(2, 1, 0)
        for number, expert in enumerate(self.experts):
            place, row = torch.where(hits[number])
            result = result.index_add(0, row, expert(x[row]) * weights[row, place, None])
        return result


class StackedExperts(nn.Module):
    """The weights of all experts in three tensors, experts outermost."""

    def __init__(self, experts: int, width: int, hidden: int):
        super().__init__()
        self.gate = nn.Parameter(torch.randn(experts, hidden, width) / width**0.5)
        self.up = nn.Parameter(torch.randn(experts, hidden, width) / width**0.5)
        self.down = nn.Parameter(torch.randn(experts, width, hidden) / hidden**0.5)


class BatchedExperts(StackedExperts):
    """Every expert on every row; the weight of an expert that a row did not choose is 0."""

    def forward(
        self, x: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """`x` is rows x width, so is the result; `indices` and `weights` are rows x chosen."""
        routing = x.new_zeros(x.shape[0], self.gate.shape[0]).scatter_add(1, indices, weights)
        gate = torch.einsum("bd,efd->ebf", x, self.gate)
        up = torch.einsum("bd,efd->ebf", x, self.up)
        down = torch.einsum("ebf,edf->ebd", nn.functional.silu(gate) * up, self.down)
        return torch.einsum("be,ebd->bd", routing, down)


class GatheredExperts(StackedExperts):
    """The weights of the experts that a row chose are gathered for it."""

    def forward(
        self, x: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """`x` is rows x width, so is the result; `indices` and `weights` are rows x chosen."""
        gate = torch.einsum("bd,bkfd->bkf", x, self.gate[indices])
        up = torch.einsum("bd,bkfd->bkf", x, self.up[indices])
        hidden = nn.functional.silu(gate) * up
        down = torch.einsum("bkf,bkdf->bkd", hidden, self.down[indices])
        return torch.einsum("bk,bkd->bd", weights, down)


class MoELayer(nn.Module):
    """A router and its experts."""

    def __init__(self, router: Router, experts: nn.Module):
        super().__init__()
        self.router = router
        self.experts = experts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is rows x width; so is the result."""
        indices, weights = self.router(x)
        return self.experts(x, indices, weights)


_FORMS: dict[str, type[ExpertLoop] | type[StackedExperts]] = {
    "loop": ExpertLoop,
    "batched": BatchedExperts,
    "gathered": GatheredExperts,
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of a layer with experts."""

    experts: int
    chosen: int
    width: int
    hidden: int

    def reduced(self, factor: int) -> "Sizes":
        """The same routing with `width` and `hidden` divided by `factor`."""
        if factor < 1 or self.width % factor or self.hidden % factor:
            raise InputError(
                f"widths of {self.width} and {self.hidden} cannot be divided by {factor}; choose "
                "a common divisor"
            )
        return Sizes(self.experts, self.chosen, self.width // factor, self.hidden // factor)


MIXTRAL = Sizes(experts=8, chosen=2, width=4096, hidden=14336)
"""Mixtral 8x7B."""
QWEN = Sizes(experts=128, chosen=8, width=2048, hidden=768)
"""Qwen3-30B-A3B."""


def layer(
    sizes: Sizes,
    batch: int = 64,
    *,
    form: Form = "loop",
    routing: str | Path | np.ndarray | None = None,
    dtype: torch.dtype = torch.float32,
    values: bool = True,
    seed: int = 0,
) -> Example:
    """
    A layer of experts with random weights and rows.

    `routing` gives the experts of each row (an array, batch x chosen, or an `.npz` file with it
    under `data`) in place of a router: the model then takes rows, indices, and random weights of
    these experts, which sum to 1. Without `values` every weight is NaN and takes no memory, so that
    a layer of any size can be compiled and timed; so are its results.
    """
    given = None if routing is None else read_routing(routing, sizes)
    if given is not None:
        batch = len(given)
    with seeded(seed), torch.device("cpu" if values else "meta"):
        experts = _FORMS[form](sizes.experts, sizes.width, sizes.hidden).to(dtype).eval()
        router = Router(sizes.width, sizes.experts, sizes.chosen).to(dtype).eval()
    if not values:
        without_values(experts)
        without_values(router)
    with seeded(seed + 1):
        x = torch.randn(batch, sizes.width, dtype=dtype)
        if given is None:
            return MoELayer(router, experts), (x,)
        weights = torch.softmax(torch.randn(batch, sizes.chosen, dtype=dtype), dim=-1)
        return experts, (x, torch.as_tensor(given), weights)


def read_routing(routing: str | Path | np.ndarray, sizes: Sizes) -> np.ndarray:
    """The recorded experts of each row; raises `InputError` if they are not those of `sizes`."""
    found = routing
    if not isinstance(found, np.ndarray):
        with np.load(found) as file:
            if "data" not in file:
                raise InputError(f"'{routing}' has no array 'data' with the experts of each row")
            found = file["data"]
    if found.ndim != 2 or found.shape[1] != sizes.chosen:
        raise InputError(f"routing of shape {found.shape} is not rows x {sizes.chosen}")
    if found.size and not 0 <= found.min() <= found.max() < sizes.experts:
        raise InputError(f"routing names experts outside of 0 .. {sizes.experts - 1}")
    return found.astype(np.int64)


def mixtral(
    batch: int = 64,
    reduction: int = 256,
    *,
    form: Form = "loop",
    routing: str | Path | np.ndarray | None = None,
    dtype: torch.dtype = torch.float32,
    values: bool = True,
    seed: int = 0,
) -> Example:
    """The experts of Mixtral 8x7B, `reduction` times narrower; see `layer`."""
    sizes = MIXTRAL.reduced(reduction)
    return layer(sizes, batch, form=form, routing=routing, dtype=dtype, values=values, seed=seed)


def qwen(
    batch: int = 64,
    reduction: int = 256,
    *,
    form: Form = "loop",
    routing: str | Path | np.ndarray | None = None,
    dtype: torch.dtype = torch.float32,
    values: bool = True,
    seed: int = 0,
) -> Example:
    """The experts of Qwen3-30B-A3B, `reduction` times narrower; see `layer`."""
    sizes = QWEN.reduced(reduction)
    return layer(sizes, batch, form=form, routing=routing, dtype=dtype, values=values, seed=seed)
