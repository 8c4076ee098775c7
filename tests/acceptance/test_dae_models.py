"""Exported models on the access-execute machine: the numbers of PyTorch at every level."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import headrace
from headrace.analyses.dae_counts import queue_counts
from headrace.backends import dae_function
from headrace.backends.dae_function import DaeFunction
from headrace.cli.driver import lower_dae
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.models import block_gather, dlrm, knowledge_graph, message_passing
from headrace.models.example import Example
from headrace.simulators.dae.execute import Execution, execute
from headrace.simulators.dae.program import Program

MODELS: dict[str, Callable[[], Example]] = {
    "dlrm": dlrm.dlrm,
    "transe": knowledge_graph.transe,
    "distmult": knowledge_graph.distmult,
    "messages": message_passing.edge_messages,
    "karate": message_passing.karate,
    "blocks": block_gather.block_gather,
}


def compiled_at(opt: int, imported: ImportedModel) -> DaeFunction:
    """The function at a level, of a model that is traced once for all."""
    return lower_dae(imported.module.clone(), opt).bind(imported.constants)


@cache
def traced(name: str) -> tuple[ImportedModel, tuple[Any, ...], torch.Tensor]:
    """One of `MODELS`, its arguments, and what it gives."""
    model, args = MODELS[name]()
    with torch.no_grad():
        return import_model(model, args, nests=True), args, model(*args)


def same(found: Any, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Equal but for the order in which PyTorch adds, of the same type."""
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("opt", range(5))
@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_numbers_of_pytorch(
    name: str, opt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported, args, expected = traced(name)
    function = compiled_at(opt, imported)
    given: list[list[np.ndarray[Any, Any]]] = []

    def keep(program: Program, buffers: Sequence[Any], *rest: Any, **options: Any) -> Execution:
        given.append([buffer.copy() for buffer in buffers])
        return execute(program, buffers, *rest, **options)

    monkeypatch.setattr(dae_function, "execute", keep)
    run = function.run(*args)
    same(run.outputs[0], expected)
    assert run.operations
    for one, buffers in zip(run.operations, given, strict=True):
        counts = queue_counts(function.operations[one.name])
        assert counts.evaluate(buffers) == (one.tokens, one.words)


def bag(mode: str, width: int, **options: Any) -> torch.nn.EmbeddingBag:
    torch.manual_seed(width)
    kind = options.pop("dtype", torch.float64)
    made = torch.nn.EmbeddingBag(11, width, mode=mode, include_last_offset=True, **options)
    return made.to(kind)


INDICES = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 10])
OFFSETS = torch.tensor([0, 0, 2, 2, 7, 9, 9])


def runs(model: torch.nn.Module, *args: torch.Tensor) -> list[Any]:
    """The output at each level."""
    imported = import_model(model, args, nests=True)
    return [compiled_at(opt, imported).run(*args).outputs[0] for opt in range(5)]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("width", [1, 7, 16])
def test_bags_are_equal_to_the_bit_at_all_levels(mode: str, width: int) -> None:
    model = bag(mode, width, padding_idx=5)
    expected = model(INDICES, OFFSETS).detach()
    found = runs(model, INDICES, OFFSETS)
    for one in found:
        same(one, expected, 1e-12)
        assert torch.equal(one, found[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_round_alike_at_all_levels(dtype: torch.dtype) -> None:
    model = bag("sum", 9, dtype=dtype)
    found = runs(model, INDICES, OFFSETS)
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 6e-2, torch.float32: 1e-5}[dtype]
    for one in found:
        same(one, model(INDICES, OFFSETS).detach(), tolerance)
        assert torch.equal(one, found[0])


def test_weights_of_samples_and_mixed_integers() -> None:
    weights = torch.linspace(-1, 2, len(INDICES), dtype=torch.float64)

    class Weighted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = bag("sum", 10)

        def forward(
            self, indices: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
        ) -> torch.Tensor:
            return self.bag(indices, offsets, weights)

    model = Weighted()
    expected = model(INDICES, OFFSETS, weights).detach()
    for one in runs(model, INDICES.int(), OFFSETS, weights):
        same(one, expected, 1e-12)


@pytest.fixture(scope="module")
def compiled() -> tuple[torch.nn.EmbeddingBag, DaeFunction]:
    model = bag("sum", 32, dtype=torch.float32)
    return model, headrace.compile(model, (INDICES, OFFSETS), target="dae")


def test_a_function_runs_on_other_arguments_and_says_what_it_did(
    compiled: tuple[torch.nn.EmbeddingBag, DaeFunction],
) -> None:
    model, function = compiled
    indices, offsets = torch.zeros_like(INDICES), torch.tensor([0, 1, 2, 3, 4, 5, 9])
    run = function.run(indices.numpy(), offsets.numpy())
    np.testing.assert_allclose(run.outputs[0], model(indices, offsets).detach().numpy(), rtol=1e-6)
    assert (run.tokens, run.words) == (9 + 6 + 1, 9 * 32)
    (operation,) = run.summary()["operations"]
    assert operation["name"] == "embedding_bag_0"
    assert operation["bound_by"] == "core"
    # One row of two lines is read nine times, besides offsets and indices.
    assert sum(operation["lines"].values()) < 9
    assert any("not timed" in note for note in run.notes)


def test_time_alone_has_shapes_but_no_values(
    compiled: tuple[torch.nn.EmbeddingBag, DaeFunction],
) -> None:
    run = compiled[1].run(INDICES, OFFSETS, timing_only=True)
    assert (run.outputs, run.shapes, run.has_values) == ((), ((6, 32),), False)
    assert run.cycles == compiled[1].run(INDICES, OFFSETS).cycles
    bound = compiled[1].run(INDICES, OFFSETS, fidelity="closed_form")
    assert 0 < bound.cycles <= run.cycles


def test_time_alone_knows_indices_that_the_host_makes_of_sums() -> None:
    class Chosen(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = bag("sum", 4), bag("sum", 8)

        def forward(self, indices: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
            sums = self.first(indices, offsets)
            chosen = torch.where(sums[:, 0] > 0, 10, 3)
            return self.second(chosen, torch.tensor([0, 2, 6]))

    model = Chosen()
    function = headrace.compile(model, (INDICES, OFFSETS), target="dae")
    run = function.run(INDICES, OFFSETS)
    same(run.outputs[0], model(INDICES, OFFSETS).detach(), 1e-12)
    alone = function.run(INDICES, OFFSETS, timing_only=True)
    for one, other in zip(alone.operations, run.operations, strict=True):
        np.testing.assert_array_equal(one.trace.line, other.trace.line)


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ("lanes = 4", "needs 8 lanes of the access unit, which has 4"),
        ("layers = 2", "needs 3 layers of the access unit, which has 2"),
        ("storage_bytes = 64", "bytes of storage of the access unit, which has 64"),
        ("queue_words = 32", "comes after 32 words, but a chunk of the data queue holds 16"),
    ],
)
def test_what_does_not_fit_in_the_machine_is_named(
    compiled: tuple[torch.nn.EmbeddingBag, DaeFunction], machine: str, message: str, tmp_path: Any
) -> None:
    path = tmp_path / "machine.toml"
    path.write_text(f"[dae]\n{machine}\n")
    with pytest.raises(headrace.InputError, match=message):
        compiled[1].run(INDICES, OFFSETS, machine=path)


@pytest.mark.parametrize(
    ("indices", "offsets", "message"),
    [
        ([11] * 9, [0] * 6 + [9], r"index 11 .* of size 11 of %table of @embedding_bag_0, where"),
        ([0] * 9, [1] * 6 + [9], "offsets of the bags must start at 0"),
        ([0] * 9, [0, 3, 2, 4, 5, 6, 9], "must not decrease"),
        ([0] * 8, [0] * 6 + [8], r"shape \(8,\), but must have \(9\)"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    compiled: tuple[torch.nn.EmbeddingBag, DaeFunction],
    indices: list[int],
    offsets: list[int],
    message: str,
) -> None:
    with pytest.raises(headrace.InputError, match=message):
        compiled[1].run(torch.tensor(indices), torch.tensor(offsets))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opt": 5}, "there is no level of optimisation 5; give 0 to 4"),
        ({"opt": True}, "there is no level of optimisation True; give 0 to 4"),
        ({"opt": 1, "pipeline": "ember-opt1"}, "give one of both"),
        ({"pipeline": "auto"}, "is for the target sam"),
        ({"lanes": 2}, "lanes are for the target 'sam'"),
        ({"target": "sam", "opt": 1}, "opt is for the target 'dae'"),
    ],
)
def test_options_that_do_not_apply_are_refused(options: dict[str, Any], message: str) -> None:
    chosen: dict[str, Any] = {"target": "dae", **options}
    compile_any: Any = headrace.compile
    with pytest.raises(headrace.InputError, match=message):
        compile_any(bag("sum", 4), (INDICES, OFFSETS), **chosen)
