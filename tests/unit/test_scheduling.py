"""The scheduler: what it chooses on programs whose best schedule is known, and what it refuses."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.func import FuncOp

import headrace
from headrace.frontends.einsum import import_einsum
from headrace.models import autoencoder, gcn
from headrace.models.graphs import random_graph
from headrace.scheduling.choose import FORMS, Decision
from headrace.scheduling.explain import summary
from headrace.scheduling.schedule import Lanes, RegionSchedule, Schedule
from headrace.storage.errors import InputError

Array = npt.NDArray[np.float64]


def sparse(shape: tuple[int, int], density: float, seed: int = 0) -> Array:
    draw = np.random.default_rng(seed)
    return draw.standard_normal(shape) * (draw.random(shape) < density)


def decided(text: str, lanes: int = 1, **tensors: tuple[str, Array]) -> Decision:
    """The decision for index notation, checked to compute what every operation alone computes."""
    formats = {name: (format, array.shape) for name, (format, array) in tensors.items()}
    module = import_einsum(text, formats)
    arrays = [array for _, array in tensors.values()]
    decision = headrace.schedule(module, arrays, lanes=lanes)
    chosen = headrace.compile(module, pipeline=decision.schedule.pipeline).run(*arrays)
    alone = headrace.compile(module).run(*arrays)
    np.testing.assert_allclose(chosen.outputs[0], alone.outputs[0], rtol=0, atol=1e-9)
    assert chosen.cycles <= alone.cycles
    return decision


def test_a_schedule_is_written_as_a_pipeline() -> None:
    regions = (RegionSchedule(), RegionSchedule((1, 0), (Lanes(1, 4), Lanes(0, 2, "nonzeros"))))
    assert Schedule((1, 0), (3,), (2,), regions).passes == (
        "sam-associate{forms=1,0}",
        "sam-drop-zeros{which=2}",
        "sam-fuse{regions=all cuts=3}",
        "sam-order{region=1 priority=1,0 copies=any}",
        "sam-parallelize{region=1 axis=1 factor=4 balance=turns}",
        "sam-parallelize{region=1 axis=0 factor=2 balance=nonzeros}",
        "sam-lower",
    )


@pytest.mark.parametrize(("features", "hidden", "form"), [(64, 4, "A (X W)"), (4, 64, "(A X) W")])
def test_products_are_bracketed_so_that_the_thin_side_is_aggregated(
    features: int, hidden: int, form: str
) -> None:
    decision = decided(
        "Y(i,h) = A(i,j) * X(j,f) * W(f,h)",
        A=("csr", sparse((60, 60), 0.2)),
        X=("dense", sparse((60, features), 1)),
        W=("dense", sparse((features, hidden), 1)),
    )
    assert decision.chosen.text == (form,)


def test_a_sampled_product_follows_its_mask() -> None:
    """K is stored once more, transposed, so that the mask is joined before the sum."""
    decision = decided(
        "Y(i,j) = (Q(i,d) * K(d,j)) * M(i,j)",
        Q=("dense", sparse((40, 8), 1)),
        K=("dense", sparse((8, 40), 1)),
        M=("csr", sparse((40, 40), 0.1)),
    )
    (region,) = decision.chosen.plan
    assert region.cost.copied == 8 * 40
    assert decision.cycles < 0.5 * decision.baselines["all"]


def test_two_layers_of_a_graph_network_are_not_one_region() -> None:
    graph = random_graph(120, 600, 16)
    model, args = gcn.on_graph(graph.adjacency, graph.features, 4, dtype=torch.float64)
    decision = headrace.schedule(model, args)
    assert len(decision.schedule.regions) > 1
    assert decision.cycles < min(decision.baselines.values())


def test_zeros_of_a_relu_are_dropped_where_a_product_reads_them() -> None:
    model, args = autoencoder.sparse_autoencoder(200, 16, 8, dtype=torch.float64)
    decision = headrace.schedule(model, args)
    assert decision.schedule.drops == (2,)


def test_operations_with_a_reshape_between_them_are_scheduled_apart() -> None:
    class Reshaped(torch.nn.Module):
        def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return torch.relu((torch.relu(x) @ w).reshape(2, -1))

    args = (torch.randn(4, 6, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64))
    decision = headrace.schedule(Reshaped(), args)
    program = headrace.compile(Reshaped(), args, pipeline=decision.schedule.pipeline)
    assert len(program.graphs) == len(decision.schedule.regions) == 2
    torch.testing.assert_close(program.run(*args).outputs[0], Reshaped()(*args))


def test_auto_is_a_pipeline(tmp_path: Path) -> None:
    model, args = gcn.karate()
    decision = headrace.schedule(model, args)
    decision.schedule.save(tmp_path / "gcn.toml")
    saved = headrace.compile(model, args, pipeline=tmp_path / "gcn.toml").run(*args)
    chosen = headrace.compile(model, args, pipeline="auto").run(*args)
    assert saved.cycles == chosen.cycles
    assert chosen.cycles == pytest.approx(decision.cycles, rel=0.1)


def test_the_explanation_names_axes_bounds_and_what_was_rejected() -> None:
    model, args = gcn.karate()
    report = summary(headrace.schedule(model, args))
    assert report["baselines"].keys() == {"none", "layer", "all"}
    assert report["rejected_products"]
    region = report["regions"][0]
    assert region["axes"]["i0"].startswith("dimension 0 of ")
    assert region["bound_by"]
    assert any(one["what"].startswith("together with") for one in region["rejected"])
    others = [one["cost"] for one in region["rejected"] if "order" in one["what"]]
    assert min(others) >= 0.99 * region["cost"]
    assert report["estimates"] > len(others)


def test_what_fusion_computes_again_is_reported() -> None:
    """H is summed over by one use and added by another, so that A B is computed for each."""

    class Residual(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            h = a @ b
            return h @ c + h

    args = tuple(torch.from_numpy(sparse((6, 6), 1, seed)) for seed in range(3))
    planner = headrace.schedule(Residual(), args).chosen.planner
    axes = planner.evaluator.axes(planner.runs[0, len(planner.units)])
    assert axes is not None
    assert axes.repeated == {0: 2}


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, factor: int, bias: torch.Tensor | None) -> torch.Tensor:
        y = torch.relu(x) * factor
        return y if bias is None else y + bias


class Nested(torch.nn.Module):
    def forward(self, both: dict[str, torch.Tensor]) -> torch.Tensor:
        return both["x"] @ both["w"]


class Norm(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x).sum().sqrt()


X, W = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)


@pytest.mark.parametrize(
    ("model", "args"),
    [(Scaled(), (X, 2, None)), (Nested(), ({"x": X, "w": W},)), (Norm(), (X,))],
    ids=["numbers and None", "a dictionary", "a number as result"],
)
def test_what_compiles_can_be_scheduled(model: torch.nn.Module, args: tuple[object, ...]) -> None:
    result = headrace.compile(model, args, pipeline="auto").run(*args)
    torch.testing.assert_close(result.outputs[0], model(*args))


def test_zeros_that_may_not_be_dropped_are_kept() -> None:
    class Capped(torch.nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            filled = x.masked_fill(~mask.to_dense(), float("inf"))
            return torch.relu(filled).clamp(max=5) @ x

    mask = (torch.eye(4) > 0).to_sparse_csr()
    args = (torch.randn(4, 4, dtype=torch.float64), mask)
    result = headrace.compile(Capped(), args, pipeline="auto").run(*args)
    torch.testing.assert_close(result.outputs[0], Capped()(*args))


def test_of_long_chains_the_bracketings_of_fewest_multiplications_are_planned() -> None:
    text = "Y(a,h) = A(a,b) * B(b,c) * C(c,d) * D(d,e) * E(e,f) * F(f,h)"
    sizes = (2, 30, 3, 30, 4, 30, 5)
    arrays = [sparse((m, n), 1) for m, n in pairwise(sizes)]
    formats = {name: ("dense", a.shape) for name, a in zip("ABCDEF", arrays, strict=True)}
    decision = headrace.schedule(import_einsum(text, formats), arrays)
    assert len(decision.rejected) <= FORMS
    assert decision.chosen.text[0] in ("((((A B) C) D) E) F", "(((A B) C) D) (E F)")


def test_a_module_of_two_functions_is_refused() -> None:
    module = import_einsum("Y(i) = A(i,j) * x(j)", {"A": ("csr", (4, 4))})
    other = module.body.block.first_op
    assert isinstance(other, FuncOp)
    copy = other.clone()
    copy.sym_name = StringAttr("other")
    module.body.block.add_op(copy)
    with pytest.raises(InputError, match="takes a module of one function"):
        headrace.schedule(module, (np.eye(4), np.ones(4)))


def test_what_cannot_be_scheduled_is_refused() -> None:
    model, args = gcn.karate()
    with pytest.raises(InputError, match="lanes=0 leaves nothing"):
        headrace.schedule(model, args, lanes=0)
    with pytest.raises(InputError, match="give the pipeline 'auto'"):
        headrace.compile(model, args, pipeline="gcn-fused", lanes=4)
    module = import_einsum("Y(i) = A(i,j) * x(j)", {"A": ("csr", (4, 4))})
    with pytest.raises(InputError, match="takes 2 arguments"):
        headrace.compile(module, pipeline="auto")
